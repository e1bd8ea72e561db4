"""Encoder and decoder layers of both branches (Défossez, arXiv 2111.03600, section 3).

Spectra are (batch, time, frequency, channels), waveforms (batch, time, channels). Convolutions of a
layer run along the last axis before the channels, those of its residual branch along time.
"""

from typing import NamedTuple

import tensorflow as tf

from dssgan.models.layers.axes import padded
from dssgan.models.layers.parts import (
    NORM_EPSILON,
    AxisConvolution,
    AxisUpsampling,
    Convolution2D,
    Linear,
    Norm,
    Part,
    gated,
    gelu,
)
from dssgan.products import matmul

WAVE, SPECTRUM = 1, 2  # the axis that a branch's layers shorten
CONTEXT = 1  # places before and after that a decoder's gate sees


class LayerSizes(NamedTuple):
    """What all layers have in common; the names are those of `HTDemucs`."""

    kernel_size: int
    stride: int
    dconv_mode: int
    dconv_depth: int
    dconv_comp: int
    dconv_init: float
    rescale: float


class Encoder(Part):
    """A strided convolution, a residual branch and a gate.

    Args:
      inputs, outputs: channels. axis: WAVE or SPECTRUM. sizes: see there.
    """

    def __init__(self, inputs: int, outputs: int, axis: int, sizes: LayerSizes, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.stride = axis, sizes.stride
        kernel, same, side = sizes.kernel_size, {"compute": self.compute}, sizes.kernel_size // 4
        more = {"stride": sizes.stride, "padding": (side, side), "name": "entry", **same}
        self.entry = AxisConvolution(inputs, outputs, kernel, axis, **more)
        self.residual = None
        if sizes.dconv_mode & 1:
            self.residual = ResidualBranch(outputs, sizes, **same, name="residual")
        self.gate = Linear(outputs, 2 * outputs, **same, name="gate")
        rescale(sizes.rescale, self.entry, self.gate)

    def call(self, x):
        """(…, n, inputs) → (…, ⌈n / stride⌉, outputs)."""
        x = padded(x, self.axis, 0, -x.shape[self.axis] % self.stride)
        y = self.entry(x, activated=True)
        return self.gate.gated(y if self.residual is None else self.residual(y))


class Decoder(Part):
    """A gate, a residual branch and a transposed convolution.

    Args:
      inputs, outputs: channels. axis: WAVE or SPECTRUM. sizes: see there.
      last: no activation follows.
    """

    def __init__(
        self, inputs: int, outputs: int, axis: int, sizes: LayerSizes, *, last=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.axis, self.last, self.side = axis, last, sizes.kernel_size // 4
        same, wide = {"compute": self.compute}, 2 * CONTEXT + 1
        if axis == WAVE:
            self.gate = AxisConvolution(inputs, 2 * inputs, wide, WAVE, **same, name="gate")
        else:
            self.gate = Convolution2D(inputs, 2 * inputs, wide, **same, name="gate")
        self.residual = None
        if sizes.dconv_mode & 2:
            self.residual = ResidualBranch(inputs, sizes, **same, name="residual")
        kernel, stride = sizes.kernel_size, sizes.stride
        self.exit = AxisUpsampling(inputs, outputs, kernel, stride, axis, **same, name="exit")
        rescale(sizes.rescale, self.gate, self.exit)

    def call(self, x, skip, *, length: int):
        """(…, n, inputs), the encoder's result of the same shape → (…, length, outputs)."""
        y = gated(self.gate(x + skip))
        y = self.exit(y if self.residual is None else self.residual(y), activated=not self.last)
        index = [slice(None)] * y.shape.rank
        index[self.axis] = slice(self.side, self.side + length)
        return y[tuple(index)]


class ResidualBranch(Part):
    """Narrow dilated convolutions along time, added to their input one after the other.

    Args:
      channels: of the input. sizes: see there.
    """

    def __init__(self, channels: int, sizes: LayerSizes, **kwargs):
        super().__init__(**kwargs)
        options = {"compute": self.compute}
        self.rows = [
            ResidualRow(channels, 2**place, sizes, **options, name=f"row_{place}")
            for place in range(sizes.dconv_depth)
        ]

    def call(self, x):
        """Any shape (batch, time, …, channels) → the same."""
        for row in self.rows:
            x = x + row(x)
        return x


class ResidualRow(Part):
    """One of the convolutions of a `ResidualBranch`; the input is not added.

    Args:
      channels: of the input. dilation: in places. sizes: see there.
    """

    def __init__(self, channels: int, dilation: int, sizes: LayerSizes, **kwargs):
        super().__init__(**kwargs)
        hidden, same = channels // sizes.dconv_comp, {"compute": self.compute}
        self.entry = AxisConvolution(
            channels, hidden, 3, 1, dilation=dilation, **same, name="entry"
        )
        self.norm = Norm(hidden, (1, -1), name="norm")
        self.exit = Linear(hidden, 2 * channels, **same, name="exit")
        self.exit_norm = Norm(2 * channels, (1, -1), name="exit_norm")
        self.scale = Scale(channels, sizes.dconv_init, name="scale")
        rescale(sizes.rescale, self.entry, self.exit)

    def call(self, x):
        """Any shape (batch, time, …, channels) → the same."""
        inner = gelu(self.norm(self.entry(x)))
        columns, kernel = self.normalised(inner)
        half = kernel.shape[1] // 2
        value = self.product(columns, kernel[:, :half] * self.scale.scale)
        return value * tf.sigmoid(self.product(columns, kernel[:, half:]))

    def normalised(self, inner):
        """`exit_norm` of `exit` as one product of what is wide: (columns, kernel).

        `exit` is linear: the mean and the variance of what it gives follow from those of `inner`,
        which has fewer channels. With m and r, mean and inverse deviation of it, and kernel K, bias
        b, scale g and shift s: r · (x K + b - m) · g + s = [r x, r, -r m, 1] [K g; b g; g; s].
        """
        kernel, bias = (tf.convert_to_tensor(w) for w in (self.exit.kernel, self.exit.bias))
        middle = tf.reduce_mean(inner, 1, keepdims=True)
        centred = inner - middle
        inwards = matmul(kernel, kernel, transpose_b=True) / kernel.shape[1]
        powers = tf.reduce_sum(matmul(centred, inwards) * centred, -1, keepdims=True)
        middles = matmul(middle, kernel) + bias  # of every channel
        mean = tf.reduce_mean(middles, -1, keepdims=True)
        variance = tf.reduce_mean(powers, 1, keepdims=True) + tf.reduce_mean(
            tf.math.squared_difference(middles, mean), -1, keepdims=True
        )
        factor = tf.math.rsqrt(variance + NORM_EPSILON)
        scale, shift = self.exit_norm.scale, self.exit_norm.shift
        same = tf.ones_like(inner[..., :1])
        columns = [inner * factor, same * factor, same * (-mean * factor), same]
        rows = [kernel * scale, (bias * scale)[None], scale[None], shift[None]]
        return tf.concat(columns, -1), tf.concat(rows, 0)


class Scale(Part):
    """A factor per channel that begins small (Touvron et al., arXiv 2103.17239, section 2).

    Args:
      channels: how many. first: value of all at the beginning.
    """

    def __init__(self, channels: int, first: float, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(
            shape=(channels,), initializer=lambda shape, dtype: tf.fill(shape, first), name="scale"
        )

    def call(self, x):
        """Any shape → the same."""
        return x * self.scale


class FrequencyEmbedding(Part):
    """A vector per bin that is added to the first layer's result, `boost` times what is stored.

    Args:
      bins, channels: how many. share: factor of what is added. smooth: begin with running sums
        along the bins. boost: see above.
    """

    def __init__(
        self, bins: int, channels: int, share: float, *, smooth: bool, boost: float, **kwargs
    ):
        super().__init__(**kwargs)
        self.share, self.boost = share, boost

        def draw(shape, dtype=None):
            values = tf.random.normal(shape)
            if smooth:
                count = tf.range(1.0, shape[0] + 1.0)[:, None]
                values = tf.cumsum(values, 0) / tf.sqrt(count)
            return values / boost

        self.vectors = self.weight("vectors", (bins, channels), draw)

    def call(self, x):
        """(…, bins, channels) → the same with the vectors added."""
        return x + self.vectors * (self.boost * self.share)


def rescale(deviation: float, *layers) -> None:
    """Divide first weights and biases by √(standard deviation of the weights / `deviation`)."""
    for layer in layers if deviation else ():
        kernel = tf.convert_to_tensor(layer.kernel)
        size = kernel.shape.num_elements()
        spread = tf.math.reduce_std(kernel) * (size / (size - 1)) ** 0.5
        factor = tf.sqrt(deviation / spread)
        layer.kernel.assign(kernel * factor)
        layer.bias.assign(tf.convert_to_tensor(layer.bias) * factor)
