"""A U-Net of valid convolutions on time-frequency planes, and the sizes that it needs.

Stoller, Ewert and Dixon, "Adversarial semi-supervised audio source separation applied to singing
voice extraction", ICASSP 2018 (arXiv 1711.00048), as their program builds it. Nothing is padded
inside the network: every output has full context, and the input is larger than the output by
`context` places at all four sides.
"""

import keras
import tensorflow as tf

from dssgan.products import matmul


def context(levels: int) -> int:
    """Places at each side of the input that the output lacks: 3 · 2^levels − 2."""
    return 3 * 2**levels - 2


def output_size(lowest: int, levels: int) -> int:
    """Places of the output when the deepest map has `lowest`."""
    return 2**levels * lowest - 2 ** (levels + 1) + 2


def lowest_size(wanted: int, levels: int, even: bool = False) -> int:
    """Places of the deepest map for at least `wanted` places of the output.

    Args:
      even: rounded up to an even number, as the original does.
    """
    lowest = max(2, -(-(wanted + 2 ** (levels + 1) - 2) // 2**levels))
    return lowest + lowest % 2 if even else lowest


class ValidConvolution(keras.layers.Layer):
    """A valid convolution with bias, Glorot-uniform: (batch, rows, columns, inputs) → filters."""

    def __init__(self, inputs: int, filters: int, size: int, seed: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.kernel = self.add_weight(
            shape=(size, size, inputs, filters),
            initializer=keras.initializers.GlorotUniform(seed),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        """Convolve in the precision of `x`."""
        y = tf.nn.conv2d(x, tf.cast(self.kernel, x.dtype), 1, "VALID")
        return tf.nn.bias_add(y, tf.cast(self.bias, x.dtype))


class Doubling(keras.layers.Layer):
    """A transposed 2 × 2 convolution with stride 2 and bias: twice the rows and the columns."""

    def __init__(self, inputs: int, filters: int, seed: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.kernel = self.add_weight(  # in TensorFlow's order for transposed convolutions
            shape=(2, 2, filters, inputs),
            initializer=keras.initializers.GlorotUniform(seed),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        """Strides as large as the kernel do not overlap: one matrix product does it."""
        _, rows, columns, inputs = x.shape
        filters = self.kernel.shape[2]
        kernel = tf.reshape(tf.cast(self.kernel, x.dtype), (4 * filters, inputs))
        y = matmul(tf.reshape(x, (-1, inputs)), kernel, transpose_b=True)
        y = tf.reshape(y, (-1, rows, columns, 2, 2, filters))
        y = tf.reshape(tf.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows, 2 * columns, filters))
        return tf.nn.bias_add(y, tf.cast(self.bias, x.dtype))


class ValidUNet(keras.layers.Layer):
    """(batch, rows, columns) of log magnitudes → (batch, heads, rows − 2 c, columns − 2 c), ≥ 0.

    c is `context(levels)`. Every side of the input must be that of an `output_size` and 2 c more.

    Args:
      heads: how many outputs. levels: poolings by two. filters: of the first convolution; each
        level doubles them. seed: of the initial weights.
    """

    def __init__(self, heads: int, levels: int, filters: int, seed: int = 0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        seeds = iter(range(seed, seed + 100))
        width = [filters * 2**level for level in range(levels + 1)]
        self.down = [
            ValidConvolution(inputs, outputs, 3, next(seeds), name=f"down_{level}")
            for level, (inputs, outputs) in enumerate(zip([1, *width], width))
        ]
        self.doubling, self.up = [], []
        for level in reversed(range(levels)):
            below, here = width[level + 1], width[level]
            self.doubling.append(Doubling(below, here, next(seeds), name=f"doubling_{level}"))
            self.up.append(ValidConvolution(2 * here, here, 3, next(seeds), name=f"up_{level}"))
        self.heads = [
            ValidConvolution(filters + 1, 1, 1, next(seeds), name=f"head_{head}")
            for head in range(heads)
        ]
        self.built = True

    def call(self, planes, dtype=tf.float32):
        """Run on float32 planes, computing in `dtype`; the result is float32."""
        x = first = tf.cast(planes[..., None], dtype)
        skips = []
        for level, convolution in enumerate(self.down):
            if level:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            x = tf.nn.relu(convolution(x))
            skips.append(x)
        skips.pop()
        for doubling, convolution in zip(self.doubling, self.up):
            x = tf.nn.relu(doubling(x))
            x = tf.nn.relu(convolution(tf.concat([centre(skips.pop(), x), x], -1)))
        x = tf.concat([centre(first, x), x], -1)
        heads = [reopening_relu(tf.cast(head(x)[..., 0], tf.float32)) for head in self.heads]
        return tf.stack(heads, 1)


def centre(larger, smaller):
    """The middle of `larger` in the size of `smaller`: (batch, rows, columns, channels)."""
    top = (larger.shape[1] - smaller.shape[1]) // 2
    left = (larger.shape[2] - smaller.shape[2]) // 2
    return larger[:, top : top + smaller.shape[1], left : left + smaller.shape[2]]


@tf.custom_gradient
def reopening_relu(x):
    """max(x, 0), whose gradient also passes below zero where the loss wants more than zero.

    The plain derivative is zero there, so a head that falls below zero for all of its inputs never
    comes back; in a few updates on sparse spectra that happens to one of two heads. The values are
    those of the original.
    """
    open_ = x > 0.0

    def gradient(upstream):
        return tf.where(open_ | (upstream < 0.0), upstream, 0.0)

    return tf.nn.relu(x), gradient
