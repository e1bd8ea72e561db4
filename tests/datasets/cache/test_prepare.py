"""Preparing: resumed after a kill, repeated, extended; songs that cannot be read."""

import functools
import os
import resource
import signal
import time

import numpy as np
import pytest
import soundfile

from common.parallel import each
from datasets import audio, load
from tests.commands import begin
from tests.datasets.caches import prepare

command = functools.partial(begin, "datasets")


def finish(process):
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


@pytest.fixture(scope="module")
def songs(tmp_path_factory, make_song):
    root = tmp_path_factory.mktemp("songs")
    for name in "abcdef":
        make_song(root / name, samples=200_000)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory, songs, tree):
    """The cache of an uninterrupted run, as checksums."""
    out = tmp_path_factory.mktemp("whole")
    prepare("folders", songs, out)
    return tree(out)


def test_killed_twice_and_started_again(tmp_path, songs, whole, tree):
    out = tmp_path / "cache"
    arguments = ["prepare", "folders", songs, "--out", out, "--workers", 2]
    for kill in range(2):
        process = command(*arguments, start_new_session=True)
        while process.poll() is None:  # until another song is done and the next is half-written
            done = len(list(out.glob("unfinished/*.json")))
            if done > kill and list(out.glob("*/.partial-*.npy")):
                break
            time.sleep(0.002)
        assert process.poll() is None, finish(process)
        process.kill()  # the parent alone: its workers have to notice
        process.communicate()
        assert not (out / "manifest.json").exists()
        with pytest.raises(ValueError, match="no finished cache"):
            load("cache", out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy") if path.name[0] != "."}
    code, _, error = finish(command(*arguments))
    assert (code, error) == (0, "")
    assert tree(out) == whole
    kept = [path for path, changed in before.items() if path.stat().st_mtime_ns == changed]
    assert len(kept) >= 2  # it went on, and did not start from the beginning


def test_any_number_of_workers_writes_the_same(tmp_path, songs, whole, tree):
    prepare("folders", songs, tmp_path, workers=2)
    assert tree(tmp_path) == whole


def test_repeated_it_does_nothing(tmp_path, songs, whole, tree):
    prepare("folders", songs, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    prepare("folders", songs, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == before
    prepare("folders", songs, tmp_path, test=["b"])  # the split is not audio
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == before
    assert [track.name for track in load("cache", tmp_path, "test")] == ["b"]


def test_rates_and_songs_are_added(tmp_path, songs, whole, tree):
    prepare("folders", songs, tmp_path, rates=[44100], songs=["a", "b"])
    prepare("folders", songs, tmp_path, rates=[32000])
    assert tree(tmp_path) == whole


def test_songs_not_asked_for_are_not_removed_unasked(tmp_path, songs, tree):
    prepare("folders", songs, tmp_path / "two", rates=[8000], songs=["a", "b"])
    before = tree(tmp_path / "two")
    with pytest.raises(ValueError, match=r"holds 1 songs .* such as 'b'; .*--prune"):
        prepare("folders", songs, tmp_path / "two", rates=[8000], songs=["a"])
    assert tree(tmp_path / "two") == before
    prepare("folders", songs, tmp_path / "two", rates=[8000], songs=["a"], prune=True)
    prepare("folders", songs, tmp_path / "one", rates=[8000], songs=["a"])
    assert tree(tmp_path / "two") == tree(tmp_path / "one")


def test_a_cache_of_something_else(tmp_path, songs):
    prepare("folders", songs, tmp_path, rates=[8000], songs=["a"])
    with pytest.raises(ValueError, match="holds a cache of folders, not of band"):
        prepare("band", None, tmp_path, rates=[8000], songs=1, seconds=1.0)


def test_changed_songs_are_decoded_again(tmp_path, make_song, tree):
    root, out = tmp_path / "songs", tmp_path / "cache"
    for name in "ab":
        make_song(root / name, samples=5000)
    prepare("folders", root, out, rates=[44100])
    before = tree(out)
    changed = -audio.read(root / "a" / "drums.wav")[0]
    audio.write(root / "a" / "drums.wav", changed, 44100)
    os.utime(root / "b" / "drums.wav")
    prepare("folders", root, out, rates=[44100])
    after = tree(out)
    differing = {path.split("-")[0] for path in after if after[path] != before[path]}
    assert differing == {"44100/a", "manifest.json"}
    assert np.array_equal(load("cache", out)[0].read("drums"), changed)


def test_only_one_run_at_a_time(tmp_path, songs):
    import fcntl

    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another run is preparing this cache"):
            prepare("folders", songs, tmp_path)
    finally:
        os.close(handle)
    assert list(tmp_path.iterdir()) == []


class TestBrokenSongs:
    @pytest.fixture
    def root(self, tmp_path, make_song, make_audio):
        """Three good songs, one that does not open, two that break off when they are decoded."""
        root = tmp_path / "songs"
        for name in ("good", "fine", "great", "odd", "cut", "nan"):
            make_song(root / name, suffix=".flac", samples=60_000)
        (root / "odd" / "bass.flac").write_bytes(b"?" * 1000)
        cut = root / "cut" / "vocals.flac"
        cut.write_bytes(cut.read_bytes()[:20_000])
        (root / "nan" / "drums.flac").unlink()
        data = make_audio(60_000)
        data[33_333] = np.nan
        soundfile.write(root / "nan" / "drums.wav", data, 44100, subtype="FLOAT")
        return root

    @pytest.mark.parametrize("workers", [1, 2])
    def test_all_are_named_and_nothing_half_stays(self, tmp_path, root, workers, tree):
        out, lines = tmp_path / "cache", []
        with pytest.raises(ValueError, match=r"^3 songs cannot be read, the first: "):
            prepare("folders", root, out, workers=workers, report=lines.append)
        assert len(lines) == 3
        for song, message in (
            ("odd", "bass.flac: not audio"),
            ("cut", "vocals.flac: damaged or truncated"),
            ("nan", "drums.wav: sample 33333 (0.756 s) is not a finite number"),
        ):
            assert any(f"{song}/{message}" in line for line in lines)
        names = set(tree(out))
        assert not any("partial" in name for name in names)
        assert {name.split("/")[1].split("-")[0] for name in names} == {"good", "fine", "great"}

        manifest = prepare("folders", root, out, workers=workers, skip_broken=True)
        assert manifest["skipped"] == sorted(lines)
        assert [track.name for track in load("cache", out)] == ["fine", "good", "great"]

    def test_repaired_it_goes_on(self, tmp_path, root, make_song, tree):
        with pytest.raises(ValueError, match="3 songs cannot be read"):
            prepare("folders", root, tmp_path / "cache")
        for song in ("odd", "cut", "nan"):
            for file in (root / song).iterdir():
                file.unlink()
            make_song(root / song, suffix=".flac", samples=60_000)
        prepare("folders", root, tmp_path / "cache")
        prepare("folders", root, tmp_path / "fresh")
        assert tree(tmp_path / "cache") == tree(tmp_path / "fresh")


@pytest.mark.parametrize("workers", [1, 2])
def test_full_disk_in_the_middle(tmp_path, songs, whole, tree, workers):
    """A limit on file sizes stands in for it."""
    out = tmp_path / "cache"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    arguments = ["prepare", "folders", songs, "--out", out, "--workers", workers]
    code, _, error = finish(command(*arguments, preexec_fn=limit))
    assert code == 1 and error.count("\n") == 1
    assert error.startswith("error: ") and ".npy: File too large" in error and str(out) in error
    assert tree(out) == {}
    assert finish(command(*arguments))[0] == 0
    assert tree(out) == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, make_song, tree, number):
    root, out = tmp_path / "songs", tmp_path / "cache"
    for name in "abcd":  # long enough to be caught in the middle on any machine
        make_song(root / name, ["drums"], samples=3_000_000)
    arguments = ["prepare", "folders", root, "--out", out, "--workers", 2]
    # Whoever runs the tests in the background may have them ignore Ctrl-C.
    listening = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = command(*arguments, start_new_session=True, preexec_fn=listening)
    while process.poll() is None and not list(out.glob("*/.partial-*.npy")):
        time.sleep(0.002)
    if number == signal.SIGINT:  # from a terminal; SIGTERM reaches one process
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    code, _, error = finish(process)
    expected = {signal.SIGINT: (130, "interrupted\n"), signal.SIGTERM: (143, "terminated\n")}
    assert (code, error) == expected[number]
    assert not any("partial" in name for name in tree(out))
    assert finish(command(*arguments))[0] == 0
    prepare("folders", root, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


def _end(number):
    if number == 3:
        os._exit(9)
    return number


def test_a_worker_that_dies_is_said():
    with pytest.raises(OSError, match="a worker process was killed"):
        list(each(_end, [(n,) for n in range(6)], 2))


def test_a_cluster_makes_the_same_cache_though_a_worker_is_killed(
    tmp_path, songs, whole, tree, dask
):
    address, _ = dask.scheduler()
    workers = [dask.worker(address, cwd=tmp_path) for _ in range(3)]
    out = tmp_path / "cache"
    process = command("prepare", "folders", songs, "--out", out, "--cluster", address)
    while process.poll() is None and not list(out.glob("*/.partial-*.npy")):
        time.sleep(0.002)
    workers[0].kill()
    code, text, error = finish(process)
    assert (code, error) == (0, "") and "6 songs" in text
    assert tree(out) == whole
    code, text, _ = finish(command("prepare", "folders", songs, "--out", out, "--cluster", address))
    assert code == 0 and tree(out) == whole
