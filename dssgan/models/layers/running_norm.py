"""Group norms with means and deviations of the past alone: what causal separators normalise by.

Cumulative layer norm (Conv-TasNet, arXiv 1809.07454, section II-E) with a memory that fades: a
frame counts for exp(−1 / memory) of what the frame after it does. A stream then follows the level
of what it hears, however long it lasts.

Tensors are (batch, sources, frames, channels); means and deviations (batch, sources, frames,
groups); a state is that of the frames before the first, so that a signal may come in pieces.
"""

import functools

import numpy as np
import tensorflow as tf

from dssgan.models.layers.fused import fused, prelu

EPSILON = 1e-5


def start(batch, sources: int, groups: int) -> tf.Tensor:
    """The state before the first frame: decayed sums of means and of mean squares."""
    return tf.zeros((batch, sources, 2 * groups))


@functools.lru_cache(maxsize=8)
def group_means(groups: int):
    """A piece (x, slope) → means over each group's channels of y and of y², y = prelu(x)."""

    @fused
    def piece(x, slope):
        y = _grouped(prelu(tf.cast(x, tf.float32), slope), groups)
        return tf.reduce_mean(y, -1), tf.reduce_mean(y * y, -1)

    return piece


def running(first, second, state, weight, memory: float, epsilon: float = EPSILON):
    """Means and deviations over the frames so far.

    Args:
      first, second: of each frame, what `group_means` gave; a static number of frames.
      state: of the frames before, and their `weight` in all, a scalar.
      memory: frames after which a frame counts for 1 / e.
      epsilon: added to the variance; sounds far below its root are not raised to what others are.

    Returns:
      (mean, 1 / deviation, the state behind the last frame).
    """
    frames = first.shape[-2]
    # In float64 on the host: the powers of a long excerpt span many orders of magnitude.
    powers = np.exp(-np.arange(1, frames + 1) / memory)
    rise, fall = (1 / powers)[:, None].astype(np.float32), powers[:, None].astype(np.float32)
    values = tf.concat([first, second], -1) * rise
    sums = fall * (state[..., None, :] + tf.cumsum(values, -2))
    means = sums / count(frames, weight, memory)[:, None]
    mean, power = tf.split(means, 2, -1)
    deviation = tf.math.rsqrt(tf.maximum(power - mean * mean, 0.0) + epsilon)
    return mean, deviation, sums[..., -1, :]


def count(frames: int, weight, memory: float) -> tf.Tensor:
    """How much all frames up to each of `frames` count together, (frames,), after `weight`."""
    powers = np.exp(-np.arange(1, frames + 1) / memory)
    own = powers * np.cumsum(1 / powers)
    return tf.constant(powers, tf.float32) * weight + tf.constant(own, tf.float32)


@fused
def normalised(x, slope, mean, deviation, affine):
    """The norm of prelu(x), scaled and shifted per channel by affine (sources, 2 channels)."""
    return tf.cast(_norm(x, slope, mean, deviation, affine), x.dtype)


@functools.lru_cache(maxsize=64)
def depthwise(dilation: int):
    """A piece: prelu_out of a depthwise convolution of `normalised` that looks back alone.

    It takes (x, slope_in, mean, deviation, affine, taps, slope_out, held), where held (batch,
    sources, (kernel − 1) · dilation, channels) float32 is what lies before, and returns
    (result, the held of what follows).
    """

    @fused
    def piece(x, slope_in, mean, deviation, affine, taps, slope_out, held):
        y = tf.concat([held, _norm(x, slope_in, mean, deviation, affine)], -2)
        frames, total = x.shape[-2], 0.0
        for tap in range(taps.shape[-2]):
            start = tap * dilation
            total += y[..., start : start + frames, :] * taps[:, tap, None, :]
        return tf.cast(prelu(total, slope_out), x.dtype), y[..., frames:, :]

    return piece


def _norm(x, slope, mean, deviation, affine):
    y = prelu(tf.cast(x, tf.float32), slope)
    groups, channels = mean.shape[-1], y.shape[-1]
    y = (_grouped(y, groups) - mean[..., None]) * deviation[..., None]
    y = tf.reshape(y, (*_shape(y)[:-2], channels))
    return y * affine[:, None, :channels] + affine[:, None, channels:]


def _grouped(y, groups: int):
    return tf.reshape(y, (*_shape(y)[:-1], groups, y.shape[-1] // groups))


def _shape(y) -> list:
    """The shape, static but for a batch of unknown size."""
    return [-1 if size is None else size for size in y.shape]
