"""Sweeps on a real Dask scheduler and worker processes on loopback, and on a queue of jobs."""

import os
import signal
import stat
import subprocess
import sys

import pytest
import yaml

from common import dask_cluster
from common.startup import without
from experiments.sweep import __main__ as sweep
from experiments.sweep.run_state import curve
from tests.experiments.sweeping import ROOT, TRAIN, parent, wait_for


@pytest.fixture
def recipe(tmp_path):
    """A configuration of eight epochs of a tenth of a second."""
    values = {
        "phases": ["supervised"],
        "supervised": {"epochs": 8},
        "optimiser": {"weight_decay": 0.0},
        "checkpoint": {"minutes": 0.1},
        "tracking": {"folder": str(tmp_path / "runs")},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def begin(*words):
    """A sweep in a process of its own."""
    code = (
        "import sys\nfrom common import cli\nfrom experiments.sweep import __main__ as sweep\n"
        "cli.run(lambda argv: sweep.main(argv, sys.argv[1:4], lambda config: None, 0.05), "
        "sys.argv[4:])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *TRAIN, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def starts(folder):
    """{point: [(guard, run, epochs that were done)] of its starts}."""
    return {
        path.parent.name: [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("*/starts"))
    }


def test_the_points_of_a_killed_worker_are_run_again(tmp_path, recipe, dask):
    address, _ = dask.scheduler()
    workers = {process.pid: process for process in (dask.worker(address) for _ in range(2))}
    folder = tmp_path / "runs" / "tiny_sweep"
    words = (recipe, "seed=1..4", "supervised.epochs=20", "checkpoint.minutes=0.15")
    with begin(*words, "--cluster", address) as process:

        def young():
            """Two points in training at once, by both workers, with most of it ahead."""
            runs = {name: len(curve(folder / name, "validation/si_sdr")) for name in starts(folder)}
            runs = {name: epochs for name, epochs in runs.items() if epochs < 20}
            return len(runs) == 2 and all(0 < epochs < 8 for epochs in runs.values()) and list(runs)

        point = wait_for(young)[0]
        workers[parent(starts(folder)[point][0][0])].send_signal(signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.count("finished") == 4
    found = starts(folder)
    assert sorted(found) == [f"seed-{seed}" for seed in range(1, 5)]
    # It was told to save when its worker died, and went on from there with the other worker.
    [first, second] = found.pop(point)
    pid, saved = map(int, (folder / point / "saved").read_text().split())
    assert (pid, saved) == (first[1], second[2]) and 0 < saved < 20
    assert all(len(told) == 1 for told in found.values())


def test_without_its_scheduler_a_sweep_ends_with_one_line(tmp_path, recipe, dask):
    address, process = dask.scheduler()
    dask.worker(address)
    folder = tmp_path / "runs" / "tiny_sweep"
    words = (recipe, "seed=1,2", "--cluster", address, "checkpoint.minutes=0.4")
    with begin(*words) as driver:
        wait_for(lambda: list(folder.glob("*/metrics.json")))
        process.kill()
        _, err = driver.communicate()
    assert driver.returncode == 1
    line = err.strip().splitlines()[-1]
    assert line.startswith(f"error: the scheduler at {address} is gone; what is done is done")


def test_a_sweep_that_is_stopped_lets_the_runs_of_its_cluster_save(tmp_path, recipe, dask):
    address, _ = dask.scheduler()
    dask.worker(address)
    folder = tmp_path / "runs" / "tiny_sweep"
    words = (recipe, "seed=1,2", "supervised.epochs=50", "checkpoint.minutes=0.2")
    with begin(*words, "--cluster", address) as driver:
        wait_for(lambda: list(folder.glob("*/metrics.json")))
        driver.send_signal(signal.SIGTERM)
        out, err = driver.communicate()
    assert (driver.returncode, err.strip().splitlines()[-1]) == (143, "terminated")
    assert "saving 1 points; the same command goes on later" in out
    [(name, told)] = starts(folder).items()
    assert (folder / name / "saved").read_text().split()[0] == str(told[0][1])


def test_a_scheduler_that_is_not_there_is_one_line(recipe, monkeypatch):
    monkeypatch.setattr(dask_cluster, "PATIENCE", 0.5)
    words = [str(recipe), "seed=1,2", "--cluster", "tcp://127.0.0.1:9"]
    with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        sweep.main(words, TRAIN, lambda config: None)


SBATCH = """#!{python}
import subprocess, sys
log = open("{log}", "ab")
script = open(sys.argv[-1]).read()  # as sbatch does: the file is gone when it has returned
job = subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log, start_new_session=True)
with open("{jobs}", "a") as file:
    file.write(str(job.pid) + "\\n")
print("Submitted batch job", job.pid)
"""


def test_a_queue_is_asked_for_jobs_of_the_told_size(tmp_path, recipe, monkeypatch):
    jobs, log = tmp_path / "jobs", tmp_path / "job.log"
    programs = {
        "sbatch": SBATCH.format(python=sys.executable, log=log, jobs=jobs),
        "scancel": "#!/bin/sh\nkill -- -$1\n",
    }
    for name, text in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    resources = tmp_path / "job.yaml"
    told = {"cores": 2, "memory": "1GB", "walltime": "00:10:00", "queue": "gpu", "interface": "lo"}
    resources.write_text(yaml.safe_dump(told))
    words = (recipe, "seed=1..2", "--cluster", "slurm", "--resources", resources, "--jobs", "1")
    with begin(*words) as driver:
        out, err = driver.communicate()
    assert driver.returncode == 0, err + log.read_text()
    assert out.count("finished") == 2
    assert len(jobs.read_text().split()) == 1
    found = starts(tmp_path / "runs" / "tiny_sweep")
    assert [len(told) for told in found.values()] == [1, 1]


def test_a_job_of_no_size_is_one_line(tmp_path, recipe):
    resources = tmp_path / "job.yaml"
    for told in ({"cores": 2}, {"cores": 2, "memory": "1GB", "colour": "red"}):
        resources.write_text(yaml.safe_dump(told))
        words = [recipe, "seed=1,2", "--cluster", "slurm", "--resources", resources]
        with pytest.raises(ValueError, match=r"--cluster slurm with .*job\.yaml: "):
            sweep.main(list(map(str, words)), TRAIN, lambda config: None)


@pytest.mark.parametrize(
    ("words", "library"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "distributed"),
        (["--cluster", "pbs"], "dask_jobqueue"),
        (["--optuna", "2"], "optuna"),
    ],
)
def test_a_library_that_is_missing_is_one_line(recipe, monkeypatch, words, library):
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    told = rf"needs {library}, which is not installed: pip install -r requirements-sweep\.txt"
    with without(library), pytest.raises(ValueError, match=told):
        key = "optimiser.weight_decay=0,1"
        sweep.main([str(recipe), key, *words], TRAIN, lambda config: None)
