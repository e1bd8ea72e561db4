"""Kills, bad inputs, full disks: `python -m experiments.benchmarks.robustness` in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITERS = "prepare,separate,score"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "trials"),
    [
        (("kills", "--kills", "3", "--commands", "train"), 4),
        (("kills", "disk", "twice", "--kills", "3", "--commands", WRITERS), 30),
        (("kills", "--kills", "1", "--commands", "sweep"), 2),
        (("inputs", "--inputs", "120", "--seed", "2"), 120),
    ],
)
def test_nothing_is_torn_lost_or_left(tmp_path, words, trials):
    counts = tmp_path / "counts.json"
    done = subprocess.run(
        [sys.executable, "-m", "experiments.benchmarks.robustness", *words, "--json", counts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert counts.exists(), done.stderr[-3000:]
    found = json.loads(counts.read_text())
    assert found.pop("remarks") == []
    assert sum(row["trials"] for row in found.values()) == trials
    assert done.returncode == 0, done.stdout
