"""Roles of songs: what is held out is never learned from, under whatever name it lies."""

import os
import shutil

import numpy as np
import pytest

from datasets import audio, load
from datasets.cache.variants import prepare_variants
from datasets.splits import check_disjoint, identities, split_by_shares
from datasets.track import AudioShape, Track
from tests.datasets import caches
from tests.datasets.caches import prepare


class Notes(Track):
    """A rendering of a composition."""

    def __init__(self, name, composition, font):
        super().__init__(name, "train", AudioShape(8000, 1, 400), ("drums",), standard=())
        self.composition = composition
        self.font = font

    def _read(self, stem, start, stop):
        return np.full((stop - start, 1), 0.1 * self.font, np.float32)


@pytest.fixture
def songs(tmp_path, make_song):
    """Folders of two songs each, the second of which is in both under another name."""
    for folder, names in (("here", "af"), ("there", "kp")):
        for name in names:
            make_song(tmp_path / folder / name, mixture=True, samples=40_000)
    shutil.rmtree(tmp_path / "there" / "p")
    shutil.copytree(tmp_path / "here" / "f", tmp_path / "there" / "p")
    return tmp_path


def test_songs_that_are_apart(songs):
    here = load("folders", songs / "here")
    there = load("folders", songs / "there", songs=["k"])
    check_disjoint({"paired": here, "unpaired mixtures": there, "test": []}, strict=True)
    check_disjoint(
        {"paired": here, "unpaired mixtures": here, "unpaired drums": here, "test": there}
    )


