"""Linear maps, convolutions along one axis and norms, channels last: (batch, …, channels).

Weights are float32; products are computed in the layer's own type and come back as float32.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from dssgan.models.layers.axes import interleaved, joined, padded, shifted
from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.portable import is_portable
from dssgan.products import matmul

Axes = int | Sequence[int]
NORM_EPSILON = 1e-5  # of PyTorch's norms


class Part(keras.layers.Layer):
    """A layer that casts nothing by itself and makes its weights when it is made.

    Args:
      compute: type of products.
    """

    def __init__(self, compute=tf.float32, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.compute = compute
        self.built = True

    def weight(self, name: str, shape, initializer, trainable: bool = True):
        """A float32 variable."""
        return self.add_weight(
            shape=tuple(shape), initializer=initializer, name=name, trainable=trainable
        )

    def product(self, x, kernel, bias=None, *, activated=False):
        """A matrix product, float32, with a bias and, `activated`, the GELU of both."""
        free = sum(size is None for size in x.shape)
        joint = activated and bias is not None and self.compute == tf.float32 and free < 2
        if joint and len(kernel.shape) == 2 and not is_portable():
            # What TensorFlow makes one operation of where nothing is differentiated.
            rows = matmul(tf.reshape(x, (-1, x.shape[-1])), kernel)
            rows = tf.nn.gelu(tf.nn.bias_add(rows, bias))
            shape = [-1 if size is None else size for size in x.shape]
            return tf.reshape(rows, (*shape[:-1], kernel.shape[1]))
        found = matmul(tf.cast(x, self.compute), tf.cast(kernel, self.compute))
        found = tf.cast(found, tf.float32)
        found = found if bias is None else found + bias
        return gelu(found) if activated else found


class Linear(Part):
    """x @ kernel + bias along the last axis.

    Args:
      inputs, outputs: channels. bias: whether there is one. copies: of maps that run side by side;
        x is then (copies, …, inputs).
    """

    def __init__(self, inputs: int, outputs: int, *, bias=True, copies=(), **kwargs):
        super().__init__(**kwargs)
        draw = uniform_fan_in(inputs)
        self.kernel = self.weight("kernel", (*copies, inputs, outputs), draw)
        shape = (*copies, *[1] * len(copies), outputs)
        self.bias = self.weight("bias", shape, draw) if bias else None

    @property
    def matrices(self) -> list:
        """Kernels (…, inputs, outputs) that low-rank updates may change."""
        return [self.kernel]

    def call(self, x, *, activated=False):
        """See the class; `activated`: the GELU of it."""
        return self.product(x, self.kernel, self.bias, activated=activated)

    def gated(self, x):
        """`gated` of the map, each half of the channels a product of its own."""
        half = self.kernel.shape[-1] // 2
        value, gate = (
            self.product(x, self.kernel[..., part], self.bias[..., part])
            for part in (slice(half), slice(half, None))
        )
        return value * tf.sigmoid(gate)


class AxisConvolution(Part):
    """A convolution along one axis, the same for all places of the others.

    Args:
      inputs, outputs: channels. size: of the kernel. axis: along which.
      stride, dilation: in places. padding: zeros before and after; None keeps the length of a
        stride of 1. bias: whether there is one.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        axis: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: tuple[int, int] | None = None,
        bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size, self.axis, self.stride, self.dilation = size, axis, stride, dilation
        side = dilation * (size // 2)
        self.padding = (side, side) if padding is None else padding
        draw = uniform_fan_in(size * inputs)
        self.kernel = self.weight("kernel", (size, inputs, outputs), draw)
        self.bias = self.weight("bias", (outputs,), draw) if bias else None

    def call(self, x, *, activated=False):
        """(batch, …, inputs) → (batch, …, outputs), the stride shorter; `activated`: its GELU."""
        x = tf.cast(x, self.compute)
        if self._is_wide(x):
            y = self._convolved(x)
        elif self.stride == 1 and self.size > 1 and self.kernel.shape[2] < self.kernel.shape[1]:
            y = self._products_first(x)
        else:
            x = padded(x, self.axis, *self.padding)
            x = self._blocks(x) if self._has_blocks(x) else self._taps(x)
            kernel = tf.reshape(self.kernel, (-1, self.kernel.shape[-1]))
            return self.product(x, kernel, self.bias, activated=activated)
        y = y if self.bias is None else y + self.bias
        return gelu(y) if activated else y

    def _is_wide(self, x) -> bool:
        """Whether the library's convolution is the faster one: along time, to as many channels."""
        wide = self.kernel.shape[2] >= self.kernel.shape[1] >= 8
        return wide and self.stride == 1 < self.size and x.shape.rank == 3 and not is_portable()

    def _convolved(self, x):
        """The library's convolution of (batch, time, inputs)."""
        x = padded(x, self.axis, *self.padding)[:, None]
        kernel = tf.cast(self.kernel, self.compute)[None]
        y = tf.nn.conv2d(x, kernel, 1, "VALID", dilations=(1, 1, self.dilation, 1))
        return tf.cast(y[:, 0], tf.float32)

    def _taps(self, x):
        """What all places of the kernel see, side by side."""
        return joined(shifted(x, self.axis, self.size, self.stride, self.dilation))

    def _products_first(self, x):
        """A product for each place of the kernel; then the results are shifted, which are less."""
        kernel = tf.reshape(tf.transpose(self.kernel, (1, 0, 2)), (self.kernel.shape[1], -1))
        y = padded(self.product(x, kernel), self.axis, *self.padding)
        parts = [
            shifted(part, self.axis, self.size, 1, self.dilation)[place]
            for place, part in enumerate(tf.split(y, self.size, -1))
        ]
        return tf.add_n(parts)

    def _has_blocks(self, x) -> bool:
        """Whether the kernel is whole steps of its stride, along the axis before the channels."""
        adjacent = self.axis == x.shape.rank - 2 and x.shape[self.axis] is not None
        return adjacent and self.dilation == 1 < self.stride and self.size % self.stride == 0

    def _blocks(self, x):
        """`_taps`; steps of the stride become channels, so that nothing is read with gaps."""
        *front, length, channels = (-1 if size is None else size for size in x.shape)
        steps = (length - self.size) // self.stride + self.size // self.stride
        x = tf.reshape(x[..., : steps * self.stride, :], (*front, steps, self.stride * channels))
        return joined(shifted(x, self.axis, self.size // self.stride, 1, 1))


class Depthwise(Part):
    """A convolution along one axis that keeps channels apart, the length kept.

    Args:
      channels: how many. size: of the kernel, odd. axis: along which.
    """

    def __init__(self, channels: int, size: int, axis: int, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.size = axis, size
        draw = uniform_fan_in(size)
        self.kernel = self.weight("kernel", (size, channels), draw)
        self.bias = self.weight("bias", (channels,), draw)

    def call(self, x):
        """(batch, …, channels) → the same shape."""
        x = padded(x, self.axis, self.size // 2, self.size // 2)
        taps = shifted(x, self.axis, self.size, 1, 1)
        return tf.add_n([tap * self.kernel[k] for k, tap in enumerate(taps)]) + self.bias


class AxisUpsampling(Part):
    """A transposed convolution along one axis, nothing cut off: n → (n − 1) · stride + size.

    Args:
      inputs, outputs: channels. size: of the kernel, a multiple of the stride. axis: along which.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int, axis: int, *, bias=True, **kwargs
    ):
        super().__init__(**kwargs)
        if size % stride:
            raise ValueError(f"kernel of {size} at stride {stride}: expected a multiple of it")
        self.axis, self.size, self.stride, self.outputs = axis, size, stride, outputs
        draw = uniform_fan_in(size * outputs)
        self.kernel = self.weight("kernel", (size, inputs, outputs), draw)
        self.bias = self.weight("bias", (outputs,), draw) if bias else None

    def call(self, x, *, activated=False):
        """(batch, …, inputs) → (batch, …, outputs); `activated`: the GELU of it."""
        steps, inputs = self.size // self.stride, self.kernel.shape[1]
        width = self.stride * self.outputs  # of what one place becomes
        bias = None if self.bias is None else tf.tile(self.bias, [self.stride])
        if inputs <= width:
            kernel = tf.reshape(self.kernel, (steps, self.stride, inputs, self.outputs))
            kernel = tf.transpose(kernel[::-1], (0, 2, 1, 3))
            x = padded(tf.cast(x, self.compute), self.axis, steps - 1, steps - 1)
            taps = joined(shifted(x, self.axis, steps, 1, 1))
            y = self.product(taps, tf.reshape(kernel, (-1, width)), bias, activated=activated)
            return interleaved(y, self.axis, self.stride)
        kernel = tf.reshape(tf.transpose(self.kernel, (1, 0, 2)), (inputs, -1))
        pieces = tf.split(self.product(x, kernel), steps, -1)
        y = tf.add_n([padded(piece, self.axis, k, steps - 1 - k) for k, piece in enumerate(pieces)])
        y = interleaved(y if bias is None else y + bias, self.axis, self.stride)
        return gelu(y) if activated else y


class Convolution2D(Part):
    """A convolution over two axes with an odd kernel, both lengths kept.

    Args:
      inputs, outputs: channels. size: of the kernel along both axes. bias: whether there is one.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, bias=True, **kwargs):
        super().__init__(**kwargs)
        draw = uniform_fan_in(size * size * inputs)
        self.kernel = self.weight("kernel", (size, size, inputs, outputs), draw)
        self.bias = self.weight("bias", (outputs,), draw) if bias else None

    def call(self, x):
        """(batch, rows, columns, inputs) → (batch, rows, columns, outputs)."""
        kernel = tf.cast(self.kernel, self.compute)
        y = tf.cast(tf.nn.conv2d(tf.cast(x, self.compute), kernel, 1, "SAME"), tf.float32)
        return y if self.bias is None else y + self.bias


class Norm(Part):
    """Zero mean and unit variance over some axes, then a scale and a shift per channel.

    Args:
      channels: how many. axes: those of mean and variance.
    """

    def __init__(self, channels: int, axes: Axes, **kwargs):
        super().__init__(**kwargs)
        self.axes = [axes] if isinstance(axes, int) else list(axes)
        self.scale = self.weight("scale", (channels,), "ones")
        self.shift = self.weight("shift", (channels,), "zeros")

    def call(self, x):
        """Any shape → the same."""
        mean = tf.reduce_mean(x, self.axes, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), self.axes, keepdims=True)
        factor = tf.math.rsqrt(variance + NORM_EPSILON) * self.scale
        return (x - mean) * factor + self.shift


class RootMeanSquareNorm(Part):
    """Unit length times √channels along the last axis, then a scale (Zhang and Sennrich 2019).

    Args:
      channels: how many. copies: of scales, for x of (copies, …, channels).
    """

    def __init__(self, channels: int, *, copies=(), **kwargs):
        super().__init__(**kwargs)
        shape = (*copies, *[1] * len(copies), channels)
        self.scale = self.weight("scale", shape, "ones")

    def call(self, x):
        """Any shape → the same."""
        power = tf.reduce_mean(tf.square(x), -1, keepdims=True)
        # The square of 1e-12, the shortest length that is divided by, as a mean over channels.
        return x * tf.math.rsqrt(tf.maximum(power, 1e-24 / x.shape[-1])) * self.scale


def gated(x):
    """Gated linear unit: the first half of the channels times the logistic of the second."""
    value, gate = tf.split(x, 2, -1)
    return value * tf.sigmoid(gate)


def gelu(x):
    """x times the normal distribution's integral up to x (Hendrycks and Gimpel 2016), exact."""
    if is_portable():  # formats have erf(x) alone, not 1 − erf(x)
        return 0.5 * x * (1.0 + tf.math.erf(x * 0.5**0.5))
    return (0.5 * x) * tf.math.erfc(-(0.5**0.5) * x)
