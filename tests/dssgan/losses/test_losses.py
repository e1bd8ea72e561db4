"""Losses against NumPy, and the cases where formulas divide by nothing."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan import losses
from dssgan.losses import meta_tasnet
from dssgan.losses import si_sdr as si_sdr_module


def si_sdr(estimate, target):
    scale = np.dot(estimate, target) / (np.dot(target, target) + 1e-8)
    residual = estimate - scale * target
    power = lambda x: max(np.dot(x, x), 1e-8)  # noqa: E731
    return 10 * np.log10(power(scale * target) / power(residual))


def test_si_sdr_equals_the_formula_and_ignores_scale(rng):
    target = rng.standard_normal((3, 500)).astype(np.float32)
    estimate = (target + 0.3 * rng.standard_normal((3, 500))).astype(np.float32)
    expected = [si_sdr(e.astype(float), t.astype(float)) for e, t in zip(estimate, target)]
    np.testing.assert_allclose(si_sdr_module.si_sdr(estimate, target), expected, atol=1e-3)
    np.testing.assert_allclose(si_sdr_module.si_sdr(7 * estimate, target), expected, atol=1e-3)


def test_anti_phase_and_tiny_sources_count_as_active():
    references = tf.constant([[[0.0, 0.0], [0.5, -0.5], [0.0, 1e-7]]])
    np.testing.assert_array_equal(si_sdr_module.activity(references), [[0.0, 1.0, 1.0]])


def test_alike_latents_raise_dissimilarity_and_similarity(rng):
    same = np.repeat(rng.random((1, 1, 6, 5)), 4, 1).astype(np.float32)
    same = np.repeat(same, 2, 0)
    active = tf.ones((2, 4))
    assert float(meta_tasnet.dissimilarity(same, active)) == pytest.approx(1.0, abs=1e-5)
    assert float(meta_tasnet.similarity(same, active)) == pytest.approx(1.0, abs=1e-5)
    apart = np.zeros((2, 4, 6, 4), np.float32)
    for source in range(4):
        apart[:, source, :, source] = 1.0
    assert float(meta_tasnet.dissimilarity(apart, active)) == pytest.approx(0.0, abs=1e-5)


def make_stage(rng, silent=()):
    references = rng.standard_normal((2, 3, 400)).astype(np.float32)
    for item, source in silent:
        references[item, source] = 0.0
    return {
        "references": tf.constant(references),
        "estimates": tf.constant(rng.standard_normal((2, 3, 400)).astype(np.float32)),
        "mixture": tf.constant(references.sum(1)),
        "reconstruction": tf.constant(references.sum(1) * 0.9),
        "reference_latents": tf.constant(rng.standard_normal((2, 3, 20, 8)).astype(np.float32)),
    }


def test_silent_sources_do_not_count(rng):
    stage = make_stage(rng, silent=[(0, 1)])
    _, parts = meta_tasnet.multistage_stage(stage)
    alone = si_sdr_module.si_sdr(stage["estimates"][1, 1], stage["references"][1, 1])
    assert float(parts["si_sdr"][1]) == pytest.approx(float(alone), abs=1e-4)


def test_all_silent_stays_finite(rng):
    stage = make_stage(rng, silent=[(b, s) for b in range(2) for s in range(3)])
    with tf.GradientTape() as tape:
        tape.watch(stage["estimates"])
        loss, _ = meta_tasnet.multistage_stage(stage)
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, stage["estimates"])).all()


def test_the_stage_loss_is_the_weighted_sum_of_its_parts(rng):
    loss, parts = meta_tasnet.multistage_stage(make_stage(rng))
    expected = (
        -np.sum(parts["si_sdr"])
        - 0.05 * parts["reconstruction"]
        + 3.0 * parts["dissimilarity"]
        - 2.0 * parts["similarity"]
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["si_sdr", "l1", "mse"])
def test_waveform_losses_fall_when_estimates_improve(rng, name):
    references = rng.standard_normal((2, 2, 300, 1)).astype(np.float32)
    noise = rng.standard_normal(references.shape).astype(np.float32)
    values = [
        float(losses.LOSSES[name]({"estimates": references + k * noise}, references, None)[0])
        for k in (1.0, 0.1)
    ]
    assert values[1] < values[0]


def bandsplit_outputs(rng, levels):
    """Outputs of a Band-Split RNN whose targets are off by a tenth of their level."""
    shapes = {"targets": (2, len(levels), 60, 1), "spectra": (2, len(levels), 1, 5, 9, 2)}
    outputs = {}
    for name, shape in shapes.items():
        scale = np.reshape(levels, (1, -1, *[1] * (len(shape) - 2)))
        reference = scale * rng.choice([-1.0, 1.0], shape)
        outputs[name] = tf.constant(1.1 * reference, tf.float32)
        outputs[f"reference_{name}"] = tf.constant(reference, tf.float32)
    return outputs


def test_loud_targets_count_most_unless_they_are_balanced(rng):
    outputs = bandsplit_outputs(rng, [1.0, 0.1, 0.4])
    loss, parts = losses.bandsplit(outputs, None, None)
    assert float(loss) == pytest.approx(3 * 0.1 * 0.5, rel=1e-4)
    assert set(parts) == {"real", "imaginary", "waveform"}
    loss, parts = losses.bandsplit(outputs, None, None, balance=1.0)
    levels = np.array([1.0, 0.1, 0.4])
    weights = 0.5 / (levels + 0.025)
    assert float(loss) == pytest.approx(3 * np.mean(0.1 * levels * weights), rel=1e-4)
    half, _ = losses.bandsplit(outputs, None, None, balance=0.5)
    assert float(half) == pytest.approx(3 * np.mean(0.1 * levels * weights**0.5), rel=1e-4)


@pytest.mark.parametrize("levels", [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
def test_silent_targets_are_balanced_with_finite_gradients(rng, levels):
    outputs = bandsplit_outputs(rng, levels)
    estimates = tf.Variable(outputs["targets"] + 0.1)
    with tf.GradientTape() as tape:
        loss, _ = losses.bandsplit(outputs | {"targets": estimates}, None, None, balance=1.0)
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, estimates)).all()
