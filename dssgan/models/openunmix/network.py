"""The network of one source: magnitudes of a mixture → magnitudes of the source."""

import tensorflow as tf

from dssgan.models.layers.parts import NORM_EPSILON, Linear, Part
from dssgan.models.layers.recurrent import BidirectionalLSTM


class FixedNorm(Part):
    """A norm whose mean and variance per channel are kept: those of training, or of `fit`.

    Args:
      channels: how many.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.mean = self.weight("mean", (channels,), "zeros", trainable=False)
        self.variance = self.weight("variance", (channels,), "ones", trainable=False)
        self.scale = self.weight("scale", (channels,), "ones")
        self.shift = self.weight("shift", (channels,), "zeros")

    def call(self, x):
        """(…, channels) → the same shape."""
        factor = self.scale * tf.math.rsqrt(self.variance + NORM_EPSILON)
        return (x - self.mean) * factor + self.shift

    def fit(self, x):
        """Take mean and variance of x; returns what the norm makes of it."""
        rows = tf.reshape(x, (-1, x.shape[-1]))
        mean, variance = tf.nn.moments(rows, 0)
        self.mean.assign(mean)
        self.variance.assign(tf.maximum(variance, NORM_EPSILON))
        return self(x)


class TargetNetwork(Part):
    """Stöter et al., "Open-Unmix", JOSS 4(41), 2019, figure 1.

    Args:
      channels: of the audio. bins: of the spectrum. heard: of them that go into the network.
      units: of the layers. depth: of the LSTM.
    """

    def __init__(self, channels: int, bins: int, heard: int, units: int, depth: int, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.bins, self.heard = channels, bins, heard
        same = {"compute": self.compute}
        self.input_mean = self.weight("input_mean", (heard,), "zeros")
        self.input_scale = self.weight("input_scale", (heard,), "ones")
        self.output_mean = self.weight("output_mean", (bins,), "ones")
        self.output_scale = self.weight("output_scale", (bins,), "ones")
        self.maps = [
            Linear(heard * channels, units, bias=False, **same, name="map_0"),
            Linear(2 * units, units, bias=False, **same, name="map_1"),
            Linear(units, bins * channels, bias=False, **same, name="map_2"),
        ]
        self.norms = [
            FixedNorm(size, name=f"norm_{k}")
            for k, size in enumerate((units, units, bins * channels))
        ]
        self.recurrent = [
            BidirectionalLSTM(units, units // 2, **same, name=f"lstm_{k}") for k in range(depth)
        ]

    def call(self, magnitudes, training: bool = False):
        """(frames, items, channels, bins) → the same shape."""
        return self.through(magnitudes, training)

    def through(self, magnitudes, training: bool = False, fit: bool = False):
        """`call`; with `fit`, the norms take their statistics on the way."""
        frames, items = magnitudes.shape[:2]
        norms = [norm.fit if fit else norm for norm in self.norms]
        x = (magnitudes[..., : self.heard] + self.input_mean) * self.input_scale
        x = tf.reshape(x, (frames, items or -1, self.channels * self.heard))
        x = y = tf.tanh(norms[0](self.maps[0](x)))
        for recurrent in self.recurrent:
            y = recurrent(y, training=training)
        x = tf.nn.relu(norms[1](self.maps[1](tf.concat([x, y], -1))))
        x = norms[2](self.maps[2](x))
        x = tf.reshape(x, (frames, items or -1, self.channels, self.bins))
        return tf.nn.relu(x * self.output_scale + self.output_mean) * magnitudes

    def last(self) -> list:
        """The map to all bins, its norm, and what scales its result."""
        return [self.maps[2], self.norms[2], self.output_mean, self.output_scale]

    def fit(self, magnitudes) -> None:
        """Fit input and norms to magnitudes (frames, items, channels, bins)."""
        heard = tf.reshape(magnitudes[..., : self.heard], (-1, self.heard))
        mean, variance = tf.nn.moments(heard, 0)
        deviation = tf.sqrt(variance)
        # The least deviation counts as 1e-4 of the largest, as in the authors' program.
        floor = tf.maximum(1e-4 * tf.reduce_max(deviation), 1e-8)
        self.input_mean.assign(-mean)
        self.input_scale.assign(1.0 / tf.maximum(deviation, floor))
        self.through(magnitudes, fit=True)
