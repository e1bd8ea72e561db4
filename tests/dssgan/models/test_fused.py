"""Fused pieces: equal to the plain formulas, and so are their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.models.layers import fused


def tensors(rng, *shapes):
    return [tf.constant(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]


def value_and_gradients(function, inputs):
    """[function(*inputs), the gradient of a sum over it with respect to each input]."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
        loss = tf.reduce_sum(tf.sin(y))
    return [y, *tape.gradient(loss, inputs)]


def group_norm(y, affine, groups):
    """Group norm over (channels in group × frames), written down plainly."""
    batch, sources, frames, channels = y.shape
    grouped = tf.reshape(y, (batch, sources, frames, groups, channels // groups))
    mean = tf.reduce_mean(grouped, (2, 4), keepdims=True)
    variance = tf.math.reduce_variance(grouped, (2, 4), keepdims=True)
    normal = tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-8), y.shape)
    scale, shift = tf.split(affine, 2, -1)
    return normal * scale[:, None] + shift[:, None]


def prelu(x, slope):
    return tf.maximum(x, 0.0) + slope * tf.minimum(x, 0.0)


def plain_chain(x, slope, offset, affine, kernel):
    return tf.matmul(group_norm(prelu(x + offset, slope), affine, 4), kernel)


def fused_chain(x, slope, offset, affine, kernel):
    first, second = fused.prelu_moments(x, slope, offset)
    a, b = fused.group_scale_shift(first, second, x.shape[-2], 4, affine)
    product, shift = fused.norm_matmul(fused.prelu_piece(x + offset, slope), a, b, kernel)
    return product + shift


@pytest.mark.parametrize("frames", [1, 7, 32, 75])
@pytest.mark.parametrize("slope", [0.25, 1.5, -0.3])
def test_norm_folds_into_the_kernel_with_the_same_gradients(rng, frames, slope):
    x, offset, affine, kernel = tensors(rng, (2, 3, frames, 16), (2, 3, 1, 16), (3, 32), (3, 16, 5))
    slope = tf.constant(slope)
    inputs = [x, slope, offset, affine, kernel]
    results = [value_and_gradients(function, inputs) for function in (plain_chain, fused_chain)]
    for expected, found in zip(*results):
        scale = max(1.0, float(tf.reduce_max(tf.abs(expected))))
        np.testing.assert_allclose(found, expected, atol=2e-4 * scale)


@pytest.mark.parametrize("dilation", [1, 4])
def test_depthwise_convolution_and_its_gradients(rng, dilation):
    inputs = tensors(rng, (2, 3, 20, 8), (2, 3, 8), (2, 3, 8), (3, 3, 8))
    inputs += [tf.constant(0.25), tf.constant(0.1)]

    def plain(x, a, b, taps, slope_in, slope_out):
        y = prelu(x, slope_in) * a[:, :, None] + b[:, :, None]
        y = tf.pad(y, [[0, 0], [0, 0], [dilation, dilation], [0, 0]])
        total = tf.add_n(
            [y[:, :, tap * dilation :][:, :, :20] * taps[:, tap, None] for tap in range(3)]
        )
        return prelu(total, slope_out)

    def ours(x, a, b, taps, slope_in, slope_out):
        return fused.norm_depthwise(x, slope_in, a, b, taps, dilation, slope_out)

    results = [value_and_gradients(function, inputs) for function in (plain, ours)]
    for expected, found in zip(*results):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_masks_sum_to_one_and_multiply_the_latent(rng):
    x, offset, a, b, latent = tensors(
        rng, (2, 4, 11, 8), (2, 4, 1, 8), (2, 4, 8), (2, 4, 8), (2, 11, 8)
    )
    slope = tf.constant(0.25)
    masks = fused.source_masks(x, slope, offset, a, b)
    np.testing.assert_allclose(tf.reduce_sum(masks, 1), np.ones((2, 11, 8)), atol=1e-5)
    logits = prelu(x + offset, slope) * a[:, :, None] + b[:, :, None]
    np.testing.assert_allclose(masks, tf.nn.softmax(logits, 1), atol=1e-5)
    separated = fused.masked_latents(x, slope, offset, a, b, latent)
    np.testing.assert_allclose(separated, masks * latent[:, None], atol=1e-5)


@pytest.mark.parametrize("quiet", [True, False])
def test_pieces_of_many_shapes_raise_no_alarm(caplog, quiet):
    """TensorFlow's own tf.function warns of as many traces; see `fused.compiled`."""

    def double(x):
        return x + x

    piece = fused.compiled(double) if quiet else tf.function(double)
    with caplog.at_level("WARNING", logger="tensorflow"):
        for frames in range(1, 9):
            assert piece(tf.ones((1, 1, frames, 2))).shape[2] == frames
    assert ("retracing" in caplog.text) != quiet
