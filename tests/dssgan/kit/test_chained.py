"""Two separators in a row: pieces add up to the drums, and all stems to the song."""

import numpy as np
import pytest

from dssgan.kit.chained import ChainedSeparator
from dssgan.kit.naming import chained
from dssgan.separation.stream import Report
from dssgan.separator import Separator
from tests.dssgan.conftest import FOUR, KIT
from tests.dssgan.separator_stand_ins import Filter, Splitter


@pytest.fixture(scope="module")
def pair():
    """Drums and accompaniment, and pieces whose gains leave a twentieth of the drums."""
    first = Separator(Filter(gains=(1.0, 1.0), sources=("drums", "accompaniment")), segment=0.5)
    gains = (0.3, 0.25, 0.2, 0.15, 0.05)
    second = Separator(Splitter(gains=gains, sources=KIT, sample_rate=6000), segment=0.7)
    return first, second


def streamed(separator, audio, rate=8000, sources=None, size=1777, **options):
    blocks = [audio[start : start + size] for start in range(0, len(audio), size)]
    found = list(separator.stream(blocks, rate, sources, **options))
    return {name: np.concatenate([block[name] for block in found]) for name in found[0]}


def test_pieces_add_up_to_the_drums_and_all_to_the_song(pair, rng):
    song = (0.2 * rng.standard_normal((30000, 2))).astype(np.float32)
    both, report = ChainedSeparator(*pair, "drums"), Report()
    assert both.sources == (*KIT, "accompaniment") and both.complete and both.consistent
    stems = streamed(both, song, sources=(*KIT, "drums", "accompaniment"), report=report)
    assert all(stem.shape == song.shape for stem in stems.values())
    drums = pair[0].separate(song, 8000)["drums"]
    np.testing.assert_array_equal(stems["drums"], drums)
    pieces = sum(stems[name].astype(np.float64) for name in KIT)
    assert np.abs(pieces - drums).max() < 1e-6
    assert np.abs(pieces + stems["accompaniment"] - song).max() < 1e-6
    alone = pair[1].separate(drums, 8000)
    for name in KIT:
        np.testing.assert_allclose(stems[name], alone[name], atol=1e-6)
    assert report.remaining_db < -120
    assert set(report.peaks) >= {*KIT, "accompaniment"}


def test_only_what_is_asked_for(pair, rng):
    song = (0.2 * rng.standard_normal((9000, 1))).astype(np.float32)
    both = ChainedSeparator(*pair, "drums")
    assert list(streamed(both, song, sources=["hats"])) == ["hats"]
    whole = streamed(both, song)
    assert list(whole) == list(both.sources)
    np.testing.assert_array_equal(whole["hats"], streamed(both, song, sources=["hats"])["hats"])
    with pytest.raises(ValueError, match="no source triangle: there are kick"):
        both.stream([song], 8000, ["triangle"])


def test_stems_of_the_first_while_pieces_are_heard(pair, rng):
    song = (0.2 * rng.standard_normal((9000, 1))).astype(np.float32)
    both = ChainedSeparator(*pair, "drums", pieces=False)
    assert both.sources == ("drums", "accompaniment") and both.complete
    report = Report()
    stems = streamed(both, song, sources=("accompaniment", "kick"), report=report)
    expected = pair[0].separate(song, 8000)["accompaniment"]
    np.testing.assert_array_equal(stems["accompaniment"], expected)
    assert report.residual_db < -120


@pytest.mark.parametrize("samples", [0, 1, 700])
def test_lengths(pair, samples, rng):
    song = (0.2 * rng.standard_normal((samples, 2))).astype(np.float32)
    found = list(ChainedSeparator(*pair, "drums").stream([song] if samples else [], 8000))
    assert sum(len(block["kick"]) for block in found) == samples


def test_what_does_not_fit(pair):
    with pytest.raises(ValueError, match="no source 'drumz', but drums, accompaniment"):
        ChainedSeparator(*pair, "drumz")
    with pytest.raises(ValueError, match="both separators have a source 'drums'"):
        ChainedSeparator(pair[0], pair[0], "drums")
    assert chained(FOUR, KIT, "drums") == (*KIT, "bass", "other", "vocals")
    assert chained(FOUR, None, "drums") == FOUR
