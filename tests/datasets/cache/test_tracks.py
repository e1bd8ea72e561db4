"""Prepared caches: what is in them, reading them, finding damage."""

import errno
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import audio, load
from datasets.cache import tracks as cache_tracks
from datasets.cache.manifest import faults
from datasets.song_files.levels import Meter
from datasets.sources import read_sources
from tests.datasets.caches import prepare

STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="module")
def songs(tmp_path_factory, make_song, make_audio):
    """A folder of four odd songs."""
    root = tmp_path_factory.mktemp("songs")
    make_song(root / "a", mixture=True, samples=12_345, bits="32f")
    make_song(root / "b", ("drums", "other"), samples=10_001, channels=1)
    make_song(root / "c", samples=7000, rate=48000, suffix=".flac")
    audio.write(root / "c" / "bass.flac", np.zeros((7000, 2)), 48000)
    loud = np.clip(make_audio(7000, level=9.0), -1, 1)
    audio.write(root / "c" / "drums.flac", loud, 48000)
    make_song(root / "d", samples=1)
    return root


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, songs):
    out = tmp_path_factory.mktemp("cache") / "made"
    manifest = prepare("folders", songs, out, rates=(44100, 16000), test=["c"])
    return out, manifest


def test_cache_holds_the_songs(songs, prepared):
    originals = {track.name: track for track in load("folders", songs, test=["c"])}
    for rate in (44100, 16000):
        tracks = load("cache", prepared[0], sample_rate=rate)
        assert [(t.name, t.split) for t in tracks] == [
            ("a", "train"), ("b", "train"), ("d", "train"), ("c", "test"),
        ]  # fmt: skip
        for track in tracks:
            original = originals[track.name]
            assert (track.stems, track.missing) == (original.stems, original.missing)
            assert (track.channels, track.sample_rate) == (original.channels, rate)
            assert track.own_mixture == original.own_mixture == (track.name == "a")
            for stem in ("mixture", *STEMS):
                expected = audio.resample(original.read(stem), original.sample_rate, rate)
                assert np.allclose(track.read(stem), expected, atol=1e-6)
            if original.sample_rate == rate:
                assert np.array_equal(read_sources(track, STEMS), read_sources(original, STEMS))


def test_songs_can_be_chosen_and_moved(prepared):
    tracks = load("cache", prepared[0], songs=["a", "b", "c"], valid=["c"], test=["a"])
    assert [(t.name, t.split) for t in tracks] == [("b", "train"), ("c", "valid"), ("a", "test")]
    with pytest.raises(ValueError, match="there is no song 'aa'; did you mean 'a'"):
        load("cache", prepared[0], test=["aa"])


def test_highest_rate_is_the_default_and_others_are_said(prepared):
    assert load("cache", prepared[0])[0].sample_rate == 44100
    with pytest.raises(ValueError, match=r"holds 44100, 16000 Hz, not 32000; .*--rates 32000"):
        load("cache", prepared[0], sample_rate=32000)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_excerpts(prepared, data):
    track = data.draw(st.sampled_from(load("cache", prepared[0])))
    mapped = np.load(track.path, mmap_mode="r")
    rows = (["mixture"] if track.own_mixture else []) + list(track.stems)
    stem = data.draw(st.sampled_from(rows))
    start = data.draw(st.integers(0, track.samples))
    stop = data.draw(st.integers(start, track.samples))
    assert mapped.dtype == np.float32 and mapped.shape[1:] == (track.samples, track.channels)
    assert np.array_equal(track.read(stem, start, stop), mapped[rows.index(stem), start:stop])


def test_tracks_are_small_and_can_be_pickled(prepared):
    track = load("cache", prepared[0])[0]
    data = pickle.dumps(track)
    assert len(data) < 2000
    assert np.array_equal(pickle.loads(data).read("bass", 5, 50), track.read("bass", 5, 50))


def test_reading_in_pieces(prepared, monkeypatch):
    track = load("cache", prepared[0])[0]
    whole = track.read("vocals")
    monkeypatch.setattr(cache_tracks, "MOST_BYTES", 1000)
    assert np.array_equal(track.read("vocals"), whole)


def test_manifest_tells_levels_and_oddities(prepared, make_audio):
    songs = {song["name"]: song for song in prepared[1]["songs"]}
    assert songs["b"]["missing"] == ["bass", "vocals"]
    assert songs["b"]["warnings"] == ["bass is missing: silence", "vocals is missing: silence"]
    assert songs["c"]["levels"]["bass"] == {"rms_dbfs": None, "peak_dbfs": None}
    clipped, silent = songs["c"]["warnings"]
    assert clipped.startswith("drums is clipped: ") and silent == "bass is silent"
    drums = load("cache", prepared[0])[0].read("drums").astype(np.float64)
    level = songs["a"]["levels"]["drums"]
    assert level["rms_dbfs"] == pytest.approx(10 * np.log10(np.square(drums).mean()), abs=0.006)
    assert level["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(drums).max()), abs=0.006)
    assert songs["a"]["seconds"] == pytest.approx(12_345 / 44100, abs=1e-6)
    assert songs["c"]["original_rate"] == 48000
    assert prepared[1]["rates"] == [44100, 16000] and prepared[1]["skipped"] == []


def metered(samples, block=4):
    """What a meter finds in samples of one channel that come in blocks."""
    meter, samples = Meter(), np.array(samples, np.float32)[:, None]
    for start in range(0, len(samples), block):
        meter.add(samples[start : start + block])
    return meter.found()


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_a_meter_counts_runs_of_equal_samples_at_full_scale(block):
    assert metered([1.0, 0.5, 1.0, 1.0, 0.0, -1.0, 1.0, -1.0], block) == []
    top = 32767 / 32768
    assert metered([0, top, -1, top, -1, top, 0.3, 1, 0.3], block) == []  # loud, and not flat
    found = metered([0, top, top, top, 0.5, -1, -1, -1, -1, -1, top, top, 0], block)
    assert found == ["is clipped: 2 runs of 3 to 5 equal samples at full scale, 8 in all"]
    (ends,) = metered([0.2, 0.1, 1, 1, 1, 1], block)
    assert ends.startswith("is clipped: 1 runs of 4 to 4 equal samples")


@pytest.mark.parametrize("block", [2, 100])
def test_beyond_full_scale_nothing_is_clipped(block):
    """Floats above 1 were not held back, even where some lie at 1 exactly."""
    assert metered([0, 1, 1, 1, 1, 0, 1.2, 0], block) == []
    assert metered([0, 1.3, 1.4, 1.3, 1.5, -2, -2, -2], block) == []


def test_a_meter_keeps_channels_apart():
    meter = Meter()
    meter.add(np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.float32))
    assert meter.found() == []


