"""A bidirectional LSTM as a layer: `lstm.direction` both ways."""

import tensorflow as tf

from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.models.layers.lstm import direction
from dssgan.models.layers.parts import Part


class BidirectionalLSTM(Part):
    """Both directions side by side.

    Args:
      inputs: channels. units: of each direction.
    """

    def __init__(self, inputs: int, units: int, **kwargs):
        super().__init__(**kwargs)
        draw = uniform_fan_in(units)
        self.kernel = self.weight("kernel", (2, inputs, 4 * units), draw)
        self.recurrent = self.weight("recurrent", (2, units, 4 * units), draw)
        # Two that are added up, of the input's and of the state's projection, as in PyTorch.
        self.bias = self.weight("bias", (2, 2, 4 * units), draw)

    @property
    def matrices(self) -> list:
        """As of `Linear`: the map of the inputs; that of the states stays as it is."""
        return [self.kernel]

    def call(self, x, training: bool = False):
        """(steps, rows, inputs) → (steps, rows, 2 · units), float32; the shape must be known."""
        x = tf.cast(x, self.compute)
        kernels = tf.unstack(tf.cast(self.kernel, self.compute))
        recurrent = tf.unstack(tf.cast(self.recurrent, self.compute))
        biases = tf.unstack(tf.reduce_sum(self.bias, 1))
        found = [
            direction(x, *weights, reverse=bool(number), training=training)
            for number, weights in enumerate(zip(kernels, recurrent, biases))
        ]
        return tf.cast(tf.concat(found, -1), tf.float32)