@pytest.mark.parametrize("role", ["paired", "unpaired mixtures", "unpaired drums", "valid"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_song_in_two_roles_is_named(songs, role, turned):
    here, there = (load("folders", songs / name) for name in ("here", "there"))
    roles = {role: here, "test": there}
    if turned:
        roles = dict(reversed(roles.items()))
    first, second = ("p", "f") if turned else ("f", "p")
    one, two = roles
    told = rf"song '{first}' is both in {one} and in {two} \(there called '{second}'\); take it out"
    with pytest.raises(ValueError, match=told):
        check_disjoint(roles)


def test_training_roles_share_songs_unless_asked(songs):
    here = load("folders", songs / "here")
    roles = {"paired": here, "unpaired mixtures": here[:1]}
    check_disjoint(roles)
    with pytest.raises(
        ValueError, match="song 'a' is both in paired and in unpaired mixtures; take"
    ):
        check_disjoint(roles, strict=True)
    check_disjoint({"unpaired mixtures": here, "unpaired drums": here}, strict=True)


def test_a_song_is_known_as_its_own_recordings(songs):
    test = load("folders", songs / "here", songs=["f"])
    for stem, file in ((None, "mixture"), ("drums", "drums")):
        audio_file = songs / f"renamed {file}.wav"
        shutil.copy(songs / "there" / "p" / f"{file}.wav", audio_file)
        with pytest.raises(ValueError, match=f"song 'renamed {file}' is both in unpaired"):
            check_disjoint({"unpaired": load("recordings", audio_file, stem=stem), "test": test})


def test_a_song_is_known_in_caches_of_other_rates_and_roots(songs):
    for folder, rate in (("here", 16000), ("there", 8000)):
        prepare("folders", songs / folder, songs / f"{folder} cache", rates=[rate])
    here, there = (load("cache", songs / f"{name} cache") for name in ("here", "there"))
    raw = load("folders", songs / "there")
    for other in (there, raw):
        with pytest.raises(ValueError, match="song 'f' is both in paired and in test"):
            check_disjoint({"paired": here, "test": other})
        check_disjoint({"paired": here, "test": [t for t in other if t.name == "k"]})
    assert here[0].identities and here[0].fingerprint() in identities(here[0])


def test_a_song_is_known_by_its_variants(songs):
    here = load("folders", songs / "here", songs=["f"])
    there = load("folders", songs / "there", test=["p"])
    with pytest.raises(ValueError, match=r"song 'f \(variant 1\)' is both in paired and in test"):
        check_disjoint({"paired": prepare_variants(here, 1), "test": there})


def test_one_composition_is_one_song(tmp_path, monkeypatch):
    first, second = Notes("a", "c0ffee", 1), Notes("b", "c0ffee", 2)
    check_disjoint({"paired": [first], "test": [Notes("c", "decaf", 1)]})
    with pytest.raises(ValueError, match="song 'a' is both in paired and in test"):
        check_disjoint({"paired": [first], "test": [second]})
    tracks = {"one": [first], "two": [second, Notes("c", "decaf", 1)]}
    monkeypatch.setattr(caches, "load_readable", lambda name, root, split: (tracks[root], []))
    for name in tracks:
        prepare("band", name, tmp_path / name, rates=[8000])
    one, two = (load("cache", tmp_path / name) for name in tracks)
    assert [track.composition for track in two] == ["c0ffee", "decaf"]
    with pytest.raises(ValueError, match="song 'a' is both in paired and in test"):
        check_disjoint({"paired": one, "test": two})
    check_disjoint({"paired": one, "test": two[1:]})


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_silent_files_do_not_make_songs_the_same(tmp_path, make_song, suffix):
    for name in "ab":
        made = make_song(tmp_path / name / "song", ("drums", "vocals"), samples=44100)
        sound = made["drums"] * np.float32(0.5 + 0.1 * (name == "b"))
        audio.write(tmp_path / name / "song" / "drums.wav", sound, 44100)
        os.remove(tmp_path / name / "song" / "vocals.wav")
        silence = np.zeros((44100, 2), np.float32)
        audio.write(tmp_path / name / "song" / f"vocals{suffix}", silence, 44100)
    one, two = (load("folders", tmp_path / name) for name in "ab")
    check_disjoint({"paired": one, "test": two})


def test_real_songs_are_apart(shared):
    roles = {
        "paired": load("folders", shared / "audio" / "everythingisfree"),
        "unpaired mixtures": load("recordings", shared / "audio" / "songs_cc"),
        "drums": load("recordings", shared / "audio" / "drums_cc0", stem="drums"),
        "test": load("folders", shared / "audio" / "mdb9_mono"),
    }
    check_disjoint(roles, strict=True)


def named(count, split):
    return [Track(f"{split}{n:02d}", split, AudioShape(8000, 1, 400), ()) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (50, [1, 1, 1], (16, 16, 18)),
        (252, [1, 1, 1], (84, 84, 84)),
        (122, [1, 1, 1], (40, 40, 42)),
        (10, [0.8, 0.2, 0], (8, 2, 0)),
        (3, [0, 1, 0], (0, 3, 0)),
        (0, [1, 1, 1], (0, 0, 0)),
    ],
)
def test_songs_are_dealt_in_their_order(count, shares, expected):
    tracks = named(count, "train")
    found = split_by_shares(tracks, {"all": shares})
    assert list(found) == [track.name for track in tracks]
    splits = ["train"] * expected[0] + ["valid"] * expected[1] + ["test"] * expected[2]
    assert list(found.values()) == splits


def test_songs_of_one_split_are_dealt_and_the_others_stay():
    tracks = [*named(50, "train"), *named(50, "test")]
    found = split_by_shares(tracks, {"test": [0, 1, 1]})
    assert [found[f"train{n:02d}"] for n in (0, 49)] == ["train", "train"]
    assert [found[f"test{n:02d}"] for n in (0, 24, 25, 49)] == ["valid", "valid", "test", "test"]
    assert split_by_shares(tracks, {}) == {track.name: track.split for track in tracks}


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"half": [1, 1, 1]}, "'half': expected all, or some of train, valid, test"),
        ({"all": [1, 1, 1], "test": [0, 1, 1]}, "'all': expected all, or some of"),
        ({"all": [1, 1]}, "expected shares of train, valid and test, such as"),
        ({"all": [0, 0, 0]}, "expected shares"),
        ({"all": [1, -1, 1]}, "expected shares"),
        ({"all": "111"}, "expected shares"),
        ({"all": [float("nan"), 1, 1]}, "expected shares"),
    ],
)
def test_shares_that_cannot_be(shares, message):
    with pytest.raises(ValueError, match=message) as raised:
        split_by_shares(named(3, "train"), shares)
    assert "\n" not in str(raised.value)