def test_mixture_may_be_left_out(tmp_path, songs):
    manifest = prepare("folders", songs, tmp_path, rates=[44100], songs=["a"], mixture=False)
    assert manifest["songs"][0]["rows"] == list(STEMS)
    (track,) = load("cache", tmp_path)
    assert np.allclose(track.read(), read_sources(track, STEMS).sum(0), atol=1e-6)


def test_every_flipped_byte_is_found(tmp_path, prepared, rng):
    shutil.copytree(prepared[0], tmp_path / "c")
    assert faults(tmp_path / "c") == []
    files = sorted((tmp_path / "c").rglob("*.npy"))
    assert len(files) == 8
    for file in files:
        data = bytearray(file.read_bytes())
        place = int(rng.integers(len(data)))
        data[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
        (fault,) = faults(tmp_path / "c")
        assert str(file) in fault and "changed" in fault
        data[place] = prepared[0].joinpath(file.relative_to(tmp_path / "c")).read_bytes()[place]
        file.write_bytes(data)
    files[0].write_bytes(b"short")
    files[1].unlink()
    short, absent = sorted(faults(tmp_path / "c"), key=lambda line: "No such" in line)
    assert str(files[0]) in short and "5 bytes, expected" in short
    assert str(files[1]) in absent and "No such file" in absent


def test_changed_manifest_is_found(tmp_path, prepared, rng):
    shutil.copytree(prepared[0], tmp_path / "c")
    path = tmp_path / "c" / "manifest.json"
    whole = path.read_bytes()
    for place in [0, len(whole) - 1, *rng.integers(0, len(whole), 30)]:
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"manifest\.json: is not what was written"):
            faults(tmp_path / "c")
    path.write_bytes(whole)
    assert faults(tmp_path / "c") == []


def test_half_written_caches(tmp_path, prepared):
    shutil.copytree(prepared[0], tmp_path / "c")
    track = load("cache", tmp_path / "c")[0]
    with open(track.path, "r+b") as file:
        file.truncate(9999)
    with pytest.raises(ValueError, match="ends too early"):
        track.read("vocals")
    with pytest.raises(ValueError, match=r"\.npy: has 9999 bytes, expected") as raised:
        load("cache", tmp_path / "c")
    assert track.path in str(raised.value)
    os.unlink(track.path)
    with pytest.raises(ValueError, match=r"\.npy: is missing"):
        load("cache", tmp_path / "c")
    (tmp_path / "c" / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"no finished cache \(no manifest\.json\)"):
        load("cache", tmp_path / "c")


def test_band_and_stem_files_can_be_prepared(tmp_path, shared):
    manifest = prepare("band", None, tmp_path / "band", rates=[16000], songs=2, seconds=2.0)
    assert [song["split"] for song in manifest["songs"]] == ["train", "train", "valid", "test"]
    original = load("band", songs=2, seconds=2.0)[0]
    track = load("cache", tmp_path / "band")[0]
    expected = audio.resample(original.read("drums"), original.sample_rate, 16000)
    assert np.array_equal(track.read("drums"), expected)

    root = shared / "audio" / "stem_mp4"
    manifest = prepare("stems", root, tmp_path / "stems", rates=[44100])
    assert [song["rows"] for song in manifest["songs"]] == [["mixture", *STEMS]] * 2
    for original, track in zip(load("stems", root), load("cache", tmp_path / "stems")):
        for stem in ("mixture", *STEMS):
            assert np.array_equal(track.read(stem), original.read(stem))


def test_names_that_are_not_utf8(tmp_path, make_song):
    name = os.fsdecode(b"caf\xe9 / 1".replace(b"/", b"\xff"))
    make_song(tmp_path / "songs" / name)
    make_song(tmp_path / "songs" / ("long" * 50))
    prepare("folders", tmp_path / "songs", tmp_path / "cache", rates=[44100])
    tracks = load("cache", tmp_path / "cache")
    assert sorted(track.name for track in tracks) == sorted([name, "long" * 50])
    assert all(os.path.basename(track.path).isascii() for track in tracks)
    assert faults(tmp_path / "cache") == []


def test_too_small_a_disk_is_said_at_once(tmp_path, songs, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    with pytest.raises(OSError, match=r"needs 0\.0 GB") as raised:
        prepare("folders", songs, tmp_path / "c")
    assert raised.value.errno == errno.ENOSPC and raised.value.filename == str(tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


def test_manifest_has_no_machine_in_it(songs, prepared):
    text = (prepared[0] / "manifest.json").read_text()
    assert str(songs) not in text and str(prepared[0]) not in text
    assert json.loads(text)["dataset"] == "folders"
