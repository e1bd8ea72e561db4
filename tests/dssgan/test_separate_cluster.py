"""`python -m dssgan.separate --cluster` on a real Dask scheduler and workers on loopback."""

import subprocess
import sys

import numpy as np
import pytest

from datasets import audio
from tests.dask_programs import ROOT
from tests.dssgan.test_separate import listed, song


def separate(*words, cwd=ROOT):
    command = [sys.executable, "-m", "dssgan.separate", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def songs(tmp_path):
    """Five short songs and a file that is none, with a blank and an umlaut in names."""
    for number in range(5):
        song(tmp_path / "songs" / f"Söng {number}.wav", 30000, level=0.05 + 0.02 * number)
    (tmp_path / "songs" / "broken.wav").write_bytes(b"RIFF")
    return tmp_path / "songs"


def test_stems_are_those_of_this_machine(songs, tmp_path, dask):
    address, _ = dask.scheduler()
    workers = [dask.worker(address, cwd=tmp_path) for _ in range(2)]
    words = (songs, "--model", "drums", "--bits", "32f", "--two-stems", "drums")
    here = separate(*words, "-o", tmp_path / "here")
    there = separate(*words, "-o", tmp_path / "there", "--cluster", address)
    for run in (here, there):
        assert run.returncode == 1
        assert run.stderr.count("error: ") == 1 and "broken.wav" in run.stderr
        assert run.stdout.count("x real time") == 5 and "1 of 6 inputs failed" in run.stderr
    assert len(listed(tmp_path / "there")) == 10
    assert listed(tmp_path / "here") == listed(tmp_path / "there")
    for name in listed(tmp_path / "here"):
        ours, theirs = (audio.read(tmp_path / side / name)[0] for side in ("here", "there"))
        np.testing.assert_array_equal(ours, theirs)
    # What is done is not done again; a song that is missing is, also with one worker less.
    (tmp_path / "there" / "Söng 3" / "drums.wav").unlink()
    (songs / "broken.wav").unlink()
    workers[0].kill()
    again = separate(*words, "-o", tmp_path / "there", "--cluster", address, "--skip-existing")
    assert again.returncode == 0, again.stderr
    assert "skipped 4 songs whose stems are there" in again.stdout
    assert again.stdout.count("x real time") == 1


def test_misuse_is_one_line(songs, tmp_path):
    for words, message in (
        (("--cluster", "here"), "--cluster here: expected tcp://HOST:PORT or slurm, pbs, sge"),
        (("--resources", "r.yaml"), "--resources r.yaml: only with --cluster slurm, pbs, sge"),
    ):
        run = separate(songs, "-o", tmp_path / "out", *words)
        assert run.returncode == 2 and run.stderr.count("\n") == 1 and message in run.stderr
    run = separate("-", "-o", tmp_path / "out", "--cluster", "tcp://127.0.0.1:9")
    assert run.returncode == 2 and "workers have no pipe of this command" in run.stderr
    assert not (tmp_path / "out").exists()
