"""The data recipe of the Wavenet: excerpts within runs of the voice, its own validation songs."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from datasets import load
from datasets.activity.runs import draw_start, voiced_runs
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape
from datasets.loaders import musdb
from datasets.track import AudioShape, Track

RATE = 1000  # chunks of 50 samples
ROOT = Path(__file__).resolve().parents[3]


class Song(Track):
    """Stems in memory."""

    def __init__(self, name="song", **stems):
        audio = next(iter(stems.values()))
        super().__init__(name, "train", AudioShape(RATE, *audio.shape[::-1]), stems, standard=())
        self.audio = {stem: data.astype(np.float32) for stem, data in stems.items()}

    def _read(self, stem, start, stop):
        return self.audio[stem][start:stop].copy()


def levels(*values, samples=500):
    """A square wave, left and right in opposite phase, as loud as said for `samples` each."""
    wave = np.where(np.arange(samples) % 2, 1.0, -1.0)
    audio = np.concatenate([value * wave for value in values])
    return np.stack([audio, -audio], axis=1)


def test_runs_are_where_a_tenth_of_the_loudest_chunk_is_reached():
    song = Song(vocals=levels(0.5, 0.0, 0.06, 0.04, 0.5))
    assert voiced_runs(song, "vocals") == [(0, 500), (1000, 1500), (2000, 2500)]
    quieter = Song(vocals=levels(0.05, 0.0, 0.006, 0.004, 0.05))
    assert voiced_runs(quieter, "vocals") == voiced_runs(song, "vocals")
    assert voiced_runs(Song(vocals=levels(0.0)), "vocals") == []


def test_a_run_ends_with_the_song_and_chunks_are_whole(rng):
    song = Song(vocals=np.concatenate([levels(0.0), levels(0.3), levels(0.3, samples=13)]))
    assert voiced_runs(song, ("vocals",)) == [(500, 1013)]
    late = np.concatenate([np.zeros((80, 2)), levels(0.3)])
    assert voiced_runs(Song(vocals=late), "vocals") == [(50, 580)]  # chunk 50…100 is loud enough


def test_long_songs_are_read_piece_by_piece():
    audio = np.zeros((140_000, 1))
    audio[60_000:120_000] = 0.2
    assert voiced_runs(Song(vocals=audio), "vocals") == [(60_000, 120_000)]


def test_starts_are_spread_evenly_over_all_runs_that_are_long_enough(rng):
    runs = [(0, 50), (100, 110), (200, 212)]
    found = np.array([draw_start(rng, runs, 10) for _ in range(4000)])
    assert set(found) == {*range(41), 100, *range(200, 203)}
    assert np.mean(found < 41) == pytest.approx(41 / 45, abs=0.02)
    assert draw_start(rng, runs, 60) is None


@pytest.mark.parametrize(("share", "low", "high"), [(1.0, 1.0, 1.0), (0.5, 0.5, 0.75)])
def test_excerpts_lie_within_runs_as_often_as_asked(share, low, high):
    """One song has its voice in 2 s of 8, another in stretches too short for any excerpt."""
    quiet, loud = (0.0,) * 6, (0.5,) * 4
    songs = [
        Song("long", vocals=levels(*quiet, *loud, *quiet), bass=levels(*(0.1,) * 16)),
        Song("short", vocals=levels(*(0.5, 0.0) * 8, samples=150), bass=levels(*(0.1,) * 16)),
    ]
    augmentation = Augmentation(
        gain=(1, 1),
        swap=0.0,
        remix=0.0,
        normalise="none",
        active="vocals",
        active_share=share,
        active_rule="runs",
    )
    shape = ExcerptShape(300, 50, sources=("vocals", "bass"))
    source = PairedExcerpts(songs, shape, augmentation, seed=5)
    stems = np.concatenate([source.batch(index)["stems"] for index in range(6)])
    voiced = np.all(stems[:, 0] != 0, axis=(1, 2))
    assert low <= np.mean(voiced) <= high
    again = PairedExcerpts(songs, shape, augmentation, seed=5)
    np.testing.assert_array_equal(again.batch(3)["stems"], source.batch(3)["stems"])


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"active_rule=.loud.: expected one of audible, runs"):
        Augmentation(active_rule="loud")


def test_the_recipe_holds_out_the_songs_that_its_authors_drew():
    """25 of 100 numbers without replacement, NumPy's legacy generator with seed 1337."""
    drawn = np.random.RandomState(1337).choice(100, 25, replace=False)
    for name in ("wavenet_multi", "wavenet_singing"):
        recipe = yaml.safe_load((ROOT / "experiments" / "recipes" / f"{name}.yaml").read_text())
        assert recipe["data"]["options"]["valid"] == sorted(drawn.tolist())


def test_musdb_validates_on_songs_by_number_or_name(tmp_path, make_song):
    names = ["a", "B", "c", musdb.VALIDATION[0]]
    for name in names:
        make_song(tmp_path / "train" / name)
    make_song(tmp_path / "test" / "d")
    found = {t.name: t.split for t in load("musdb18hq", tmp_path, valid=[1, "c"])}
    ordered = sorted(names)  # "ANiMAL - Rockshow", "B", "a", "c"
    assert found == {ordered[0]: "train", "B": "valid", "a": "train", "c": "valid", "d": "test"}
    for wrong in (4, -1, "d", "e"):
        with pytest.raises(ValueError, match="a number from 0 to 3"):
            load("musdb18hq", tmp_path, valid=[wrong])
