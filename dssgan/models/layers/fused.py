"""The element-wise pieces of the mask network, fused by XLA; matrix products stay outside.

Between two matrix products of the network lie a PReLU, a group norm and sometimes a depthwise
convolution. Run one by one they cost as much memory traffic as the products cost arithmetic.
Here each piece reads its input once. Group norm never appears as a pass of its own: its
statistics are two sums per channel, and its scale and shift fold into the kernel that follows.
In training a piece keeps its inputs alone and computes the rest again on the way back.

Tensors are (batch, sources, frames, channels); per-channel values are (batch, sources, channels);
an offset is (batch, sources, 1, channels) and is what `norm_matmul` left to be added.
"""

import functools

import tensorflow as tf

from dssgan.portable import is_portable
from dssgan.products import matmul

EPSILON = 1e-8
PARTS = 32  # slices that a sum over frames adds up element-wise before the final reduction


def compiled(function):
    """Compile a piece with XLA; it is traced once per set of shapes."""
    piece = tf.function(function, jit_compile=True, autograph=False)
    # A graph calls it once per set of shapes, which are as many as the stages have: TensorFlow
    # takes that for a loop that traces in vain, and would say so to whoever trains.
    piece._omit_frequent_tracing_warning = True

    @functools.wraps(function)
    def run(*inputs):
        return function(*inputs) if is_portable() else piece(*inputs)

    return run


