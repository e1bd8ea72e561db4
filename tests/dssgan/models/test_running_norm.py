"""Running norms against sums taken frame by frame in double precision."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.models.layers import running_norm

GROUPS = 2


def slow(x, slope, memory):
    """Means and deviations of each frame's past, one frame at a time."""
    y = np.where(x > 0, x, slope * x).astype(np.float64)
    y = y.reshape(*y.shape[:-1], GROUPS, -1)
    means, deviations = [], []
    first = second = weight = 0.0
    for frame in range(x.shape[2]):
        keep = np.exp(-1 / memory)
        weight = keep * weight + 1
        first = keep * first + y[:, :, frame].mean(-1)
        second = keep * second + np.square(y[:, :, frame]).mean(-1)
        means.append(first / weight)
        deviations.append(np.sqrt(second / weight - means[-1] ** 2 + running_norm.EPSILON))
    return np.stack(means, 2), np.stack(deviations, 2)


def statistics(x, slope, state, weight, memory):
    first, second = running_norm.group_means(GROUPS)(x, slope)
    mean, inverse, state = running_norm.running(first, second, state, weight, memory)
    return mean, inverse, state, running_norm.count(x.shape[2], weight, memory)[-1]


@pytest.mark.parametrize("memory", [3.0, 40.0, 1e6])
@pytest.mark.parametrize("sizes", [(60,), (1,) * 60, (7, 20, 33)])
def test_means_and_deviations(memory, sizes, rng):
    x = 2 + rng.standard_normal((2, 3, 60, 8)).astype(np.float32)
    state, weight = running_norm.start(2, 3, GROUPS), tf.zeros(())
    means, inverses, start = [], [], 0
    for size in sizes:
        piece = tf.constant(x[:, :, start : start + size])
        mean, inverse, state, weight = statistics(piece, 0.3, state, weight, memory)
        means.append(mean)
        inverses.append(inverse)
        start += size
    expected_means, expected_deviations = slow(x, 0.3, memory)
    np.testing.assert_allclose(np.concatenate(means, 2), expected_means, rtol=1e-4)
    np.testing.assert_allclose(1 / np.concatenate(inverses, 2), expected_deviations, rtol=1e-3)


def test_a_stream_of_an_hour_stays_exact(rng):
    memory, state, weight = 50.0, running_norm.start(1, 1, GROUPS), tf.constant(0.0)
    step = tf.function(lambda x, state, weight: statistics(x, 1.0, state, weight, memory))
    for _ in range(3000):
        x = tf.constant(5 + rng.standard_normal((1, 1, 20, 4)), tf.float32)
        mean, inverse, state, weight = step(x, state, weight)
    assert float(weight) == pytest.approx(1 / (1 - np.exp(-1 / memory)), rel=1e-4)
    np.testing.assert_allclose(mean, 5, atol=0.5)
    np.testing.assert_allclose(1 / inverse, 1, atol=0.3)


def test_norm_and_convolution_look_back(rng):
    x = rng.standard_normal((1, 1, 12, 4)).astype(np.float32)
    mean, deviation = tf.zeros((1, 1, 12, GROUPS)), tf.ones((1, 1, 12, GROUPS))
    affine = tf.constant([[1.0, 2.0, 3.0, 4.0, 0.5, 0.5, 0.5, 0.5]])
    taps = tf.constant(rng.standard_normal((1, 3, 4)), tf.float32)
    held = tf.constant(rng.standard_normal((1, 1, 4, 4)), tf.float32)
    found, behind = running_norm.depthwise(2)(
        tf.constant(x), 1.0, mean, deviation, affine, taps, 0.0, held
    )
    y = np.concatenate([held.numpy(), x * [1, 2, 3, 4] + 0.5], 2)
    total = sum(y[:, :, 2 * tap : 2 * tap + 12] * taps.numpy()[:, tap] for tap in range(3))
    np.testing.assert_allclose(found, np.maximum(total, 0), atol=1e-5)
    np.testing.assert_allclose(behind, y[:, :, 12:], atol=1e-6)
    normalised = running_norm.normalised(tf.constant(x), 1.0, mean, deviation, affine)
    np.testing.assert_allclose(normalised, x * [1, 2, 3, 4] + 0.5, atol=1e-6)
