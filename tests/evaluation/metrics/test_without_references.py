"""Figures of estimates without stems, on signals of which everything is known."""

import math

import numpy as np
import pytest

from evaluation.metrics import without_references as plain

RATE = 8000


@pytest.fixture
def clicks():
    """Two seconds of decaying noise every half second, and where they begin."""
    rng = np.random.default_rng(0)
    places = np.arange(2000, 16000, 4000)
    signal = 1e-4 * rng.standard_normal(2 * RATE)
    for place in places:
        signal[place : place + 800] += rng.standard_normal(800) * np.exp(-np.arange(800) / 150)
    return signal[:, None].astype(np.float32), places


def test_agreement_is_the_ratio_to_the_difference(rng):
    one = rng.standard_normal((500, 2))
    assert plain.agreement(one, one) == plain.MOST_DB
    assert plain.agreement(one, 0.9 * one) == pytest.approx(10 * math.log10((1 + 0.81) / 2 / 0.01))
    assert plain.agreement(one, -one) == pytest.approx(-6.02, abs=0.01)
    assert math.isnan(plain.agreement(0 * one, 0 * one))


def test_residual_of_estimates_that_add_up_is_none(rng):
    stems = rng.standard_normal((2, 400, 1))
    assert plain.residual(stems.sum(0), stems) < -70
    assert plain.residual(stems.sum(0), 0.9 * stems) == pytest.approx(-20, abs=1e-6)
    assert math.isnan(plain.residual(0 * stems[0], stems))


def test_onsets_are_found_where_something_begins(clicks):
    signal, places = clicks
    found = plain.onsets(signal, RATE)
    assert len(found) == len(places)
    assert np.abs(found - places).max() < 0.03 * RATE
    assert len(plain.onsets(np.zeros((RATE, 2)), RATE)) == 0
    assert len(plain.onsets(np.ones((10, 1)), RATE)) == 0


def test_contrast_falls_where_something_sounds_between_onsets(clicks, rng):
    signal, places = clicks
    clean = plain.contrast(signal, places, RATE)
    smeared = plain.contrast(signal + 0.05 * rng.standard_normal(signal.shape), places, RATE)
    assert clean > smeared + 10
    assert math.isnan(plain.contrast(signal, places[:0], RATE))


def test_what_leaks_where_nothing_plays(rng):
    source = np.zeros((2 * RATE, 1))
    source[:RATE] = rng.standard_normal((RATE, 1))
    mixture = source + rng.standard_normal(source.shape)
    estimates = [source + level * (mixture - source) for level in (0.01, 0.02)]
    quiet = plain.inactive_frames(estimates, RATE)
    assert quiet.tolist() == [False] * 10 + [True] * 10
    less, more = (plain.leaked(each, mixture, quiet, RATE) for each in estimates)
    assert less == pytest.approx(-40, abs=0.1)
    assert more - less == pytest.approx(6.02, abs=0.01)
    assert math.isnan(plain.leaked(source, mixture, ~quiet & quiet, RATE))
