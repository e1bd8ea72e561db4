"""Matrix products, the broken ones of TensorFlow 2.21 among them."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.products import matmul

SHAPES = [
    ((2, 1, 64, 128), (128, 129)),  # corrupts memory in tf.matmul on processors with AVX-512
    ((13, 1, 3, 4), (4, 16)),
    ((2, 1, 63, 128), (1, 128, 129)),
    ((3, 1, 16, 8), (1, 1, 8, 4)),
    ((1, 1, 16, 8), (8, 4)),
    ((2, 3, 16, 8), (8, 4)),
    ((2, 1, 16, 8), (2, 3, 8, 4)),
    ((2, 1, 16, 8), (1, 2, 1, 8, 4)),
    ((3, 16, 8), (3, 8, 4)),
    ((16, 8), (8, 4)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_products_and_gradients(left, right, rng):
    x, y = (rng.standard_normal(shape).astype(np.float32) for shape in (left, right))
    expected = np.matmul(x.astype(np.float64), y)
    weights = rng.standard_normal(expected.shape).astype(np.float32)
    variables = tf.Variable(x), tf.Variable(y)
    graph = tf.function(lambda: matmul(*variables))
    with tf.GradientTape() as tape:
        found = matmul(*variables)
        loss = tf.reduce_sum(found * weights)
    for result in (found, graph()):
        np.testing.assert_allclose(result, expected, atol=1e-4)
    to_x, to_y = tape.gradient(loss, variables)
    # What broadcasting repeats, gradients add up.
    np.testing.assert_allclose(
        to_x, summed(np.matmul(weights.astype(np.float64), y.swapaxes(-1, -2)), x.shape), atol=1e-3
    )
    np.testing.assert_allclose(
        to_y, summed(np.matmul(x.swapaxes(-1, -2).astype(np.float64), weights), y.shape), atol=1e-3
    )


def summed(gradient, shape):
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    ones = tuple(axis for axis, size in enumerate(shape) if size == 1 < gradient.shape[axis])
    return gradient.sum(ones, keepdims=True)


@pytest.mark.parametrize("transposed", [(True, False), (False, True), (True, True)])
def test_transposed(transposed, rng):
    x, y = rng.standard_normal((3, 1, 5, 7)), rng.standard_normal((7, 4))
    found = matmul(
        x.swapaxes(-1, -2) if transposed[0] else x, y.T if transposed[1] else y, *transposed
    )
    np.testing.assert_allclose(found, x @ y, atol=1e-12)


def test_a_batch_of_any_size(rng):
    x, y = rng.standard_normal((4, 1, 5, 7)), rng.standard_normal((7, 4))
    graph = tf.function(
        lambda x: matmul(x, y), input_signature=[tf.TensorSpec((None, 1, None, 7), tf.float64)]
    )
    np.testing.assert_allclose(graph(x), x @ y, atol=1e-12)


def test_an_array_becomes_what_the_tensor_is():
    found = matmul(tf.ones((2, 1, 3, 4)), np.ones((4, 5)).tolist())
    assert found.dtype == tf.float32 and found.shape == (2, 1, 3, 5)
