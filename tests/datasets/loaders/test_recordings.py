"""Recordings below a folder: mixtures nobody has stems for, and solo recordings."""

import os
import warnings

import numpy as np
import pytest

from datasets import audio, load
from datasets.__main__ import main
from tests.datasets.caches import prepare


@pytest.fixture
def folder(tmp_path, make_audio):
    """Recordings of several kinds, rates and depths, with things beside them that are none."""
    root = tmp_path / "recordings"
    for name, samples, channels, rate in (
        ("song.wav", 3000, 2, 44100),
        ("kicks/one.flac", 1500, 1, 48000),
        ("kicks/deep/one.ogg", 2000, 2, 22050),
        ("kicks/deep/two.hq.mp3", 5000, 2, 44100),
    ):
        audio.write(root / name, make_audio(samples, channels, seed=samples), rate)
    (root / "README.md").write_text("words")
    (root / "kicks" / ".hidden.wav").write_bytes(b"left by an archiver")
    (root / ".trash").mkdir()
    (root / ".trash" / "old.wav").write_bytes(b"no audio")
    return root


NAMES = ["kicks/deep/one", "kicks/deep/two.hq", "kicks/one", "song"]


def test_without_a_stem_recordings_are_mixtures(folder):
    tracks = load("recordings", folder)
    assert [track.name for track in tracks] == NAMES
    assert {track.sample_rate for track in tracks} == {22050, 44100, 48000}
    for track in tracks:
        assert track.own_mixture and track.stems == () and track.missing == ()
        assert track.split == "train" and track.warnings == ()
    expected, _ = audio.read(folder / "song.wav")
    assert np.array_equal(tracks[-1].read(start=10), expected[10:])
    with pytest.raises(ValueError, match="no stem 'drums'"):
        tracks[-1].read("drums")


def test_with_a_stem_they_are_solo_recordings(folder):
    tracks = load("recordings", folder, stem="drums")
    assert [track.name for track in tracks] == NAMES
    for track in tracks:
        assert track.stems == ("drums",) and not track.own_mixture and track.missing == ()
    expected, _ = audio.read(folder / "kicks" / "one.flac")
    assert np.array_equal(tracks[2].read("drums"), expected)
    assert np.array_equal(tracks[2].read("mixture"), expected)


def test_splits_and_choices(folder, make_audio):
    tracks = load("recordings", folder, songs=["song", "kicks/one"], test=["song"])
    assert [(track.name, track.split) for track in tracks] == [
        ("kicks/one", "train"), ("song", "test"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="there is no song 'kick/one'; did you mean 'kicks/one'"):
        load("recordings", folder, songs=["kick/one"])
    for split in ("train", "test"):
        audio.write(folder / split / "a" / f"{split}.wav", make_audio(100), 44100)
    tracks = load("recordings", folder)  # what lies beside split folders belongs to none
    assert [(track.name, track.split) for track in tracks] == [
        ("a/train", "train"), ("a/test", "test"),
    ]  # fmt: skip
    assert [track.name for track in load("recordings", folder, "test")] == ["a/test"]


def test_two_files_of_one_name_keep_their_suffixes(folder, make_audio):
    audio.write(folder / "song.flac", make_audio(100), 44100)
    names = [track.name for track in load("recordings", folder)]
    assert names == [*NAMES[:3], "song.flac", "song.wav"]


def test_one_file(folder):
    (track,) = load("recordings", folder / "kicks" / "one.flac", stem="drums")
    assert (track.name, track.stems, track.samples) == ("one", ("drums",), 1500)


def test_links_are_followed_once(folder):
    os.symlink(folder, folder / "kicks" / "up")
    assert [track.name for track in load("recordings", folder)] == NAMES


def test_files_that_cannot_be_read_are_left_out(folder):
    (folder / "empty.wav").write_bytes(b"")
    (folder / "words.ogg").write_text("no audio at all")
    audio.write(folder / "nothing.wav", np.zeros((0, 1), np.float32), 44100)
    with pytest.warns(UserWarning, match="left out, it cannot be read") as told:
        tracks = load("recordings", folder)
    assert [track.name for track in tracks] == NAMES
    assert len(told) == 3
    broken = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load("recordings", folder, broken=broken)) == 4
    assert sorted(os.path.basename(line.split(": ")[0]) for line in broken)[0] == "empty.wav"
    assert len(broken) == 3 and not any("\n" in line for line in broken)


def test_folders_without_recordings(folder, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="no recordings; expected audio files"):
        load("recordings", tmp_path / "none")
    (tmp_path / "none" / "bad.wav").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"none of its 1 recordings can be read, the first: .*bad"):
        load("recordings", tmp_path / "none")
    with pytest.raises(ValueError, match="needs the path of its folder"):
        load("recordings")
    with pytest.raises(FileNotFoundError):
        load("recordings", tmp_path / "absent")
    for stem in ("mixture", "", " "):
        with pytest.raises(ValueError, match=f"stem='{stem}'"):
            load("recordings", folder, stem=stem)


@pytest.mark.parametrize("options", [{}, {"stem": "drums"}, {"mixture": False}])
def test_recordings_of_all_rates_become_a_cache_of_one(folder, tmp_path, options, capsys):
    audio.write(folder / "tick.wav", np.full((1, 1), 0.5, np.float32), 96000)
    out = tmp_path / "cache"
    manifest = prepare("recordings", folder, out, rates=[16000, 8000], **options)
    assert [song["original_rate"] for song in manifest["songs"]] == [
        22050,
        44100,
        48000,
        44100,
        96000,
    ]
    tracks = {track.name: track for track in load("cache", out)}
    assert {track.sample_rate for track in tracks.values()} == {16000}
    assert tracks["kicks/one"].samples == 500 and tracks["tick"].samples == 1
    stem = options.get("stem", "mixture")
    for name in NAMES:
        assert tracks[name].read(stem).any()
        assert tracks[name].own_mixture == (stem == "mixture")
        assert tracks[name].stems == (() if stem == "mixture" else ("drums",))
    original = load(
        "recordings", folder, songs=["song"], **{k: v for k, v in options.items() if k == "stem"}
    )[0]
    expected = audio.resample(original.read(stem), 44100, 16000)
    assert np.max(np.abs(tracks["song"].read(stem) - expected)) < 1e-3
    assert main(["check", str(out)]) == 0
    assert main(["list", str(out)]) == 0
    assert "5 songs" in capsys.readouterr().out
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    prepare("recordings", folder, out, rates=[16000], **options)  # nothing is left to do
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")} == files


def test_real_recordings(shared):
    songs = load("recordings", shared / "audio" / "songs_cc")
    assert len(songs) == 4 and all(track.own_mixture for track in songs)
    assert sum(track.duration for track in songs) == pytest.approx(230.4, abs=0.5)
    drums = load("recordings", shared / "audio" / "drums_cc0", stem="drums")
    assert len(drums) == 125 and {track.stems for track in drums} == {("drums",)}
    assert min(track.duration for track in drums) < 0.02
    assert {track.sample_rate for track in drums} == {44100, 48000, 96000, 192000}
    for track in (*songs, *drums[::20]):
        assert track.read(stop=1000).shape == (min(1000, track.samples), track.channels)