def fused(function):
    """A compiled piece whose gradient is compiled too and starts from the inputs again."""
    forward = compiled(function)

    @compiled
    def backward(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(*inputs)
        return tape.gradient(
            outputs, inputs, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    @tf.custom_gradient
    def differentiable(*inputs):
        outputs = forward(*inputs)

        def gradient(*upstream):
            upstream = list(upstream) if isinstance(outputs, list | tuple) else upstream[0]
            return backward(list(inputs), upstream)

        return outputs, gradient

    @functools.wraps(function)
    def piece(*inputs):
        inputs = tuple(tf.convert_to_tensor(value) for value in inputs)
        return function(*inputs) if is_portable() else differentiable(*inputs)

    return piece


def prelu(x: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Parametric ReLU with one slope for the whole tensor (any value of the slope)."""
    return tf.where(x > 0, x, x * tf.cast(slope, x.dtype))


@compiled
def _partial_sums(x, slope, offset):
    frames = x.shape[-2]
    parts = max(1, min(PARTS, frames))
    rows = frames // parts
    first = second = None
    for part in range(parts):
        y = prelu(tf.cast(x[..., part * rows : (part + 1) * rows, :], tf.float32) + offset, slope)
        first = y if first is None else first + y
        second = y * y if second is None else second + y * y
    rest = prelu(tf.cast(x[..., parts * rows :, :], tf.float32) + offset, slope)
    return first, second, rest


@compiled
def _total_sums(first, second, rest):
    first = tf.reduce_sum(first, -2) + tf.reduce_sum(rest, -2)
    return first, tf.reduce_sum(second, -2) + tf.reduce_sum(rest * rest, -2)


@compiled
def _moments_gradient(x, slope, offset, grad_first, grad_second):
    x32 = tf.cast(x, tf.float32) + offset
    y = prelu(x32, slope)
    grad = grad_first[..., None, :] + 2.0 * y * grad_second[..., None, :]
    grad_x = tf.where(x32 > 0, grad, grad * slope)
    grad_slope = tf.reduce_sum(tf.where(x32 > 0, 0.0, x32 * grad))
    grad_offset = (
        tf.zeros_like(offset)
        if offset.shape.rank == 0
        else tf.reduce_sum(grad_x, -2, keepdims=True)
    )
    return tf.cast(grad_x, x.dtype), tf.reshape(grad_slope, slope.shape), grad_offset


@tf.custom_gradient
def _prelu_moments(x, slope, offset):
    # Two compilations on purpose: in one, XLA would sum column by column, many times slower.
    first, second = _total_sums(*_partial_sums(x, slope, offset))

    def gradient(grad_first, grad_second):
        return _moments_gradient(x, slope, offset, grad_first, grad_second)

    return (first, second), gradient


def prelu_moments(x, slope, offset=0.0) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums over frames of y and of y², y = prelu(x + offset): float32 (batch, sources, channels).

    `offset` is 0 or an offset tensor.
    """
    if is_portable("tflite"):
        return _few_operations(x, slope, offset)
    return _prelu_moments(x, tf.convert_to_tensor(slope), tf.convert_to_tensor(offset))


def _few_operations(x, slope, offset):
    """`prelu_moments` without a slice for each part; a sum over all frames at once loses digits."""
    y = prelu(x + offset, slope)
    frames = y.shape[-2]
    parts = max(1, min(PARTS, frames))
    padded = tf.pad(y, [[0, 0], [0, 0], [0, -frames % parts], [0, 0]])
    y = tf.reshape(padded, (-1, y.shape[1], parts, padded.shape[2] // parts, y.shape[-1]))
    return tuple(tf.reduce_sum(tf.reduce_sum(value, 2), 2) for value in (y, y * y))


@functools.lru_cache(maxsize=8)
def _group_scale_shift(frames: int, groups: int):
    @fused
    def piece(first, second, affine):
        batch, sources, channels = first.shape
        grouped = (batch or -1, sources, groups, channels // groups)
        count = float(frames * (channels // groups))
        mean = tf.reduce_sum(tf.reshape(first, grouped), -1, keepdims=True) / count
        power = tf.reduce_sum(tf.reshape(second, grouped), -1, keepdims=True) / count
        inverse = tf.math.rsqrt(tf.maximum(power - mean * mean, 0.0) + EPSILON)
        spread = tf.ones((1, 1, 1, channels // groups))
        mean = tf.reshape(mean * spread, tf.shape(first))
        inverse = tf.reshape(inverse * spread, tf.shape(first))
        scale, shift = affine[:, :channels], affine[:, channels:]
        a = scale * inverse
        return a, shift - a * mean

    return piece


def group_scale_shift(first, second, frames: int, groups: int, affine):
    """Group norm as one multiplication and one addition per channel.

    Args:
      first, second: sums over frames of the values and of their squares, (batch, sources,
        channels) float32.
      frames: how many frames were summed.
      groups: channel groups that share mean and variance.
      affine: (sources, 2 channels), scales then shifts.

    Returns:
      (a, b), each (batch, sources, channels): the norm is y → a y + b.
    """
    return _group_scale_shift(frames, groups)(first, second, affine)


@functools.lru_cache(maxsize=64)
def _norm_depthwise(dilation: int):
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
    return _norm_depthwise(dilation)(x, slope_in, a, b, taps, slope_out)


@fused
def _fold(a, b, kernel, bias):
    return a[..., None] * kernel, tf.reduce_sum(b[..., None] * kernel, -2, keepdims=True) + bias


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
    bias = tf.zeros((1, 1)) if bias is None else bias
    folded, offset = _fold(a, b, kernel, bias[:, None, :])
    return matmul(x, tf.cast(folded, x.dtype)), offset


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
def prelu_scale_shift(x, slope, offset, a, b):
    """a prelu(x + offset) + b: a group norm that no matrix product follows at once."""
    y = prelu(tf.cast(x, tf.float32) + offset, slope) * a[..., None, :] + b[..., None, :]
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
def source_masks(x, slope, offset, a, b):
    """Softmax over the sources (axis 1) of a prelu(x + offset) + b."""
    logits = prelu(tf.cast(x, tf.float32) + offset, slope) * a[..., None, :] + b[..., None, :]
    exponent = tf.exp(logits - tf.reduce_max(logits, 1, keepdims=True))
    return tf.cast(exponent / tf.reduce_sum(exponent, 1, keepdims=True), x.dtype)


@fused
def masked_latents(x, slope, offset, a, b, latent):
    """`source_masks` times the mixture latent (batch, frames, width), the masks never stored."""
    logits = prelu(tf.cast(x, tf.float32) + offset, slope) * a[..., None, :] + b[..., None, :]
    exponent = tf.exp(logits - tf.reduce_max(logits, 1, keepdims=True))
    share = tf.cast(latent, tf.float32) / tf.reduce_sum(exponent, 1)
    return tf.cast(exponent * share[:, None], x.dtype)
