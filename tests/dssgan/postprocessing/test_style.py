"""Figures of a song's style, and what they say of two collections."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan.exports import CONFIG
from dssgan.postprocessing.style import Style, figures, over_songs, style_of

RATE = 22050


def clicks(rng, period=0.5, seconds=8):
    """Short bursts of noise, so many seconds apart."""
    audio = np.zeros((seconds * RATE, 2), np.float32)
    for start in np.arange(0.1, seconds - 0.2, period):
        place = int(start * RATE)
        burst = rng.standard_normal((800, 1)) * np.exp(-np.arange(800) / 200)[:, None]
        audio[place : place + 800] += 0.3 * burst
    return audio


def drone(rng, hertz=110.0, seconds=8):
    """A low chord that hardly changes, and a little noise."""
    time = np.arange(seconds * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))
    audio = 0.2 * tone[:, None] + 0.001 * rng.standard_normal((len(time), 2))
    return audio.astype(np.float32)


def test_figures_tell_what_a_song_is(rng):
    struck, held = figures(clicks(rng), RATE), figures(drone(rng), RATE)
    assert struck["crest"] > held["crest"] + 6
    assert struck["pulse"] > 0.8
    assert struck["level 2000"] > held["level 2000"] + 10
    assert held["level 60"] > struck["level 60"] + 10
    assert struck["change 500"] > held["change 500"]
    wide = clicks(rng)
    wide[:, 1] *= -0.5
    assert figures(wide, RATE)["sides"] > 0 > struck["sides"]


def test_a_pure_tone_lies_in_its_band():
    tone = np.sin(2 * np.pi * 700 * np.arange(4 * RATE) / RATE).astype(np.float32)[:, None]
    found = figures(tone, RATE)
    assert found["level 500"] == pytest.approx(0, abs=0.01)
    assert found["crest"] == pytest.approx(3.01, abs=0.01)  # a sine's peak over its power
    assert found["sides"] == -40


@settings(max_examples=15, deadline=None)
@given(st.floats(-60, 40), st.sampled_from([8000, 22050, 44100, 96000]))
def test_the_level_of_a_song_is_no_style(decibel, rate):
    audio = clicks(np.random.default_rng(1))
    before, after = figures(audio, rate), figures(audio * np.float32(10 ** (decibel / 20)), rate)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize("samples", [0, 1, RATE - 1, RATE])
def test_silence_and_less_than_a_second_have_no_figures(samples):
    assert figures(np.zeros((samples, 2), np.float32), RATE) == {}
    if samples < RATE:
        assert figures(np.ones((samples, 1), np.float32), RATE) == {}


def test_songs_are_nearest_to_their_own_kind(rng):
    struck = over_songs([figures(clicks(rng, 0.4 + 0.05 * k), RATE) for k in range(5)])
    held = over_songs([figures(drone(rng, 80 + 20 * k), RATE) for k in range(5)])
    assert (struck.songs, held.songs) == (5, 5)
    song = figures(clicks(rng, 0.62), RATE)
    assert struck.distance(song) < held.distance(song)
    song = figures(drone(rng, 95), RATE)
    assert held.distance(song) < struck.distance(song)


def test_the_distance_is_that_of_a_normal_density():
    """With many songs the prior and the doubt of the mean vanish."""
    style = Style(10**9, {"other": (1.0, 2.0), "alone": (0.0, 1.0)})
    found = style.distance({"other": 4.0, "unknown": 7.0})
    assert found == pytest.approx(9 / 4 + np.log(4))
    assert style.distance({}) == np.inf


def test_silent_songs_count_for_nothing(rng):
    song = figures(clicks(rng), RATE)
    style = over_songs([song, {}, song])
    assert style.songs == 2 and style.figures["crest"] == (pytest.approx(song["crest"]), 0.0)
    with pytest.raises(ValueError, match="no song to tell a style of"):
        over_songs([{}, {}])


def test_it_stands_in_the_configuration(tmp_path):
    style = Style(3, {"pulse": (0.5, 0.1)})
    (tmp_path / CONFIG).write_text(json.dumps({"style": style.as_json()}))
    assert style_of(tmp_path) == style


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"songs": 0, "figures": {"pulse": [0.5, 0.1]}},
        {"songs": True, "figures": {"pulse": [0.5, 0.1]}},
        {"songs": 3, "figures": {}},
        {"songs": 3, "figures": {"pulse": [0.5]}},
        {"songs": 3, "figures": {"pulse": [0.5, -1]}},
        {"songs": 3, "figures": {"pulse": [float("nan"), 1]}},
        {"songs": 3, "figures": {"pulse": [True, 1]}},
    ],
)
def test_a_configuration_that_does_not_tell_is_refused(tmp_path, told):
    (tmp_path / CONFIG).write_text(json.dumps({} if told is None else {"style": told}))
    with pytest.raises(ValueError, match=r"python -m experiments\.style .* SONGS") as refused:
        style_of(tmp_path)
    assert str(tmp_path / CONFIG) in str(refused.value) and "\n" not in str(refused.value)
