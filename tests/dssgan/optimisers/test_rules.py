"""Ranger and Adam against plain loops in double precision; schedules against their formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dssgan.optimisers import rules, schedules


def ranger_reference(weight, gradients, rates, wd=0.0, period=6, ratio=0.5):
    """RAdam + Lookahead, one number at a time, as the published programs do it."""
    beta_1, beta_2, epsilon = 0.95, 0.999, 1e-5
    m = v = 0.0
    slow, path = weight, []
    for t, (gradient, rate) in enumerate(zip(gradients, rates), start=1):
        v = beta_2 * v + (1 - beta_2) * gradient**2
        m = beta_1 * m + (1 - beta_1) * gradient
        longest = 2 / (1 - beta_2) - 1
        length = longest - 2 * t * beta_2**t / (1 - beta_2**t)
        weight -= wd * rate * weight
        if length > 5:
            factor = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
            size = np.sqrt((1 - beta_2**t) * factor) / (1 - beta_1**t)
            weight -= rate * size * m / (np.sqrt(v) + epsilon)
        else:
            weight -= rate / (1 - beta_1**t) * m
        if period and t % period == 0:
            slow += ratio * (weight - slow)
            weight = slow
        path.append(weight)
    return np.array(path)


def follow(rule, weight, gradients, rates):
    values, slots = [tf.constant([weight])], [rule.slots(tf.constant([weight]))]
    path = []
    for count, (gradient, rate) in enumerate(zip(gradients, rates)):
        values, slots = rule.update(
            values, [tf.constant([gradient])], slots, tf.constant(count, tf.int64), rate
        )
        path.append(float(values[0][0]))
    return np.array(path)


@pytest.mark.parametrize("period", [6, 0])
@pytest.mark.parametrize("decay", [5e-4, 0.0])
def test_ranger_follows_the_published_algorithm(rng, period, decay):
    gradients = rng.standard_normal(40).astype(np.float32)
    rates = np.linspace(0.1, 0.01, 40).astype(np.float32)
    rule = rules.Ranger(weight_decay=decay, lookahead_period=period)
    expected = ranger_reference(0.7, gradients, rates, decay, period)
    np.testing.assert_allclose(follow(rule, 0.7, gradients, rates), expected, atol=2e-6)


def test_ranger_keeps_its_digits_after_many_steps():
    """2 t β2^t / (1 − β2^t) late in training, where float32 powers would drift."""
    rule = rules.Ranger(lookahead_period=0)
    count = 20_000
    m, v, gradient = 0.3, 0.2, 0.1
    t = count + 1
    new_m, new_v = 0.95 * m + 0.05 * gradient, 0.999 * v + 0.001 * gradient**2
    longest = 1999.0
    length = longest - 2 * t * 0.999**t / (1 - 0.999**t)
    factor = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    size = np.sqrt((1 - 0.999**t) * factor) / (1 - 0.95**t)
    expected = 1.0 - 1e-3 * size * new_m / (np.sqrt(new_v) + 1e-5)
    slots = [[tf.constant([m]), tf.constant([v])]]
    gradients = [tf.constant([gradient])]
    values, _ = rule.update(
        [tf.constant([1.0])], gradients, slots, tf.constant(count, tf.int64), tf.constant(1e-3)
    )
    np.testing.assert_allclose(values[0].numpy(), [expected], rtol=1e-7)


def test_adam_is_the_adam_of_keras(rng):
    gradients = rng.standard_normal(10).astype(np.float32)
    weight = keras.Variable([0.7])
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-8)
    expected = []
    for gradient in gradients:
        reference.apply([tf.constant([gradient])], [weight])
        expected.append(float(weight.numpy()[0]))
    rule = rules.Adam(weight_decay=0.1)
    rates = np.full(10, 0.01, np.float32)
    np.testing.assert_allclose(follow(rule, 0.7, gradients, rates), expected, atol=1e-5)


def test_adam_refuses_lookahead():
    with pytest.raises(ValueError, match=r"optimiser\.lookahead_period=0"):
        rules.build("adam", lookahead_period=6)


@pytest.mark.parametrize("name", ["ranger", "adam"])
@pytest.mark.parametrize(
    ("key", "value"), [("beta_1", 1.0), ("beta_2", -0.1), ("epsilon", -1e-8), ("weight_decay", -1)]
)
def test_numbers_out_of_range_are_refused_by_every_rule(name, key, value):
    with pytest.raises(ValueError, match=rf"optimiser\.{key}={value}: expected"):
        rules.build(name, **{key: value})


def test_sgdr_falls_to_zero_and_restarts_lower():
    rate = tf.function(schedules.schedule("sgdr", 1e-3, period=200, decay=0.85))
    values = np.array(
        [float(rate(tf.constant(step, tf.int64))) for step in (0, 100, 199, 200, 450)]
    )
    near_zero = 0.5e-3 * (1 + np.cos(np.pi * 199 / 200))
    quarter = 0.85**2 * 0.5e-3 * (1 + np.cos(np.pi * 0.25))
    np.testing.assert_allclose(values, [1e-3, 0.5e-3, near_zero, 0.85e-3, quarter], rtol=1e-6)


def test_exponential_drops_every_period():
    rate = tf.function(schedules.schedule("exponential", 1e-3, period=20, decay=0.98))
    values = [float(rate(tf.constant(step, tf.int64))) for step in (0, 19, 20, 41, 2000)]
    np.testing.assert_allclose(values, [1e-3, 1e-3, 0.98e-3, 0.98**2 * 1e-3, 0.98**100 * 1e-3])


def test_constant_schedule_warms_up():
    rate = tf.function(schedules.schedule("constant", 0.4, warmup=4))
    values = [float(rate(tf.constant(step, tf.int64))) for step in (0, 1, 3, 4, 1000)]
    np.testing.assert_allclose(values, [0.1, 0.2, 0.4, 0.4, 0.4], rtol=1e-6)


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"unknown optimiser 'rangr'; did you mean ranger\?"):
        rules.build("rangr")
    with pytest.raises(ValueError, match=r"unknown schedule 'sgd'; did you mean sgdr\?"):
        schedules.schedule("sgd", 1.0)
