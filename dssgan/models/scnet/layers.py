"""The parts of SCNet (Tong et al., arXiv 2401.13276, section 2); (batch, frames, bins, channels).

Convolutions run along one axis except for one of 3 × 3 at the end of each block.
"""

import itertools
import math
from collections.abc import Sequence

import tensorflow as tf

from dssgan.models.layers.parts import (
    AxisConvolution,
    AxisUpsampling,
    Convolution2D,
    Depthwise,
    Linear,
    Norm,
    Part,
    gated,
    gelu,
)
from dssgan.models.layers.recurrent import BidirectionalLSTM

TIME, BINS = 1, 2  # axes


def band_edges(bins: int, shares: Sequence[float]) -> list[int]:
    """Where three bands begin and end, of which the first two take shares of the bins."""
    return [0, math.ceil(bins * shares[0]), math.ceil(bins * (shares[0] + shares[1])), bins]


def compressed(bins: int, stride: int, size: int) -> tuple[int, int, int]:
    """Zeros before and after a band of so many bins, and how many are left of it."""
    total = size - stride if stride == 1 else -bins % stride
    return total // 2, total - total // 2, (bins + total - size) // stride + 1


class ConvolutionModule(Part):
    """Residual branches along time: norm, gated convolution, depthwise convolution, norm, SiLU.

    Args:
      channels: in and out. depth: branches. compress: by what the channels within are fewer.
      size: of the kernels.
    """

    def __init__(self, channels: int, depth: int, compress: float, size: int, **kwargs):
        super().__init__(**kwargs)
        hidden, same = int(channels / compress), {"compute": self.compute}
        self.branches = [
            [
                Norm(channels, (TIME, 3), name=f"norm_{k}"),
                AxisConvolution(channels, 2 * hidden, size, TIME, **same, name=f"entry_{k}"),
                Depthwise(hidden, size, TIME, name=f"depthwise_{k}"),
                Norm(hidden, (TIME, 3), name=f"inner_norm_{k}"),
                Linear(hidden, channels, **same, name=f"exit_{k}"),
            ]
            for k in range(depth)
        ]
        self.layers = [layer for branch in self.branches for layer in branch]

    def call(self, x):
        """See the class."""
        for norm, entry, depthwise, inner, leave in self.branches:
            y = inner(depthwise(gated(entry(norm(x)))))
            x = x + leave(tf.nn.silu(y))
        return x


class Encoder(Part):
    """Bands made sparse each by its own stride, convolution modules, a convolution over all.

    Args:
      inputs, outputs: channels. strides, sizes: of the bands' kernels. shares: see `band_edges`.
      depths, compress, size: of the convolution modules.
    """

    def __init__(self, inputs, outputs, strides, sizes, shares, depths, compress, size, **kwargs):
        super().__init__(**kwargs)
        same = {"compute": self.compute}
        self.shares, self.strides, self.sizes = shares, strides, sizes
        self.entries = [
            AxisConvolution(
                inputs, outputs, k, BINS, stride=s, padding=(0, 0), **same, name=f"band_{n}"
            )
            for n, (k, s) in enumerate(zip(sizes, strides))
        ]
        self.modules = [
            ConvolutionModule(outputs, depth, compress, size, **same, name=f"module_{n}")
            for n, depth in enumerate(depths)
        ]
        self.over_all = Convolution2D(outputs, outputs, 3, **same, name="over_all")

    def call(self, x):
        """→ (output, what goes to the decoder, bins of the bands before, bins of them after)."""
        edges = band_edges(x.shape[BINS], self.shares)
        bands, before, after = [], [], []
        for n, (start, stop) in enumerate(itertools.pairwise(edges)):
            first, last, left = compressed(stop - start, self.strides[n], self.sizes[n])
            band = tf.pad(x[:, :, start:stop], [[0, 0], [0, 0], [first, last], [0, 0]])
            bands.append(gelu(self.modules[n](self.entries[n](band))))
            before.append(stop - start)
            after.append(left)
        whole = tf.concat(bands, BINS)
        return self.over_all(whole), whole, before, after


class Decoder(Part):
    """The encoder's bands are added, a gated convolution, and each band spread out again.

    Args:
      inputs, outputs: channels. strides, sizes: of the bands' kernels.
    """

    def __init__(self, inputs: int, outputs: int, strides, sizes, **kwargs):
        super().__init__(**kwargs)
        same = {"compute": self.compute}
        self.fusion = Convolution2D(2 * inputs, 2 * inputs, 3, **same, name="fusion")
        self.exits = [
            AxisUpsampling(inputs, outputs, k, s, BINS, **same, name=f"band_{n}")
            for n, (k, s) in enumerate(zip(sizes, strides))
        ]

    def call(self, x, *, skip, before: Sequence[int], after: Sequence[int]):
        """`skip`, `before` and `after` as of `Encoder`."""
        x = x + skip
        # Both halves of the input are the same: one product with the sum of their kernels.
        kernel = tf.cast(tf.add_n(tf.split(self.fusion.kernel, 2, 2)), self.compute)
        y = tf.nn.conv2d(tf.cast(x, self.compute), kernel, 1, "SAME")
        x = gated(tf.cast(y, tf.float32) + self.fusion.bias)
        parts, start = [], 0
        for leave, wanted, here in zip(self.exits, before, after):
            band = leave(x[:, :, start : start + here])
            cut = abs(wanted - band.shape[BINS]) // 2
            parts.append(band[:, :, cut : cut + wanted])
            start += here
        return tf.concat(parts, BINS)


class DualPath(Part):
    """An LSTM along the bins and one along time, each with a norm before and its input added.

    Args:
      channels: in and out. expand: LSTM units per channel and direction.
    """

    def __init__(self, channels: int, expand: int, **kwargs):
        super().__init__(**kwargs)
        units, same = expand * channels, {"compute": self.compute}
        self.norms = [Norm(channels, (1, 2, 3), name=f"norm_{k}") for k in range(2)]
        self.recurrent = [
            BidirectionalLSTM(channels, units, **same, name=f"lstm_{k}") for k in range(2)
        ]
        self.maps = [Linear(2 * units, channels, **same, name=f"map_{k}") for k in range(2)]

    def call(self, x, training: bool = False):
        """See the module."""
        for axis, norm, recurrent, back in zip((BINS, TIME), self.norms, self.recurrent, self.maps):
            order = (axis, 0, 3 - axis, 3)
            y = tf.transpose(norm(x), order)
            shape = [-1 if size is None else size for size in y.shape]
            rows = y.shape[1] * y.shape[2] if y.shape[1] else -1
            y = back(recurrent(tf.reshape(y, (shape[0], rows, shape[3])), training=training))
            y = tf.reshape(y, shape)
            x = x + tf.transpose(y, (1, 0, 2, 3) if axis == TIME else (1, 2, 0, 3))
        return x
