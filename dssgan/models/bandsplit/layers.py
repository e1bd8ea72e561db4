"""The parts of Band-Split RNN: split, sequence, masks (Luo and Yu, arXiv 2209.15174, section II).

Activations are (steps, rows, features) with the axis that an LSTM runs along first. Bands of the
same width work together, so that there are some ten matrix products instead of forty small ones.
Two kinds of norm:

* authors: one mean and one deviation for all features and steps (group norm with one group), a
  scale and a shift per feature. Independent of the excerpt's length.
* amanteur (the public re-implementation): the scales and shifts around the sequence have a time
  axis, and within it every feature has a mean and a deviation of its own.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from dssgan.models.bandsplit.bands import Bands, length
from dssgan.models.layers.fused import fused
from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.models.layers.lstm import direction
from dssgan.portable import is_portable
from dssgan.products import matmul

EPSILON = 1e-5


@fused
def _row_sums(x):
    x = tf.cast(x, tf.float32)
    return tf.reduce_sum(x, -1), tf.reduce_sum(x * x, -1)


@fused
def _scale_shift(x, factor, offset, scale, shift):
    return (x * factor + offset) * scale + shift


@fused
def _add(x, forward, backward, bias):
    return x + tf.cast(forward, tf.float32) + tf.cast(backward, tf.float32) + bias


def norm_by_rows(x, scale, shift):
    """(steps, rows, features) with zero mean and unit variance in each row, scaled and shifted."""
    first, second = _row_sums(x)
    count = tf.cast(length(x, 0) * x.shape[-1], tf.float32)
    mean = tf.reduce_sum(first, 0, keepdims=True) / count
    square = tf.reduce_sum(second, 0, keepdims=True) / count
    factor = tf.math.rsqrt(tf.maximum(square - mean * mean, 0.0) + EPSILON)
    return _scale_shift(x, factor[..., None], (-mean * factor)[..., None], scale, shift)


def norm_over(axes, x, scale, shift):
    """Zero mean and unit variance over some axes, then a scale and a shift; where little is done.

    Around the sequence every width has a shape of its own: to compile so many pieces would take
    longer than they gain.
    """
    mean, variance = (_moments if is_portable() else tf.nn.moments)(x, axes, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + EPSILON) * scale + shift


def _moments(x, axes, keepdims):
    """`tf.nn.moments` axis by axis: other runtimes lose two digits in sums over several axes."""
    mean = x
    for axis in np.atleast_1d(axes).tolist():
        mean = tf.reduce_mean(mean, axis, keepdims=keepdims)
    variance = tf.square(x - mean)
    for axis in np.atleast_1d(axes).tolist():
        variance = tf.reduce_mean(variance, axis, keepdims=keepdims)
    return mean, variance


class Layer(keras.layers.Layer):
    """A layer that casts nothing by itself, with the weights of a linear map by name."""

    def __init__(self, compute, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.compute = compute

    def linear(self, name: str, inputs: int, outputs: int, *copies: int):
        """(kernel (…, inputs, outputs), bias (…, 1, outputs)) of a linear map."""
        draw = uniform_fan_in(inputs)
        kernel = self.add_weight(
            shape=(*copies, inputs, outputs), initializer=draw, name=f"{name}_kernel"
        )
        bias = self.add_weight(shape=(*copies, 1, outputs), initializer=draw, name=f"{name}_bias")
        return kernel, bias

    @property
    def matrices(self) -> list:
        """Kernels (…, inputs, outputs) of linear maps and of an LSTM's inputs."""
        own = self.trainable_variables
        return [v for v in own if v.name == "kernel" or v.name.endswith("_kernel")]

    def norm(self, name: str, *shape: int):
        """(scale, shift) of a norm."""
        scale = self.add_weight(shape=shape, initializer="ones", name=f"{name}_scale")
        return scale, self.add_weight(shape=shape, initializer="zeros", name=f"{name}_shift")

    def product(self, x, kernel):
        """A matrix product in the layer's type."""
        return matmul(tf.cast(x, self.compute), tf.cast(kernel, self.compute))

    def map(self, x, kernel, bias):
        """A linear map, float32."""
        return tf.cast(self.product(x, kernel), tf.float32) + bias


