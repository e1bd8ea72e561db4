"""The update: traced once, equal however it is cut up, guarded against numbers that are none."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build
from dssgan.optimisers import rules
from tests.dssgan.small_training import bits, make_state, make_step, run_steps
from tests.dssgan.stand_ins import SOURCES, Excerpts, TinySeparator, error


def weights(state):
    return np.concatenate([weight.numpy().ravel() for weight in state.weights])


def test_an_update_returns_named_scalars_and_is_traced_once():
    step = make_step(make_state(), clip=5.0, average=0.0)
    metrics = run_steps(step, Excerpts(), 6)
    assert set(metrics[0]) == {"loss", "loss/first_source", "gradient_norm", "learning_rate"}
    assert step.traces == 1
    assert metrics[0]["learning_rate"] == pytest.approx(0.01)


def test_one_batch_is_learnt_by_heart():
    source = Excerpts(batch=1, samples=400)
    step = make_step(make_state(TinySeparator(width=16), rule=rules.Adam()), rate=0.01)
    stems = tf.constant(source.batch(0)["stems"])
    losses = [float(step(stems, index)["loss"]) for index in range(400)]
    assert losses[-1] < 0.1 * losses[0]


def test_the_update_is_the_rule_on_the_gradient_of_the_loss():
    state, source = make_state(), Excerpts()
    model, rule = state.model, state.optimiser.rule
    stems = tf.constant(source.batch(0)["stems"])
    with tf.GradientTape() as tape:
        mixture = tf.reduce_sum(stems, 1)
        loss, _ = error(model.training_estimates(mixture, stems), stems, mixture)
    gradients = tape.gradient(loss, state.weights)
    values = [tf.convert_to_tensor(weight) for weight in state.weights]
    slots = [rule.slots(value) for value in values]
    expected, _ = rule.update(values, gradients, slots, tf.constant(0, tf.int64), 0.01)
    metrics = run_steps(make_step(state), source, 1)[0]
    assert metrics["gradient_norm"] == pytest.approx(float(tf.linalg.global_norm(gradients)), 1e-5)
    for weight, value in zip(state.weights, expected):
        np.testing.assert_allclose(weight.numpy(), value.numpy(), atol=1e-6)


def test_accumulated_parts_give_the_update_of_the_whole_batch():
    whole, parts = make_state(), make_state()
    metrics = run_steps(make_step(whole), Excerpts(batch=6), 3)
    split = run_steps(make_step(parts, accumulate=3), Excerpts(batch=6), 3)
    np.testing.assert_allclose(weights(parts), weights(whole), atol=1e-5)
    for one, other in zip(metrics, split):
        assert other == pytest.approx(one, rel=1e-4)


def test_clipping_bounds_the_gradient_as_a_whole():
    free, clipped = make_state(rule=Plain()), make_state(rule=Plain())
    before = weights(free)
    norm = run_steps(make_step(free, rate=1.0), Excerpts(), 1)[0]["gradient_norm"]
    run_steps(make_step(clipped, rate=1.0, clip=norm / 4), Excerpts(), 1)
    np.testing.assert_allclose(weights(clipped) - before, (weights(free) - before) / 4, atol=1e-6)


class Plain:
    """Gradient descent."""

    def slots(self, value):
        return []

    def update(self, values, gradients, slots, count, rate):
        return [value - rate * gradient for value, gradient in zip(values, gradients)], slots


def test_the_running_average_follows_the_weights():
    state = make_state(average=True)
    step, expected = make_step(state, average=0.9), weights(state)
    for count in range(5):
        run_steps(step, Excerpts(), 1, start=count)
        decay = min(0.9, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * weights(state)
    averages = np.concatenate([average.numpy().ravel() for average in state.averages])
    np.testing.assert_allclose(averages, expected, atol=1e-6)
    trained = weights(state)
    with state.averaged():
        np.testing.assert_array_equal(weights(state), averages)
    np.testing.assert_array_equal(weights(state), trained)


def test_a_batch_that_is_no_number_changes_nothing():
    state = make_state(average=True)
    step = make_step(state, average=0.9)
    run_steps(step, Excerpts(), 2)
    before = bits(state)
    metrics = run_steps(step, Excerpts(broken=(2,)), 1, start=2)[0]
    assert np.isnan(metrics["loss"])
    assert bits(state) == before


def test_float16_overflow_is_skipped_and_lowers_the_loss_scale():
    def loud(*given):
        value, parts = error(*given)
        return 1e3 * value, parts

    state = make_state(scaled=True)
    step = make_step(state, loss=loud)
    first = run_steps(step, Excerpts(), 1)[0]
    state.loss_scale[0].assign(3e38)  # the scaled loss overflows
    before = weights(state)
    skipped = run_steps(step, Excerpts(), 1, start=1)[0]
    assert np.isfinite(skipped["loss"])
    assert not np.isfinite(skipped["gradient_norm"])
    np.testing.assert_array_equal(weights(state), before)
    assert float(state.loss_scale[0]) == pytest.approx(1.5e38)
    assert int(state.optimiser.count) == 1
    assert first["loss_scale"] == 2.0**15


def test_the_loss_scale_cancels_out():
    plain, scaled = make_state(), make_state(scaled=True)
    run_steps(make_step(plain), Excerpts(), 3)
    run_steps(make_step(scaled), Excerpts(), 3)
    np.testing.assert_allclose(weights(scaled), weights(plain), atol=1e-6)


def test_a_long_calm_raises_the_loss_scale():
    state = make_state(scaled=True)
    state.loss_scale[1].assign(1999.0)
    run_steps(make_step(state), Excerpts(), 1)
    assert [float(value) for value in state.loss_scale] == [2.0**16, 0.0]


def test_compiled_with_xla_the_update_is_the_same():
    plain, compiled = make_state(), make_state()
    run_steps(make_step(plain, clip=5.0), Excerpts(), 3)
    step = make_step(compiled, clip=5.0, xla=True)
    run_steps(step, Excerpts(), 3)
    assert step.traces == 1
    np.testing.assert_allclose(weights(compiled), weights(plain), atol=1e-5)


def test_parts_must_divide_the_batch():
    with pytest.raises(ValueError, match="4 excerpts cannot be worked through in 3"):
        run_steps(make_step(make_state(), accumulate=3), Excerpts(), 1)


@pytest.mark.slow
def test_the_real_separator_learns_in_float16():
    """Which of the updates overflow depends on the processor; what follows from it does not."""
    keras.utils.set_random_seed(1)
    sizes = {"width": 16, "mels": 8, "bottleneck": 8, "hidden": 8, "layers": 1, "stacks": 1}
    model = build("multistage", stages=1, sources=SOURCES, precision="float16", **sizes)
    state = make_state(model, scaled=True)
    state.loss_scale[0].assign(32.0)  # the default takes a dozen halvings to come down to this
    step = make_step(state, loss=LOSSES["multistage"], rate=1e-3, clip=5.0)
    source = Excerpts(batch=2, samples=1600)
    start, scale, done = weights(state), 32.0, 0
    for index in range(8):
        before = weights(state)
        metrics = run_steps(step, source, 1, start=index)[0]
        assert np.isfinite(metrics["loss"])
        assert metrics["loss_scale"] == scale
        updated = np.isfinite(metrics["gradient_norm"])
        done += updated
        scale = scale if updated else scale / 2
        assert int(state.optimiser.count) == done
        assert (weights(state) != before).any() == updated
    assert float(state.loss_scale[0]) == scale
    assert done >= 4
    assert all(weight.dtype == "float32" for weight in state.weights)
    assert np.isfinite(weights(state)).all()
    assert np.abs(weights(state) - start).max() > 1e-4
