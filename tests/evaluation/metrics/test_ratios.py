"""Scores without filters: definitions, parity with BSS Eval, properties."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from evaluation.metrics.bss_eval import bss_eval
from evaluation.metrics.ratios import scaled_snr, sdr, si_sdr, usdr, validate

METRICS = [sdr, usdr, si_sdr]


def make(seed, channels=2):
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((3, 400, channels))
    return references, references + 0.5 * rng.standard_normal(references.shape)


def test_sdr_is_bss_eval_s_image_sdr(signals):
    expected = bss_eval(*signals, metrics=["SDR"]).sdr[:, 0]
    np.testing.assert_allclose(sdr(*signals), expected, rtol=1e-12)


def test_sdr_of_a_known_error():
    references = np.ones((1, 100, 2))
    np.testing.assert_allclose(sdr(references, 0.9 * references), [20.0])
    np.testing.assert_allclose(sdr(references, 0 * references), [0.0])


def test_si_sdr_is_the_ratio_after_projection(rng):
    references, estimates = make(3)
    for reference, estimate, found in zip(references, estimates, si_sdr(references, estimates)):
        s, e = reference.ravel(), estimate.ravel()
        target = s * (e @ s) / (s @ s)
        expected = 10 * np.log10(target @ target / ((target - e) @ (target - e)))
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_si_sdr_of_a_right_angle():
    wave = np.arange(1000) * 2 * np.pi / 100
    references, noise = np.sin(wave)[None, :, None], np.cos(wave)[None, :, None]
    np.testing.assert_allclose(si_sdr(references, references + 0.1 * noise), [20.0], atol=1e-9)
    assert si_sdr(references, noise)[0] < -200


@hypothesis.given(seed=st.integers(0, 999), gain=st.floats(1e-3, 1e3))
def test_si_sdr_ignores_gain_and_sign(seed, gain):
    references, estimates = make(seed)
    expected = si_sdr(references, estimates)
    np.testing.assert_allclose(si_sdr(references, gain * estimates), expected, atol=1e-6)
    np.testing.assert_allclose(si_sdr(gain * references, -estimates), expected, atol=1e-6)


@hypothesis.given(seed=st.integers(0, 999), gain=st.floats(1e-3, 1e3))
def test_scaled_snr_is_the_best_of_all_levels(seed, gain):
    references, estimates = make(seed)
    found = scaled_snr(references, estimates)
    np.testing.assert_allclose(scaled_snr(references, -gain * estimates), found, atol=1e-6)
    levels = np.linspace(0.6, 1.2, 61)
    best = np.max([sdr(references, level * estimates) for level in levels], axis=0)
    np.testing.assert_allclose(found, best, atol=2e-3)
    assert (found >= best).all()
    np.testing.assert_allclose(10 ** (found / 10), 10 ** (si_sdr(references, estimates) / 10) + 1)


def test_scaled_snr_where_there_is_none(rng):
    references = rng.standard_normal((3, 100, 1))
    estimates = np.stack([2 * references[0], 0 * references[1], references[2]])
    references[2] = 0
    found = scaled_snr(references, estimates)
    assert found[0] > 250
    assert np.isnan(found[1:]).all()


def test_si_sdr_with_zero_mean_ignores_offsets():
    references, estimates = make(5)
    expected = si_sdr(references, estimates, zero_mean=True)
    np.testing.assert_allclose(si_sdr(references + 1, estimates - 2, zero_mean=True), expected)


@hypothesis.given(seed=st.integers(0, 999))
def test_si_sdr_is_at_least_sdr_of_the_best_gain(seed):
    references, estimates = make(seed)
    gains = np.linspace(0.5, 1.5, 21)
    best = np.max([sdr(references, gain * estimates) for gain in gains], axis=0)
    # ‖αs − ŝ‖ over α and ‖s − βŝ‖ over β have the same angle, so the same best ratio.
    assert (best <= 10 * np.log10(1 + 10 ** (si_sdr(references, estimates) / 10)) + 1e-9).all()


@pytest.mark.parametrize("metric", METRICS)
def test_more_noise_scores_less(metric, rng):
    references = rng.standard_normal((2, 1000, 2))
    noise = rng.standard_normal(references.shape)
    scores = [metric(references, references + level * noise) for level in (0.01, 0.1, 1.0)]
    assert (np.diff(scores, axis=0) < 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_float32_is_computed_in_float64(metric):
    references, estimates = (audio.astype(np.float32) for audio in make(1))
    expected = metric(references.astype(float), estimates.astype(float))
    np.testing.assert_allclose(metric(references, estimates), expected, rtol=1e-7)


def test_silence():
    noise = np.ones((1, 50, 1))
    silence = 0 * noise
    assert np.isposinf(sdr(noise, noise))
    assert np.isneginf(sdr(silence, noise))
    assert np.isnan(sdr(silence, silence))
    assert np.isnan(si_sdr(silence, noise))
    assert np.isnan(si_sdr(noise, silence))


def test_usdr_is_finite_for_silence_and_perfection():
    noise = np.ones((1, 50, 1))
    np.testing.assert_allclose(usdr(0 * noise, 0 * noise), [0.0], atol=1e-12)
    np.testing.assert_allclose(usdr(noise, noise), 10 * np.log10((50 + 1e-7) / 1e-7))
    np.testing.assert_allclose(usdr(0 * noise, noise), 10 * np.log10(1e-7 / (50 + 1e-7)))
    with pytest.raises(ValueError, match="delta 0"):
        usdr(noise, noise, delta=0)


@pytest.mark.parametrize("metric", METRICS)
def test_one_sample(metric):
    assert metric(np.full((1, 1, 1), 2.0), np.ones((1, 1, 1))).shape == (1,)


def test_validate_converts_integers_and_keeps_floats():
    first, second = validate(np.ones((1, 2, 1), np.int16), np.ones((1, 2, 1), np.float32))
    assert first.dtype == np.float64
    assert second.dtype == np.float32


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "estimates", [np.zeros((1, 5, 1)), np.full((1, 4, 1), np.inf), np.zeros((4, 1)), []]
)
def test_bad_input(metric, estimates):
    with pytest.raises(ValueError, match=r"expected equal|infinite|expected \(sources") as caught:
        metric(np.ones((1, 4, 1)), estimates)
    assert "\n" not in str(caught.value)
