"""Steps before and after a separator: aligned, adding up, what they are meant to do."""

import librosa
import numpy as np
import pytest

from dssgan.postprocessing.harmonic_percussive import SIDE, percussive_mask
from dssgan.postprocessing.processed import ProcessedSeparator
from dssgan.postprocessing.transients import Transients
from dssgan.separation.stream import Report
from dssgan.separator import Separator
from tests.dssgan.conftest import KIT
from tests.dssgan.separator_stand_ins import Filter, Normaliser, Splitter

RATE = 8000
TWO = ("drums", "accompaniment")


@pytest.fixture(scope="module")
def separator():
    return Separator(Filter(gains=(0.9, 1.0), sources=TWO), segment=0.5)


def streamed(separator, audio, rate=RATE, sources=None, size=1777, **options):
    blocks = [audio[start : start + size] for start in range(0, len(audio), size)]
    found = list(separator.stream(blocks, rate, sources, **options))
    return {name: np.concatenate([block[name] for block in found]) for name in found[0]}


def hits(samples, channels=1):
    """Clicks that die away within a tenth of a second, and a tone that is held."""
    rng = np.random.default_rng(3)
    time = np.arange(samples) / RATE
    drums = np.zeros(samples)
    for start in range(1000, samples - 1000, 3000):
        burst = rng.standard_normal(1000) * np.exp(-np.arange(1000) / 120)
        drums[start : start + 1000] += burst
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    pair = (np.repeat(part[:, None], channels, 1).astype(np.float32) for part in (drums, tone))
    return tuple(pair)


