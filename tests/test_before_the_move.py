"""What was made before the folders were put in order is read as it was then.

tests/fixtures/before_the_move.tar.xz holds a run of both training phases and its prepared songs,
made at commit 5e81f2c by `python -m dssgan.train with small.yaml` (in the archive), and in
expected.npz what that commit then made of them: estimates of the exported separator, and the
separator's weights after `with resume=runs/small adversarial.epochs=2`.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "tests" / "fixtures" / "before_the_move.tar.xz"


@pytest.fixture
def before(tmp_path):
    """The folder of the run and its songs."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def run(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_an_exported_separator_gives_the_same_estimates(before):
    from dssgan.separator import Separator

    separator = Separator.load(before / "runs/small/separator", segment=1.0)
    with np.load(before / "expected.npz") as expected:
        estimates = separator.separate(expected["audio"], 8000)
        for source in ("drums", "accompaniment"):
            wanted = expected[f"estimate_{source}"]
            assert np.abs(estimates[source] - wanted).max() < 1e-6


@pytest.mark.slow
def test_a_run_goes_on_with_its_checkpoints_and_prepared_songs(before):
    folder = before / "runs" / "small"
    songs = {path: path.stat().st_mtime_ns for path in (before / "songs").rglob("*.npy")}
    output = run(before, "dssgan.train", "with", "resume=runs/small", "adversarial.epochs=2")
    assert "adversarial: going on at step 13" in output
    assert songs == {path: path.stat().st_mtime_ns for path in (before / "songs").rglob("*.npy")}
    with (
        np.load(before / "expected.npz") as expected,
        np.load(folder / "checkpoints" / "adversarial" / "last.npz") as found,
    ):
        names = [name for name in expected.files if name.startswith("resumed_")]
        assert len(names) > 10
        for name in names:
            array = found[name.removeprefix("resumed_").replace("model_", "model/")]
            np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_run_is_compared_and_listed(before):
    output = run(before, "experiments.compare", "runs/small", "--out", "side_by_side")
    assert "small" in output and (before / "side_by_side" / "report.html").exists()
    listed = run(before, "experiments.leaderboard", "runs")
    assert "small" in listed
