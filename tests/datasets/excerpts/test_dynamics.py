"""Width, saturation, level and compression, measured in dB and by correlation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.excerpts import dynamics

RATE = 16000


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def correlation(audio):
    return float(np.corrcoef(audio)[0, 1])


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_width_multiplies_the_side_and_leaves_the_middle(factor):
    audio = noise(2, 5000)
    found = dynamics.widened(audio, factor)
    np.testing.assert_allclose(found.sum(axis=0), audio.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(found[0] - found[1], factor * (audio[0] - audio[1]), atol=1e-5)
    assert found.dtype == np.float32


def test_width_changes_the_correlation_and_no_mono():
    audio = noise(2, 20000)
    assert abs(correlation(audio)) < 0.05
    assert correlation(dynamics.widened(audio, 0.0)) == pytest.approx(1.0)
    assert correlation(dynamics.widened(audio, 2.0)) < -0.4
    np.testing.assert_array_equal(dynamics.widened(audio[:1], 0.0), audio[:1])


def test_saturation_lowers_the_crest_and_keeps_the_energy():
    audio = noise(1, 20000)
    crests = []
    for drive in (0.1, 1.0, 4.0, 12.0):
        found = dynamics.saturated(audio, drive)
        assert dynamics.rms(found) == pytest.approx(dynamics.rms(audio), rel=1e-4)
        crests.append(np.max(np.abs(found)) / dynamics.rms(found))
    assert crests == sorted(crests, reverse=True) and crests[-1] < 0.5 * crests[0]
    np.testing.assert_allclose(dynamics.saturated(audio, 1e-3), audio, atol=1e-4)


def test_saturation_adds_odd_harmonics_alone():
    time = np.arange(RATE) / RATE
    found = dynamics.saturated(np.sin(2 * np.pi * 500 * time)[None].astype(np.float32), 3.0)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(found[0])) / RATE * 2 + 1e-12)
    assert spectrum[1500] > -30.0 and spectrum[1000] < -80.0


@pytest.mark.parametrize("decibels", [-12.0, 0.0, 7.0])
def test_the_level_is_that_against_all_the_others(decibels):
    sources = noise(3, 1, 8000) * np.array([0.3, 1.0, 0.1], np.float32)[:, None, None]
    sources[0] *= dynamics.level_factor(sources, 0, decibels)
    ratio = dynamics.rms(sources[0]) / dynamics.rms(sources[1] + sources[2])
    assert 20 * np.log10(ratio) == pytest.approx(decibels, abs=1e-3)


def test_what_is_nearly_silent_has_no_level_to_match():
    sources = noise(2, 1, 8000)
    for faint in (0.0, 5e-4):
        sources[0] *= faint
        assert dynamics.level_factor(sources, 0, 0.0) == 1.0
        assert dynamics.level_factor(sources, 1, 0.0) == 1.0


def test_compression_divides_what_exceeds_the_threshold():
    """A step of 20 dB: both sides are settled well before and after it."""
    time = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    tone[: 2 * RATE] *= 0.1
    curve = dynamics.compression_curve(tone[None], RATE, -10.0, 4.0)
    quiet, loud = np.mean(curve[RATE : 2 * RATE - 800]), np.mean(curve[3 * RATE :])
    # The RMS is that of half loud, half quiet: the loud half lies 3 dB above it.
    over = 10 * np.log10(1 / (0.505)) + 10.0
    assert 20 * np.log10(quiet / loud) == pytest.approx(over * 0.75, abs=0.1)
    assert dynamics.rms(tone * curve) == pytest.approx(dynamics.rms(tone), rel=1e-3)
    assert curve.dtype == np.float32 and np.all(curve > 0.0)


def test_a_ratio_of_one_and_a_high_threshold_change_nothing():
    mixture = noise(2, 8000)
    for threshold, ratio in ((-20.0, 1.0), (40.0, 4.0)):
        curve = dynamics.compression_curve(mixture, RATE, threshold, ratio)
        np.testing.assert_allclose(curve, 1.0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 500),
    channels=st.sampled_from([1, 2]),
    scale=st.sampled_from([0.0, 1e-42, 1e-30, 1e-6, 1.0, 100.0]),
    seed=st.integers(0, 1000),
    drive=st.floats(0.1, 1000.0),
    threshold=st.floats(-60.0, 40.0),
    ratio=st.floats(1.0, 100.0),
)
def test_no_length_or_level_gives_what_is_no_number(
    samples, channels, scale, seed, drive, threshold, ratio
):
    audio = noise(channels, samples, seed=seed) * np.float32(scale)
    curve = dynamics.compression_curve(audio, RATE, threshold, ratio)
    found = [
        curve,
        dynamics.saturated(audio, drive),
        dynamics.widened(audio, 1.5),
        dynamics.with_energy(audio, 0.1),
        np.float32(dynamics.level_factor(np.stack([audio, 2 * audio]), 0, threshold)),
    ]
    assert curve.shape == (samples,)
    assert all(np.all(np.isfinite(one)) and one.dtype == np.float32 for one in found)
