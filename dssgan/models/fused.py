"""The element-wise pieces of the mask network, fused by XLA; matrix products stay outside.

Between two matrix products of the network lie a PReLU, a group norm and sometimes a depthwise
convolution. Run one by one they cost as much memory traffic as the products cost arithmetic.
Here each piece reads its input once. Group norm never appears as a pass of its own: its
statistics are two sums per channel, and its scale and shift fold into the kernel that follows.

Tensors are (batch, sources, frames, channels); per-channel values are (batch, sources, channels).
"""

import functools

import tensorflow as tf

EPSILON = 1e-8
PARTS = 32  # slices that a sum over frames adds up element-wise before the final reduction


def fused(function):
    """Compile an element-wise piece with XLA; static Python arguments pick a compilation."""
    return tf.function(function, jit_compile=True, autograph=False)


def prelu(x: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Parametric ReLU with one slope for the whole tensor (any value of the slope)."""
    return tf.where(x > 0, x, x * tf.cast(slope, x.dtype))


def _partial_sums(x, slope):
    frames = x.shape[-2]
    parts = max(1, min(PARTS, frames))
    rows = frames // parts
    first = second = None
    for part in range(parts):
        y = prelu(tf.cast(x[..., part * rows : (part + 1) * rows, :], tf.float32), slope)
        first = y if first is None else first + y
        second = y * y if second is None else second + y * y
    rest = prelu(tf.cast(x[..., parts * rows :, :], tf.float32), slope)
    return first, second, rest


_fused_partial_sums = fused(_partial_sums)


@fused
def _moments_gradient(x, slope, grad_first, grad_second):
    x32 = tf.cast(x, tf.float32)
    y = prelu(x32, slope)
    grad = grad_first[..., None, :] + 2.0 * y * grad_second[..., None, :]
    positive = x32 > 0
    grad_x = tf.where(positive, grad, grad * slope)
    grad_slope = tf.reduce_sum(tf.where(positive, 0.0, x32 * grad))
    return tf.cast(grad_x, x.dtype), tf.reshape(grad_slope, slope.shape)


@tf.custom_gradient
def prelu_moments(x: tf.Tensor, slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums over frames of y and of y², y = prelu(x): float32 (..., channels) each."""
    first, second, rest = _fused_partial_sums(x, slope)
    first = tf.reduce_sum(first, -2) + tf.reduce_sum(rest, -2)
    second = tf.reduce_sum(second, -2) + tf.reduce_sum(rest * rest, -2)

    def gradient(grad_first, grad_second):
        return _moments_gradient(x, slope, grad_first, grad_second)

    return (first, second), gradient


def group_scale_shift(first, second, frames: int, groups: int, scale, shift):
    """Group norm as one multiplication and one addition per channel.

    Args:
      first, second: sums over frames of the values and of their squares, (batch, sources,
        channels) float32.
      frames: how many frames were summed.
      groups: channel groups that share mean and variance.
      scale, shift: the affine parameters, (sources, channels).

    Returns:
      (a, b), each (batch, sources, channels): the norm is y → a y + b.
    """
    shape = tf.shape(first)
    channels = first.shape[-1]
    grouped = tf.concat([shape[:-1], [groups, channels // groups]], 0)
    count = float(frames * (channels // groups))
    mean = tf.reduce_sum(tf.reshape(first, grouped), -1, keepdims=True) / count
    power = tf.reduce_sum(tf.reshape(second, grouped), -1, keepdims=True) / count
    inverse = tf.math.rsqrt(tf.maximum(power - mean * mean, 0.0) + EPSILON)
    spread = tf.ones((1, 1, 1, channels // groups))
    mean = tf.reshape(mean * spread, shape)
    inverse = tf.reshape(inverse * spread, shape)
    a = scale * inverse
    return a, shift - a * mean


@functools.lru_cache(maxsize=64)
def _depthwise(dilation: int):
    @fused
    def piece(x, slope_in, a, b, taps, slope_out):
        y = prelu(tf.cast(x, tf.float32), slope_in)
        y = y * a[..., None, :] + b[..., None, :]
        frames = y.shape[-2]
        side = dilation * (taps.shape[-2] // 2)
        padded = tf.pad(y, [[0, 0], [0, 0], [side, side], [0, 0]])
        total = 0.0
        for tap in range(taps.shape[-2]):
            start = tap * dilation
            total += padded[..., start : start + frames, :] * taps[:, tap, None, :]
        return tf.cast(prelu(total, slope_out), x.dtype)

    return piece


def norm_depthwise(x, slope_in, a, b, taps, dilation: int, slope_out):
    """prelu_out(depthwise(a prelu_in(x) + b)): zero-padded, taps (sources, kernel, channels)."""
    return _depthwise(dilation)(x, slope_in, a, b, taps, slope_out)


def norm_matmul(x, a, b, kernel, bias=None):
    """(a x + b) @ kernel + bias with the norm folded into the kernel.

    Args:
      x: (batch, sources or 1, frames, channels).
      a, b: (batch, sources, channels).
      kernel: (sources, channels, outputs); bias: (sources, outputs) or None.

    Returns:
      (product, offset): product (batch, sources, frames, outputs) without the offset
      (batch, sources, 1, outputs), which the next fused piece adds for free.
    """
    folded = tf.cast(a[..., None] * kernel, x.dtype)
    offset = tf.matmul(b[..., None, :], tf.broadcast_to(kernel, tf.shape(folded)))
    if bias is not None:
        offset += bias[:, None, :]
    return tf.matmul(x, folded), offset


@fused
def add_residual_skip(x, skip, product, offset):
    """(x + residual, skip + skip part) from one product (…, 2 channels) and its offset."""
    width = x.shape[-1]
    total = tf.cast(product, tf.float32) + offset
    return (
        tf.cast(tf.cast(x, tf.float32) + total[..., :width], x.dtype),
        tf.cast(tf.cast(skip, tf.float32) + total[..., width:], x.dtype),
    )


@fused
def add_offset(product, offset):
    """product + offset in the product's type."""
    return tf.cast(tf.cast(product, tf.float32) + offset, product.dtype)


@fused
def prelu_scale_shift(x, slope, a, b):
    """a prelu(x) + b: a group norm that no matrix product follows at once."""
    y = prelu(tf.cast(x, tf.float32), slope) * a[..., None, :] + b[..., None, :]
    return tf.cast(y, x.dtype)


@fused
def prelu_piece(x, slope):
    """prelu as one fused pass."""
    return prelu(x, slope)


@fused
def relu_piece(x):
    """max(x, 0)."""
    return tf.nn.relu(x)


@fused
def masked_latents(x, slope, a, b, latent):
    """Softmax over the sources of a prelu(x) + b, times the mixture latent (batch, frames, width).

    Returns:
      (masks, separated), both (batch, sources, frames, width).
    """
    logits = prelu(tf.cast(x, tf.float32), slope) * a[..., None, :] + b[..., None, :]
    exponent = tf.exp(logits - tf.reduce_max(logits, 1, keepdims=True))
    masks = exponent / tf.reduce_sum(exponent, 1, keepdims=True)
    separated = masks * tf.cast(latent, tf.float32)[:, None]
    return tf.cast(masks, x.dtype), tf.cast(separated, x.dtype)
