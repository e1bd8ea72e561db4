"""Songs scored by threads, processes and the workers of a Dask cluster."""

import functools
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import soundfile

from common import cli, dask_cluster
from evaluation import __main__ as command
from evaluation.scoring import executors
from tests import commands

STEMS = ("drums", "bass")


def write_songs(folder, rng, songs, samples=12000):
    """References and two separators' estimates of some songs at 8 kHz."""
    for song in songs:
        for stem in STEMS:
            audio = 0.1 * rng.standard_normal((samples, 2))
            for kind, gain in (("ref", 1.0), ("first", 0.9), ("second", 0.7)):
                path = folder / kind / song / f"{stem}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, gain * audio + 0.01 * (gain < 1), 8000)


def words(folder, *estimates):
    return [
        *("score", "--references", str(folder / "ref"), "--estimates"),
        *(str(folder / name) for name in estimates),
    ]


def run(*argv):
    with pytest.raises(SystemExit) as done:
        cli.run(command.main, [str(argument) for argument in argv])
    return done.value.code


def scores(folder):
    """{song: scores} of a folder, without what says when they were made."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("test/*.json"))}


@pytest.fixture
def songs(tmp_path, rng):
    write_songs(tmp_path, rng, ("One", "Two", "Three"))
    return tmp_path


def test_processes_score_as_this_one_does(songs, capsys):
    (songs / "second/Two/drums.wav").write_bytes(b"RIFF")
    estimates = words(songs, "first", "second")
    assert run(*estimates, "--out", songs / "alone") == 1
    assert run(*estimates, "--out", songs / "two", "--workers", "2") == 1
    for name, count in (("first", 3), ("second", 2)):
        expected = scores(songs / "alone" / name)
        assert len(expected) == count
        assert scores(songs / "two" / name) == expected
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 4
    assert err[0].startswith("error: second, Two: ")
    assert "drums.wav: cannot be read as audio" in err[0]
    assert err[1] == "1 of 3 songs failed"


def test_several_separators_score_as_each_alone(songs):
    assert run(*words(songs, "first", "second")) == 0
    together = {name: scores(songs / name / "scores") for name in ("first", "second")}
    for name in ("first", "second"):
        assert run(*words(songs, name), "--out", songs / "alone" / name) == 0
        alone = scores(songs / "alone" / name)
        for song, expected in alone.items():
            found = together[name][song]
            assert found["identity"] == expected["identity"]
            for target, same in zip(found["targets"], expected["targets"], strict=True):
                for frame, other in zip(target["frames"], same["frames"], strict=True):
                    assert frame["metrics"] == pytest.approx(other["metrics"], abs=2e-5)
    # Frames: 12000 samples at 8 kHz hold one whole second.
    assert len(found["targets"][0]["frames"]) == 1


def test_two_folders_of_one_name_are_misuse(songs, capsys):
    (songs / "other").mkdir()
    (songs / "first").rename(songs / "other/second")
    assert run(*words(songs, "second", "other/second"), "--out", songs / "out") == 2
    assert "a second folder of this name" in capsys.readouterr().err


def test_a_process_that_dies_is_one_line(songs):
    def break_down():
        raise BrokenProcessPool("terminated abruptly")

    pool_of_one = executors.Executors(ThreadPoolExecutor(1), 1)
    [(key, error)] = pool_of_one.results(iter([("song", break_down, ())]))
    assert key == "song"
    assert "a process that scores died" in str(error)


def test_errors_can_be_sent_between_processes():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    found = executors.portable(Odd("this", "that"))
    assert type(found) is ValueError and str(found) == "this and that"
    full = OSError(28, "No space left on device")
    assert executors.portable(full) is full


begin = functools.partial(commands.begin, "evaluation")


def test_a_cluster_scores_on_when_a_worker_is_killed(tmp_path, rng, dask):
    """Workers started elsewhere find the library; songs of the killed one go to the other."""
    write_songs(tmp_path, rng, [f"Song {number}" for number in range(8)], samples=80000)
    address, _ = dask.scheduler()
    first, second = (dask.worker(address, cwd=tmp_path) for _ in range(2))
    with begin(*words(tmp_path, "first"), "--cluster", address) as process:
        done = tmp_path / "first/scores/test"
        end = time.monotonic() + 60
        while not list(done.glob("*.json")):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGKILL)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert len(scores(tmp_path / "first/scores")) == 8
    assert second.poll() is None
    assert run(*words(tmp_path, "first"), "--out", tmp_path / "here") == 0
    here = scores(tmp_path / "here")
    for name, song in scores(tmp_path / "first/scores").items():
        np.testing.assert_allclose(
            [list(frame["metrics"].values()) for frame in song["targets"][0]["frames"]],
            [list(frame["metrics"].values()) for frame in here[name]["targets"][0]["frames"]],
            atol=2e-5,
        )


def test_a_cluster_that_is_not_there_is_one_line(songs, capsys, monkeypatch):
    monkeypatch.setattr(dask_cluster, "PATIENCE", 0.2)
    assert run(*words(songs, "first"), "--cluster", "tcp://127.0.0.1:9") == 1
    err = capsys.readouterr().err
    assert "no Dask scheduler answers there" in err
    assert len(err.splitlines()) == 1
    assert run(*words(songs, "first"), "--cluster", "cloud") == 2
    assert run(*words(songs, "first"), "--resources", "jobs.yaml") == 2
