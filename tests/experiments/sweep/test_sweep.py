"""Sweeps: every point is trained once, whatever fails, is killed, or is not worth it."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from common.cli import UsageError
from common.files import locked
from experiments.sweep import __main__ as sweep
from experiments.sweep import run_state
from tests.experiments.sweeping import ROOT, TRAIN, wait_for


@pytest.fixture
def recipe(tmp_path):
    """A configuration of three epochs of a few milliseconds."""
    values = {
        "phases": ["supervised"],
        "supervised": {"epochs": 3},
        "optimiser": {"weight_decay": 0.0},
        "checkpoint": {"minutes": 0.002},
        "tracking": {"folder": str(tmp_path / "runs")},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(*words, train=TRAIN):
    return sweep.main([str(word) for word in words], train, lambda config: None, poll=0.01)


def starts(tmp_path, name="tiny_sweep"):
    """{point: epochs that were done at each of its starts}."""
    return {
        path.parent.name: [int(line.split()[2]) for line in path.read_text().splitlines()]
        for path in sorted((tmp_path / "runs" / name).glob("*/starts"))
    }


def test_a_grid_trains_every_point_once_and_sorts_them(tmp_path, recipe, capsys):
    words = [
        recipe,
        "schedule.learning_rate=1e-4,1e-3",
        "optimiser.weight_decay=0,0.5",
        "seed=1..2",
    ]
    assert run(*words, "--jobs", "2") == 0
    found = starts(tmp_path)
    assert len(found) == 8 and all(told == [0] for told in found.values())
    assert "learning_rate-0.0001_weight_decay-0.5_seed-2" in found
    told = capsys.readouterr().out
    lines = told[told.index("validation/si_sdr in dB") :].splitlines()
    assert max(map(len, told.splitlines()[1:])) <= 80
    best, worst = lines[4].split(), lines[-1].split()
    assert best == ["learning_rate=0.001", "weight_decay=0", "2", "13.00", "0.00"]
    assert worst == ["learning_rate=0.0001", "weight_decay=0.5", "2", "11.50", "0.00"]
    folder = tmp_path / "runs" / "tiny_sweep"
    assert (folder / "heat_map.png").read_bytes().startswith(b"\x89PNG")
    points = json.loads((folder / "points.json").read_bytes())["points"]
    assert points["learning_rate-0.001_weight_decay-0.5_seed-1"]["value"] == 12.5

    assert run(*words, "--jobs", "2") == 0  # all is done
    assert starts(tmp_path) == found
    again = capsys.readouterr().out
    assert "\n".join(lines) in again

    assert run(*words[:-1], "seed=1..3") == 0  # a longer one trains what is new
    assert set(starts(tmp_path)) - set(found) == {
        name.replace("_seed-1", "_seed-3") for name in found if name.endswith("_seed-1")
    }
    assert all(told == [0] for told in starts(tmp_path).values())


def test_a_failing_point_is_reported_and_stops_no_other(tmp_path, recipe, capsys):
    assert run(recipe, "schedule.learning_rate=10,1e-3,1e-2") == 1
    told = capsys.readouterr()
    assert "failed             learning_rate-10" in told.out
    assert "error: schedule.learning_rate=10: the loss is no longer a number" in told.out
    assert told.out.count("finished") == 2
    assert (
        told.err == f"1 failed, such as {tmp_path}/runs/tiny_sweep/learning_rate-10 (its log.txt)\n"
    )
    assert run(recipe, "schedule.learning_rate=10,1e-3,1e-2") == 1  # it has another chance
    assert starts(tmp_path)["learning_rate-10"] == [0, 0]
    assert starts(tmp_path)["learning_rate-0.001"] == [0]


def test_a_run_that_is_killed_is_reported_with_its_signal(tmp_path, recipe, capsys):
    killed = tmp_path / "killed.py"
    killed.write_text("import os; print('reading songs', flush=True); os.kill(os.getpid(), 9)")
    assert run(recipe, "seed=1,2", train=(sys.executable, str(killed))) == 1
    assert "killed by signal 9; its last line: reading songs" in capsys.readouterr().out


def test_without_the_objective_a_point_has_failed(tmp_path, recipe, capsys):
    assert run(recipe, "seed=1,2", "phases=[supervised,test]", "--objective", "SDR/drms") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "there is no SDR/drms among its scores (validation/si_sdr)" in told


def test_points_below_the_median_are_ended_and_stay_so(tmp_path, recipe, capsys):
    words = [recipe, "schedule.learning_rate=1e-3,2e-3,5e-4,1e-7", "checkpoint.minutes=0.05"]
    words.append("supervised.epochs=12")
    assert run(*words, "--prune", "3") == 0
    told = capsys.readouterr().out
    assert "pruned             learning_rate-1e-07" in told
    assert "others 1" in told and "1 pruned" in told
    folder = tmp_path / "runs" / "tiny_sweep" / "learning_rate-1e-07"
    assert (folder / "saved").read_text().count("\n") == 1  # asked once, by SIGTERM
    saved = len(run_state.curve(folder, "validation/si_sdr"))
    assert 2 <= saved < 12

    assert run(*words, "--prune", "3") == 0
    assert starts(tmp_path)["learning_rate-1e-07"] == [0]
    assert run(*words) == 0  # without pruning it goes on where it was
    assert starts(tmp_path)["learning_rate-1e-07"] == [0, saved]
    assert json.loads((folder.parent / "points.json").read_bytes())["points"][folder.name] == {
        "keys": {"schedule.learning_rate": "1e-07"},
        "state": "finished",
        "value": 18.0,
    }


@pytest.mark.parametrize("how", ["--random", "--optuna"])
def test_drawn_and_proposed_points_are_trained_and_more_can_follow(tmp_path, recipe, capsys, how):
    words = [recipe, "schedule.learning_rate=1e-5..1e-1:log", "--jobs", "2"]
    assert run(*words, how, "4") == 0
    found = starts(tmp_path)
    assert len(found) == 4
    rates = [float(name.removeprefix("learning_rate-")) for name in found]
    assert 1e-5 <= min(rates) < max(rates) <= 1e-1
    assert run(*words, how, "6") == 0
    assert len(starts(tmp_path)) == 6 and found.items() <= starts(tmp_path).items()
    assert all(told == [0] for told in starts(tmp_path).values())
    points = json.loads((tmp_path / "runs" / "tiny_sweep" / "points.json").read_bytes())["points"]
    best = max(points, key=lambda name: points[name]["value"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-6].split()[0] == best.replace("-", "=", 1)
    assert not (tmp_path / "runs" / "tiny_sweep" / "heat_map.png").exists()


DRIVER = """
import sys
from common import cli
from experiments.sweep import __main__ as sweep
cli.run(lambda argv: sweep.main(argv, sys.argv[1:4], lambda config: None, 0.01), sys.argv[4:])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_ended_lets_its_runs_save_and_goes_on(tmp_path, recipe, number):
    words = [str(recipe), "seed=1,2", "supervised.epochs=30", "--jobs", "2"]
    slow = [*words, "checkpoint.minutes=0.2"]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *TRAIN, *slow], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        folder = tmp_path / "runs" / "tiny_sweep"
        wait_for(lambda: len(list(folder.glob("*/metrics.json"))) == 2)
        os.kill(process.pid, number)
        said = process.stderr.read()
    saved = {path.parent.name for path in wait_for(lambda: pair(folder.glob("*/saved")))}
    assert saved == {"seed-1", "seed-2"}
    if number == signal.SIGINT:
        assert (process.returncode, said) == (130, "interrupted\n")
    before = {name: len(run_state.curve(folder / name, "validation/si_sdr")) for name in saved}
    assert run(*words) == 0
    assert starts(tmp_path) == {name: [0, before[name]] for name in saved}