@pytest.mark.parametrize(
    "before, after",
    [
        (None, ("wiener",)),
        (None, ("transients", "wiener")),
        ("hpss", ()),
        ("hpss", ("wiener",)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_stems_add_up_and_are_aligned(separator, before, after, channels, rng):
    song = (0.2 * rng.standard_normal((30011, channels))).astype(np.float32)
    processed, report = ProcessedSeparator(separator, before, after), Report()
    assert processed.sources == TWO and processed.complete and processed.consistent
    stems = streamed(processed, song, report=report)
    assert all(stem.shape == song.shape and stem.dtype == np.float32 for stem in stems.values())
    assert np.abs(sum(stem.astype(np.float64) for stem in stems.values()) - song).max() < 1e-6
    assert report.samples == len(song) and report.channels == channels
    assert report.remaining_db < -120 and set(report.peaks) == set(TWO)
    only = streamed(processed, song, sources=["drums"], size=5000)
    np.testing.assert_allclose(only["drums"], stems["drums"], atol=1e-5)


def test_without_steps_nothing_changes(separator, rng):
    song = (0.2 * rng.standard_normal((9001, 2))).astype(np.float32)
    plain = separator.separate(song, RATE)
    for name, stem in streamed(ProcessedSeparator(separator), song).items():
        np.testing.assert_allclose(stem, plain[name], atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 300])
@pytest.mark.parametrize("before, after", [(None, ("wiener", "transients")), ("hpss", ())])
def test_short_songs(separator, samples, before, after):
    song = np.full((samples, 2), 0.1, np.float32)
    found = list(ProcessedSeparator(separator, before, after).stream([song] * (samples > 0), RATE))
    assert sum(len(block["drums"]) for block in found) == samples


def test_silence_stays_silent(separator):
    processed = ProcessedSeparator(separator, "hpss", ("wiener", "transients"))
    stems = streamed(processed, np.zeros((20000, 2), np.float32))
    assert not any(stem.any() for stem in stems.values())


def test_what_is_not_finite_is_told_with_its_place(separator):
    song = np.zeros((9000, 1), np.float32)
    song[8123] = np.nan
    with pytest.raises(ValueError, match=r"a: nan at 1.015 s \(sample 8123, channel 1\)"):
        list(ProcessedSeparator(separator, "hpss").stream([song], RATE, name="a"))


def test_the_percussive_part_is_what_the_separator_hears():
    """All that it hears goes to the drums here: the tone does not, the hits do."""
    inner = Separator(Splitter(gains=(1.0, 0.0), sources=TWO), segment=0.5)
    drums, tone = hits(40000)
    stems = streamed(ProcessedSeparator(inner, "hpss"), drums + tone)
    error = np.square(stems["drums"] - drums).mean() / np.square(drums).mean()
    assert error < 0.1 < np.square(tone).mean() / np.square(drums).mean()


def test_the_mask_is_librosa_s(rng):
    magnitudes = np.abs(rng.standard_normal((60, 40))).astype(np.float32)
    _, expected = librosa.decompose.hpss(magnitudes.T, mask=True)
    whole = percussive_mask(magnitudes, 0, 0)
    np.testing.assert_allclose(whole, expected.T, atol=1e-5)
    part = percussive_mask(magnitudes[25 - SIDE : 35 + SIDE], SIDE, SIDE)
    np.testing.assert_allclose(part, whole[25:35], atol=1e-6)


def test_what_is_held_goes_from_the_drums_to_the_rest():
    inner = Separator(Splitter(gains=(1.0, 0.0), sources=TWO), segment=0.5)
    drums, tone = hits(80000)
    stems = streamed(ProcessedSeparator(inner, None, ["transients"]), drums + tone)
    quiet = np.convolve(np.abs(drums[:, 0]), np.ones(800), "same") < 1e-3
    quiet[:8000] = False  # the tone begins as a hit does
    assert np.square(stems["drums"][quiet]).mean() < 0.05 * np.square(tone[quiet]).mean()
    alone = streamed(ProcessedSeparator(inner, None, ["transients"]), drums)["drums"]
    assert np.square(alone - drums).mean() < 0.05 * np.square(drums).mean()


def test_gains_are_those_of_a_decay():
    fall = Transients(100.0)
    power = np.full((200, 3), 1e-9, np.float32)
    power[50:] = 1.0  # held for ever: 40 dB less after a second
    gains = fall.gains(power)
    assert (gains[50:52] == 1).all()  # two frames of a rise
    np.testing.assert_allclose(20 * np.log10(gains[151]), -40, atol=1e-3)


def test_a_separator_that_waits_for_the_song_takes_disk(rng, tmp_path):
    inner = Separator(
        Normaliser(gains=(0.5, 0.5), sources=TWO, scale_free=True),
        segment=0.5,
        temporary_folder=tmp_path,
    )
    processed = ProcessedSeparator(inner, "hpss", ["wiener"])
    song = (0.2 * rng.standard_normal((30000, 2))).astype(np.float32)
    own = 4 * 2 * len(song)
    assert processed.temporary_bytes(len(song), RATE, 2) == 2 * own + inner.temporary_bytes(
        len(song), RATE, 2
    )
    stems = streamed(processed, song)
    assert np.abs(sum(stems.values()) - song).max() < 1e-6
    assert not list(tmp_path.iterdir())


def test_what_does_not_go(separator):
    for before, after, message in (
        ("wiener", (), "no step 'wiener' before it: there are hpss"),
        (None, ("hpss",), "no step 'hpss' after it: there are wiener, transients"),
    ):
        with pytest.raises(ValueError, match=message):
            ProcessedSeparator(separator, before, after)
    kit = Separator(Splitter(gains=(0.2,) * 5, sources=KIT), segment=0.5)
    with pytest.raises(ValueError, match="expected one of accompaniment or other"):
        ProcessedSeparator(kit, "hpss")
    assert ProcessedSeparator(kit, None, ["wiener"]).sources == KIT
    voices = Separator(Splitter(sources=("vocals", "other")), segment=0.5)
    with pytest.raises(ValueError, match="transients: sources vocals, other, expected drums"):
        ProcessedSeparator(voices, None, ["transients"])
