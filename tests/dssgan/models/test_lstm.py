"""The LSTM beside Keras's: the same numbers and the same gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dssgan.models.layers.lstm import direction

STEPS, ROWS, INPUTS, UNITS = 9, 5, 4, 6


@pytest.fixture
def given(rng):
    shapes = (STEPS, ROWS, INPUTS), (INPUTS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)
    return [tf.constant(0.7 * rng.standard_normal(shape).astype(np.float32)) for shape in shapes]


def differentiated(function, inputs, weights):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function()
        loss = tf.reduce_sum(y * weights)
    return [y, *tape.gradient(loss, inputs)]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
def test_values_and_gradients_are_those_of_keras(given, rng, mode, training, reverse):
    layer = keras.layers.LSTM(UNITS, return_sequences=True, go_backwards=reverse)
    layer.build((ROWS, STEPS, INPUTS))
    layer.set_weights(given[1:])
    weights = tf.constant(rng.standard_normal((STEPS, ROWS, UNITS)).astype(np.float32))

    def theirs():
        y = tf.transpose(layer(tf.transpose(given[0], (1, 0, 2))), (1, 0, 2))
        return y[::-1] if reverse else y

    inputs = [given[0], *(variable.value for variable in layer.trainable_variables)]
    expected = differentiated(theirs, inputs, weights)

    def ours():
        return differentiated(lambda: direction(*given, reverse, training), given, weights)

    run = ours if mode == "eager" else tf.function(ours, jit_compile=mode == "xla", autograph=False)
    for found, value in zip(run(), expected, strict=True):
        np.testing.assert_allclose(found, value, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_half_precision_stays_close(given, rng, dtype):
    weights = tf.constant(rng.standard_normal((STEPS, ROWS, UNITS)).astype(np.float32))
    full = differentiated(lambda: direction(*given, False, True), given, weights)
    half = [tf.cast(value, dtype) for value in given[:3]] + given[3:]

    def run():
        return tf.cast(direction(*half, False, True), tf.float32)

    for found, value in zip(differentiated(run, half, weights), full, strict=True):
        error = np.asarray(tf.cast(found, tf.float32)) - value
        assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(np.square(value)))


def test_one_step_and_one_row(rng):
    x = tf.constant(rng.standard_normal((1, 1, INPUTS)).astype(np.float32))
    kernel = tf.constant(rng.standard_normal((INPUTS, 4)).astype(np.float32))
    recurrent, bias = tf.ones((1, 4)), tf.constant([0.1, 0.2, 0.3, 0.4])
    both = [direction(x, kernel, recurrent, bias, reverse, True) for reverse in (False, True)]
    z = (x[0] @ kernel + bias).numpy()[0]
    gates = 1 / (1 + np.exp(-z))
    expected = gates[3] * np.tanh(gates[0] * np.tanh(z[2]))
    np.testing.assert_allclose([float(value[0, 0, 0]) for value in both], expected, rtol=1e-5)