class BandSplitter(Layer):
    """Parts of a spectrum (batch, parts, frames, bins) → features (bands, frames, batch, features).

    Args:
      bands: see `Bands`. parts: real and imaginary parts of all channels.
      features: N. frames: length of the norm's time axis; 1 has none.
    """

    def __init__(self, bands: Bands, parts: int, features: int, frames: int, compute, **kwargs):
        super().__init__(compute, **kwargs)
        self.bands = bands
        self.norms, self.maps = [], []
        for width, members in zip(bands.widths, bands.members):
            count, size = len(members), parts * width
            self.norms.append(self.norm(f"norm_{width}", count, frames, 1, size))
            self.maps.append(self.linear(f"map_{width}", size, features, count))
        self.built = True

    def call(self, parts):
        """See the class."""
        found = []
        for cut, norm, (kernel, bias) in zip(self.bands.cut(parts), self.norms, self.maps):
            cut = norm_over((1, 3), cut, *norm)
            shape = (cut.shape[0], length(cut, 1), -1, kernel.shape[-1])
            rows = tf.reshape(cut, (cut.shape[0], -1, cut.shape[-1]))
            found.append(tf.reshape(self.map(rows, kernel, bias), shape))
        return tf.gather(tf.concat(found, 0), self.bands.order)


class Recurrent(Layer):
    """Norm, bidirectional LSTM along the first axis, linear map, and the input added.

    Args:
      features: N. units: of each direction. apart: every feature is normalised by itself.
    """

    def __init__(self, features: int, units: int, apart: bool, compute, **kwargs):
        super().__init__(compute, **kwargs)
        self.apart = apart
        self.scale, self.shift = self.norm("norm", features)
        draw = uniform_fan_in(units)

        def weight(name, *shape):
            return self.add_weight(shape=shape, initializer=draw, name=name)

        self.kernel = weight("kernel", 2, features, 4 * units)
        self.recurrent = weight("recurrent", 2, units, 4 * units)
        # Two that are added up, of the input's and of the state's projection, as in PyTorch.
        self.bias = weight("bias", 2, 2, 4 * units)
        self.out_kernel, self.out_bias = self.linear("out", 2 * units, features)
        self.built = True

    def call(self, x, training: bool = False):
        """(steps, rows, features) → the same shape, float32."""
        norm = functools.partial(norm_over, 0) if self.apart else norm_by_rows
        y = tf.cast(norm(x, self.scale, self.shift), self.compute)
        kernels = tf.unstack(tf.cast(self.kernel, self.compute))
        recurrent = tf.unstack(tf.cast(self.recurrent, self.compute))
        biases = tf.unstack(tf.reduce_sum(self.bias, 1))
        halves = tf.split(self.out_kernel, 2)
        found = []
        for number, weights in enumerate(zip(kernels, recurrent, biases)):
            hidden = direction(y, *weights, reverse=bool(number), training=training)
            rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
            found.append(tf.reshape(self.product(rows, halves[number]), tf.shape(x)))
        return tf.ensure_shape(_add(x, *found, self.out_bias[0]), x.shape)


class MaskEstimator(Layer):
    """Features (bands, frames, batch, features) → a mask (batch, parts, frames, bins).

    Args:
      bands, parts, features, frames: as of `BandSplitter`. hidden: units of the hidden layers.
      amanteur: one hidden layer and a linear map in front of the gates instead of two layers.
    """

    def __init__(
        self,
        bands: Bands,
        parts: int,
        features: int,
        hidden: int,
        frames: int,
        amanteur: bool,
        compute,
        **kwargs,
    ):
        super().__init__(compute, **kwargs)
        self.bands, self.parts, self.amanteur = bands, parts, amanteur
        self.scale, self.shift = self.norm("norm", bands.count, frames, 1, features)
        self.first = self.linear("first", features, hidden, bands.count)
        self.second = None if amanteur else self.linear("second", hidden, hidden, bands.count)
        self.middle, self.last = [], []
        for width, members in zip(bands.widths, bands.members):
            count, size = len(members), parts * width
            if amanteur:
                self.middle.append(self.linear(f"middle_{width}", hidden, size, count))
            inputs = size if amanteur else hidden
            self.last.append(self.linear(f"last_{width}", inputs, 2 * size, count))
        self.built = True

    def call(self, x):
        """See the class."""
        bands, frames, features = x.shape[0], length(x, 1), x.shape[3]
        x = tf.reshape(norm_over((1, 3), x, self.scale, self.shift), (bands, -1, features))
        x = tf.tanh(self.map(x, *self.first))
        if self.second is not None:
            x = tf.tanh(self.map(x, *self.second))
        cuts = []
        for place, (members, (kernel, bias)) in enumerate(zip(self.bands.members, self.last)):
            rows = tf.gather(x, members)
            if self.amanteur:
                rows = self.map(rows, *self.middle[place])
            value, gate = tf.split(self.map(rows, kernel, bias), 2, -1)
            cut = value * tf.sigmoid(gate)
            cuts.append(tf.reshape(cut, (len(members), frames, -1, cut.shape[-1])))
        return self.bands.join(cuts, self.parts)
