"""Arms of an ablation in processes of this machine, and on real workers of a Dask scheduler."""

import os
import signal
import sys
import threading

import pytest

from common import cli
from experiments.ablation import __main__ as command
from experiments.ablation.arms import Arm, all_arms
from experiments.ablation.running import run_all
from experiments.sweep.workers import Processes, workers
from tests.experiments.sweeping import parent, wait_for

TRAIN = """
import fcntl, os, pathlib, re, signal, sys, time

text = pathlib.Path(sys.argv[2]).read_text()
key = lambda name: re.search(rf"^ *{name}: (\\S+)$", text, re.MULTILINE)[1]
folder = pathlib.Path(key("folder")) / key("name")
init = re.search(r"init: (/\\S+)", text)
assert init is None or os.path.isdir(init[1]), init[1]
lock = os.open(folder, os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)  # as a training run does: nobody goes on while it saves
begun = time.monotonic_ns()
done = int((folder / "done").read_text()) if (folder / "done").exists() else 0
with open(folder / "starts", "a") as file:
    file.write(f"{os.getpid()} {done}\\n")
if "nonsense" in text:
    print("error: phases='nonsense'")
    sys.exit(1)
ask = []
signal.signal(signal.SIGTERM, lambda *_: ask.append(1))
while done < 10:
    time.sleep(0.05)
    done += 1
    (folder / "new").write_text(str(done))
    (folder / "new").replace(folder / "done")
    if ask:
        sys.exit(143)
(folder / "separator").mkdir()
(folder / "scores").mkdir()
(folder / "when").write_text(f"{begun} {time.monotonic_ns()}")
(folder / "scores" / "summary.json").write_text("{}")
"""


@pytest.fixture
def train(tmp_path):
    """The command of a program that is done after half a second of work."""
    (tmp_path / "train.py").write_text(TRAIN)
    return sys.executable, "-I", str(tmp_path / "train.py")


@pytest.fixture
def plan(tmp_path):
    """Three arms, one of which starts from another."""
    return {
        "folder": str(tmp_path / "runs"),
        "base": {},
        "seeds": [1],
        "arms": {
            "first": {"title": "first"},
            "second": {
                "title": "second",
                "keys": {
                    "phases": ["self_training", "test"],
                    "self_training": {"init": "{first}"},
                },
            },
            "alone": {"title": "alone"},
        },
    }


def starts(folder):
    """[(process, steps that were done)] of a run's starts."""
    path = folder / "starts"
    lines = path.read_text().splitlines() if path.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def when(arm, seed):
    """Begin and end of a run."""
    return tuple(map(int, (arm.folder(seed) / "when").read_text().split()))


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_arm_waits_for_the_separator_it_starts_from(plan, train, jobs):
    arms = all_arms(plan)
    tasks = [(arm, seed) for arm in arms.values() for seed in (1, 2)]
    assert run_all(tasks, Processes(jobs), train, 0.02) == []
    times = {(arm.name, seed): when(arm, seed) for arm, seed in tasks}
    for seed in (1, 2):
        assert times["second", seed][0] > times["first", seed][1]
    points = [start for start, _ in times.values()]
    at_once = max(sum(a <= point < b for a, b in times.values()) for point in points)
    assert at_once == jobs


def test_a_failing_arm_is_reported_and_the_others_go_on(plan, train, capsys):
    broken = Arm(plan, "broken", "broken on purpose", {"phases": ["nonsense"]})
    tasks = [(broken, 1), (all_arms(plan)["alone"], 1)]
    assert run_all(tasks, Processes(1), train, 0.02) == ["broken-1"]
    assert "broken-1: failed: error: phases='nonsense'" in capsys.readouterr().out
    assert all_arms(plan)["alone"].summary(1).exists()


def test_an_interrupted_run_is_saved_and_goes_on(plan, train, capsys):
    arm = all_arms(plan)["alone"]
    folder = arm.folder(1)

    def interrupt():
        wait_for(lambda: starts(folder) and (folder / "done").exists())
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_all([(arm, 1)], Processes(1), train, 0.02)
    thread.join()
    assert "saving 1 run; the same command goes on later" in capsys.readouterr().err
    assert run_all([(arm, 1)], Processes(1), train, 0.02) == []
    (_, first), (_, second) = starts(folder)
    assert first == 0 < second


def test_the_run_of_a_killed_worker_goes_on_with_another(plan, train, dask, capsys):
    address, _ = dask.scheduler()
    processes = {process.pid: process for process in (dask.worker(address) for _ in range(3))}
    arms = all_arms(plan)
    folder = arms["first"].folder(1)

    def kill():
        pid = wait_for(lambda: (folder / "done").exists() and starts(folder))[0][0]
        guard = parent(pid)
        processes[parent(guard)].kill()

    thread = threading.Thread(target=kill)
    thread.start()
    found = workers(address, None, None, 3)
    try:
        assert run_all([(arm, 1) for arm in arms.values()], found, train, 0.02) == []
    finally:
        thread.join()
        found.close()
    assert all(arm.summary(1).exists() for arm in arms.values())
    (_, begun), *later = starts(folder)
    assert begun == 0 and later and later[-1][1] > 0  # no update is lost that was saved
    assert when(arms["second"], 1)[0] > when(arms["first"], 1)[1]


def test_options_that_contradict_each_other(tmp_path, capsys):
    for options, message in (
        (["--cluster", "here"], "--cluster here: expected tcp://HOST:PORT or slurm, pbs, sge"),
        (["--resources", "a.yaml"], "only with --cluster slurm, pbs, sge"),
    ):
        with pytest.raises(cli.UsageError, match=message):
            command.parse(["run", *options])
    with pytest.raises(SystemExit):
        command.parse(["run", "--jobs", "0"])
    assert "--jobs 0: expected at least 1" in capsys.readouterr().err


def test_a_scheduler_that_is_not_there_is_one_line(plan, monkeypatch):
    monkeypatch.setattr("common.dask_cluster.PATIENCE", 1.0)
    options = command.parse(["run", "--cluster", "tcp://127.0.0.1:1"])
    with pytest.raises(OSError, match="no Dask scheduler answers there"):
        command.trained([(all_arms(plan)["alone"], 1)], options)


def test_sections_instead_of_those_of_the_base(plan):
    plan["base"] = {"model": {"name": "bandsplit", "split": [1]}, "loss": {"name": "bandsplit"}}
    plan["arms"]["other"] = {
        "title": "another system",
        "instead": {"model": {"name": "scnet"}},
        "keys": {"model": {"paths": 2}},
    }
    found = {name: arm.configuration(1) for name, arm in all_arms(plan).items()}
    assert found["other"]["model"] == {"name": "scnet", "paths": 2}
    assert found["other"]["loss"] == found["alone"]["loss"] == {"name": "bandsplit"}
    assert found["alone"]["model"] == plan["base"]["model"]
    before = plan["arms"]["other"].pop("instead")
    changed = all_arms(plan)["other"].fingerprint(1)
    plan["arms"]["other"]["instead"] = before
    assert all_arms(plan)["other"].fingerprint(1) != changed
