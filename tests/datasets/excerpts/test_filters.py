"""Tone, low-pass and rooms, measured in dB and Hz."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.excerpts import filters

RATE = 44100


def impulse(samples=RATE, place=RATE // 2):
    audio = np.zeros((1, samples), np.float32)
    audio[0, place] = 1.0
    return audio


def response_db(audio, hertz):
    spectrum = np.abs(np.fft.rfft(audio[0]))
    places = np.round(np.asarray(hertz) * audio.shape[1] / RATE).astype(int)
    return 20.0 * np.log10(spectrum[places] + 1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), db=st.floats(0.0, 40.0))
def test_tone_curves_stay_within_their_range(seed, db):
    frequencies = np.fft.rfftfreq(8192, 1.0 / RATE)
    curve = filters.draw_tone(np.random.default_rng(seed), db, frequencies)
    assert curve.dtype == np.float32 and np.all(np.isfinite(curve))
    assert np.max(np.abs(20.0 * np.log10(curve))) <= db + 1e-3


def test_tone_curves_are_smooth_and_differ():
    frequencies = 20.0 * 2.0 ** np.arange(0.0, 10.0, 1.0 / 12.0)
    curves = [
        20.0 * np.log10(filters.draw_tone(np.random.default_rng(seed), 6.0, frequencies))
        for seed in range(50)
    ]
    spread = np.std(curves, axis=0)
    assert np.all(spread > 0.8) and np.all(spread < 4.0)
    assert np.max(np.abs(np.diff(curves, axis=1))) < 0.5  # dB per semitone
    assert max(np.ptp(curve) for curve in curves) > 4.0


@pytest.mark.parametrize("cutoff", [3000.0, 9000.0, 16000.0])
def test_a_lowpass_is_at_minus_6_db_where_it_says(cutoff):
    found = filters.lowpass(impulse(), RATE, cutoff)
    passed, half, stopped = response_db(found, [0.8 * cutoff, cutoff, 1.3 * cutoff])
    assert passed > -0.1
    assert half == pytest.approx(-6.02, abs=0.2)
    assert stopped < -50.0
    assert int(np.argmax(np.abs(found[0]))) == RATE // 2  # no delay


def test_decaying_noise_falls_by_60_db_within_its_time():
    tail = filters.draw_noise_tail(np.random.default_rng(0), (1, 2 * RATE), 0.8, RATE)[0]
    assert len(tail) == round(0.8 * RATE)
    assert np.linalg.norm(tail) == pytest.approx(1.0, abs=1e-4)
    level = [10.0 * np.log10(np.mean(part**2)) for part in np.split(tail[: 16 * 2205], 16)]
    slope = np.polyfit(np.arange(16) * 0.05, level, 1)[0]
    assert slope == pytest.approx(-60.0 / 0.8, rel=0.05)


def test_the_direct_sound_stays_in_place_and_the_tail_follows():
    samples, place = RATE, RATE // 4
    tail = filters.draw_noise_tail(np.random.default_rng(1), (1, samples), 0.3, RATE)
    length = filters.transform_length(samples, RATE, tail.shape[1])
    spectrum = np.fft.rfft(impulse(samples, place), length).astype(np.complex64)
    wet = filters.reverberated(spectrum, tail, 0.5, length)
    found = np.fft.irfft(wet, length)[0, :samples]
    assert found[place] == pytest.approx(1.0, abs=1e-4)
    assert np.max(np.abs(found[:place])) < 1e-4
    assert np.linalg.norm(found[place + 1 :]) == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(
        found[place + 1 : place + 1 + tail.shape[1]], 0.5 * tail[0], atol=1e-4
    )


def test_measured_responses_begin_behind_the_direct_sound(tmp_path):
    audio = np.zeros((4000, 2))
    audio[100] = 0.9
    audio[101:3000] = 0.1 * np.random.default_rng(2).standard_normal((2899, 2))
    soundfile.write(tmp_path / "hall.wav", audio, 22050)
    (tmp_path / "note.txt").write_text("no audio")
    (tail,) = filters.measured_tails(str(tmp_path), 22050)
    assert tail.shape == (2, 3899) and tail.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(tail, axis=1), 1.0, atol=1e-5)
    assert abs(np.corrcoef(tail[0], audio[101:, 0])[0, 1]) > 0.999
    (other,) = filters.measured_tails(str(tmp_path), 44100)
    assert other.shape[1] == pytest.approx(2 * 3899, abs=4)


@pytest.mark.parametrize(
    ("audio", "message"),
    [(None, "no WAV files"), (np.zeros(100), "is silent"), (np.eye(1, 50, 49)[0], "behind")],
)
def test_folders_without_responses_are_refused(tmp_path, audio, message):
    if audio is not None:
        soundfile.write(tmp_path / "one.wav", audio, 44100)
    with pytest.raises(ValueError, match=message):
        filters.measured_tails(str(tmp_path), 44100)
