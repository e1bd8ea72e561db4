"""Stems of several separators averaged."""

import numpy as np
import pytest

from dssgan.postprocessing.blended import BlendedSeparator
from dssgan.postprocessing.processed import ProcessedSeparator
from dssgan.separation.stream import Report
from dssgan.separator import Separator
from tests.dssgan.conftest import FOUR
from tests.dssgan.separator_stand_ins import Filter, Normaliser, Splitter

RATE = 8000
TWO = ("drums", "accompaniment")


def separator(*gains, sources=TWO, kind=Splitter, segment=0.5, **options):
    return Separator(kind(gains=gains, sources=sources, **options), segment=segment)


def streamed(separator, audio, size=1777, rate=RATE, **options):
    blocks = [audio[start : start + size] for start in range(0, len(audio), size)]
    found = list(separator.stream(blocks, rate, **options))
    return {name: np.concatenate([block[name] for block in found]) for name in found[0]}


@pytest.fixture
def song(rng):
    return (0.2 * rng.standard_normal((30011, 2))).astype(np.float32)


def test_the_mean_of_waveforms(song):
    one, two = separator(0.9, 0.1), separator(0.5, 0.5, segment=0.7)
    blend, report, seconds = BlendedSeparator([one, two]), Report(), []
    stems = streamed(blend, song, report=report, progress=seconds.append)
    np.testing.assert_allclose(stems["drums"], 0.7 * song, atol=1e-6)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)
    assert blend.sources == TWO and blend.complete and blend.consistent
    assert report.samples == len(song) and report.remaining_db < -120
    assert sum(seconds) == pytest.approx(len(song) / RATE)


@pytest.mark.parametrize("domain", ["time", "spectrum"])
def test_alike_separators_change_nothing(song, domain):
    one = separator(1.0, 1.0, kind=Filter)
    stems = streamed(BlendedSeparator([one] * 3, domain), song)
    for name, stem in one.separate(song, RATE).items():
        np.testing.assert_allclose(stems[name], stem, atol=1e-5)


def test_magnitudes_keep_their_level_where_phases_differ():
    """Two that disagree in sign: the mean of waveforms is silent, that of magnitudes is not."""
    time = np.arange(30000) / RATE
    song = np.sin(2 * np.pi * 500 * time).astype(np.float32)[:, None]
    pair = [separator(1.0, 0.0), separator(-0.9, 1.9)]
    powers = {}
    for domain in ("time", "spectrum"):
        blend = BlendedSeparator(pair, domain)
        blend.separators[0].consistent = False
        powers[domain] = np.square(streamed(blend, song)["drums"][4000:-4000]).mean()
    assert powers["time"] == pytest.approx(0.5 * 0.05**2, rel=0.01)
    assert powers["spectrum"] == pytest.approx(0.5 * 0.95**2, rel=0.05)


def test_the_accompaniment_of_four_sources_is_their_sum(song):
    four = separator(0.4, 0.3, 0.2, 0.1, sources=FOUR)
    stems = streamed(BlendedSeparator([separator(0.8, 0.2), four]), song)
    share = 0.4 if FOUR[0] == "drums" else four.model.gains.numpy()[FOUR.index("drums")]
    np.testing.assert_allclose(stems["drums"], (0.8 + share) / 2 * song, atol=1e-6)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


def test_with_steps_and_with_one_that_waits(song, tmp_path):
    waiting = Separator(
        Normaliser(gains=(0.5, 0.5), sources=TWO, scale_free=True),
        segment=0.5,
        temporary_folder=tmp_path,
    )
    blend = BlendedSeparator([waiting, separator(0.8, 0.2)], "spectrum")
    assert blend.temporary_bytes(1000, RATE, 2) == waiting.temporary_bytes(1000, RATE, 2) + 8000
    stems = streamed(ProcessedSeparator(blend, None, ["wiener"]), song)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)
    assert list(streamed(blend, song, sources=["drums"])) == ["drums"]


@pytest.mark.parametrize("samples", [0, 1])
def test_short_songs(samples):
    song = np.full((samples, 1), 0.5, np.float32)
    blend = BlendedSeparator([separator(1.0, 0.0), separator(0.5, 0.5)], "spectrum")
    found = list(blend.stream([song] * samples, RATE))
    assert sum(len(block["drums"]) for block in found) == samples


def test_what_does_not_go():
    one = separator(0.5, 0.5)
    with pytest.raises(ValueError, match="1 separators: expected two or more"):
        BlendedSeparator([one])
    with pytest.raises(ValueError, match="no blend 'phase': there are time, spectrum"):
        BlendedSeparator([one, one], "phase")
    voices = separator(0.5, 0.5, sources=("vocals", "other"))
    with pytest.raises(ValueError, match="separator 2 has vocals, other, but the first one has dr"):
        BlendedSeparator([one, voices])
