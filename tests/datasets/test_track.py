"""Tracks: excerpts, sums, missing stems, accompaniment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.sources import read_sources
from datasets.track import SOURCES, AudioShape, Track, bounds


class Made(Track):
    """A track in memory."""

    def __init__(self, stems, mixture=None, **options):
        first = next(iter(stems.values()))
        super().__init__(
            "made", "train", AudioShape(100, first.shape[1], len(first)), stems,
            own_mixture=mixture is not None, **options,
        )  # fmt: skip
        self.audio = dict(stems) | ({} if mixture is None else {"mixture": mixture})

    def _read(self, stem, start, stop):
        return self.audio[stem][start:stop]


@pytest.fixture
def stems(make_audio):
    return {stem: make_audio(300, 2, n) for n, stem in enumerate(SOURCES) if stem != "bass"}


def test_what_is_missing_is_silent(stems):
    track = Made(stems)
    assert track.stems == ("drums", "other", "vocals") and track.missing == ("bass",)
    assert track.duration == 3.0
    assert np.array_equal(track.read("bass", 10, 20), np.zeros((10, 2)))
    assert np.array_equal(track.read("drums", 10, 20), stems["drums"][10:20])
    assert np.array_equal(track.read("drums", 290, 999), stems["drums"][290:])
    assert track.read("vocals", 300).shape == (0, 2)


def test_mixture_is_the_sum_or_its_own(stems, make_audio):
    assert np.allclose(Made(stems).read(), sum(stems.values()), atol=1e-7)
    mastered = make_audio(300, 2, 77)
    assert np.array_equal(Made(stems, mastered).read(start=5), mastered[5:])


@pytest.mark.parametrize("stem", ["mixture", "drums", "bass", "accompaniment"])
@pytest.mark.parametrize("block", [1, 7, 300, 1000])
def test_blocks_equal_the_whole(stems, stem, block):
    track = Made(stems, sums={"accompaniment": ("drums", "bass", "other")})
    blocks = list(track.blocks(stem, block))
    assert all(len(part) == block for part in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks), track.read(stem))


@pytest.mark.parametrize("first", SOURCES)
def test_accompaniment_is_all_the_rest(stems, first):
    audio = read_sources(Made(stems), (first, "accompaniment"), 50, 150)
    rest = sum(data for stem, data in stems.items() if stem != first)
    assert audio.shape == (2, 100, 2) and audio.dtype == np.float32
    assert np.allclose(audio[1], rest[50:150], atol=1e-7)
    assert np.allclose(audio.sum(0), sum(stems.values())[50:150], atol=1e-6)


def test_accompaniment_in_any_place_beside_several(stems):
    audio = read_sources(Made(stems), ("vocals", "accompaniment", "drums"))
    assert np.array_equal(audio[1], stems["other"])
    assert np.array_equal(audio[2], stems["drums"])


def test_parts_of_a_source_that_is_a_sum_are_no_accompaniment(make_audio):
    stems = {name: make_audio(99, 1, seed) for seed, name in enumerate(("kick", "hats", "bass"))}
    sums = {"drums": ("kick", "hats"), "accompaniment": ("kick", "hats", "bass")}
    track = Made(stems, standard=("kick", "hats", "bass"), sums=sums)
    for sources in (("drums", "accompaniment"), ("accompaniment", "kick", "hats")):
        audio = dict(zip(sources, read_sources(track, sources)))
        assert np.array_equal(audio["accompaniment"], stems["bass"])


def test_accompaniment_that_was_recorded(make_audio):
    stems = {"drums": make_audio(99, 1), "accompaniment": make_audio(99, 1, 5)}
    track = Made(stems, standard=("drums", "accompaniment"))
    assert np.array_equal(read_sources(track, ("drums", "accompaniment")), list(stems.values()))
    with pytest.raises(ValueError, match="no stem 'vocals', only mixture, drums, accompaniment"):
        track.read("vocals")


def test_accompaniment_alone_is_ambiguous(stems):
    with pytest.raises(ValueError, match=r"made: no stem 'accompaniment'.*read_sources"):
        Made(stems).read("accompaniment")


@given(st.integers(-5, 30), st.none() | st.integers(-5, 30))
def test_bounds_accept_what_slicing_would_give(start, stop):
    inside = 0 <= start <= 20 and (stop is None or stop >= start)
    if inside:
        assert bounds(start, stop, 20, "x") == slice(start, stop).indices(20)[:2]
    else:
        with pytest.raises(ValueError, match=r"x: excerpt .* 0 ≤ start ≤ stop"):
            bounds(start, stop, 20, "x")


def test_fingerprint_follows_the_audio_not_the_split(stems, make_audio):
    one, same, other = Made(stems), Made(stems), Made(stems | {"drums": make_audio(300, 2, 50)})
    for track in (one, same, other):  # a real track holds no audio, only where it lies
        track.audio = float(track.audio["drums"].sum())
    same.split, same.warnings = "test", ("odd",)
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_unknown_split():
    with pytest.raises(ValueError, match="song: split 'dev' is none of train, valid, test"):
        Track("song", "dev", AudioShape(44100, 2, 10), ())