def pair(paths):
    found = [path for path in paths if path.read_text()]
    return found if len(found) == 2 else None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1,2", "alhpa=1"], "unknown key alhpa; did you mean alpha"),
        (["alhpa=1,2"], "unknown key alhpa; did you mean alpha"),
        (["seed=1,x"], "seed='x': expected a whole number"),
        (["optimiser.beta_1=0.5,1.5"], "optimiser.beta_1=1.5: expected 0.9999 or less"),
        (["alpha=0.1,0.2"], "alpha=0.1 weighs a loss of the adversarial phase"),
        (["seed=1,1"], "seed=1: named twice"),
        (["seed=1,2", "seed=3,4"], "seed is named twice"),
        (["seed=1,"], "a value is missing beside a comma"),
        (["seed=1"], "nothing to sweep"),
        (["schedule.learning_rate=1e-4..1e-2"], "--random N or --optuna N"),
        (["schedule.learning_rate=1e-2..1e-4", "--random", "3"], "expected LOW..HIGH"),
        (["schedule.learning_rate=0..1:log", "--random", "3"], "both above 0 with :log"),
        (["alpha=0,0", "--random", "3"], "only 1 different points"),
        (["name=a,b"], "a sweep names its runs itself"),
        (["resume=runs/a", "seed=1,2"], "a sweep names its runs itself"),
        (["seed=1,2", "--objective", "SDR/drums"], "the phases are supervised, without test"),
        (["seed=1,2", "--objective", "SDR"], "expected METRIC/SOURCE"),
        (["seed=1,2", "--objective", "validation/sdr"], "expected one of validation/si_sdr"),
        (["seed=1,2", "validation.metric=none"], "these runs are not validated"),
        (["seed=1,2", "--cluster", "ray"], "expected tcp://HOST:PORT or slurm, pbs, sge"),
        (["seed=1,2", "--resources", "a.yaml"], "only with --cluster slurm, pbs, sge"),
        (["missing.yaml", "seed=1,2"], "missing.yaml: no such configuration"),
    ],
)
def test_misuse_is_one_line_before_anything_starts(tmp_path, recipe, words, message):
    with pytest.raises(UsageError) as caught:
        run(recipe, *words)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_begun_with_other_keys_is_refused(tmp_path, recipe):
    folder = tmp_path / "runs" / "tiny_sweep" / "seed-1"
    folder.mkdir(parents=True)
    told = yaml.safe_load(recipe.read_text()) | {"supervised": {"epochs": 9}, "seed": 1}
    (folder / "configuration.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(
        UsageError, match=r"seed-1 was begun with supervised\.epochs=9, not 3: choose"
    ):
        run(recipe, "seed=1,2")


def test_passwords_stay_with_their_owner(tmp_path, recipe, capsys):
    url = "tracking.mongo=mongodb://me:secret@localhost/db"
    assert run(recipe, "seed=1,2", url) == 0
    folder = tmp_path / "runs" / "tiny_sweep"
    holders = [
        path for path in folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ]
    assert holders and {path.parent.name for path in holders} == {"configurations"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders)
    assert "secret" not in capsys.readouterr().out


def test_two_sweeps_of_one_name_do_not_meet(tmp_path, recipe):
    folder = tmp_path / "runs" / "tiny_sweep"
    folder.mkdir(parents=True)
    with locked(folder), pytest.raises(UsageError, match="another sweep of that name is running"):
        run(recipe, "seed=1,2")
