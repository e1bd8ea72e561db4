"""Workers on loopback train as one machine does, end together, and go on after one was killed."""

import functools
import json
import signal

import numpy as np
import pytest
import tensorflow as tf
import yaml

from dssgan.distributed.replicas import own_parts
from dssgan.distributed.team import Team
from tests.dssgan.commands import free_ports, opened

CRITIC = {"name": "dcgan", "frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4}
BOTH = ["phases=[supervised, adversarial]", "alpha=0.5", "beta=0.5", "model.dropout=0.2"]
LIMIT = 150  # seconds after which a test gives up; the longest takes a tenth of it


@pytest.fixture(scope="module")
def nursery():
    """Starts processes without the seconds that their imports take."""
    with opened() as run:
        yield functools.partial(run, seconds=LIMIT)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for the songs, the runs and the configuration of the whole module."""
    place = tmp_path_factory.mktemp("workers")
    band = {"songs": 2, "seconds": 2.0, "sample_rate": 8000}
    mine = {
        "sources": ["drums", "accompaniment"],
        "phases": ["supervised"],
        "data": {
            "cache": str(place / "cache"),
            "options": band,
            "seconds": 0.25,
            "batch": 4,
            "workers": 1,
        },
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "optimiser": {"average": 0.9},
        "supervised": {"epochs": 2, "steps": 4, "calibration": 4},
        "adversarial": {"epochs": 1, "steps": 2, "critic_steps": 1, "critics": [CRITIC]},
        "checkpoint": {"steps": 2},
        "tracking": {"folder": str(place / "runs"), "every": 2, "seconds": 1.0},
        "separation": {"segment": 1.0},
        "compute": {"wait": 60},
    }
    (place / "mine.yaml").write_text(yaml.safe_dump(mine))
    return place


def job(place, log, *words, environment=None, **more):
    argv = ["with", str(place / "mine.yaml"), *words]
    return {"argv": argv, "log": str(place / log), "environment": environment or {}, **more}


def team(place, name, *words, count=2, **more):
    """The same command for each worker; `more` has what one of them is given: worker1={…}."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    jobs = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        told = json.dumps({"cluster": {"worker": addresses}, "task": task})
        given = dict(more.get(f"worker{index}", {}))
        own = given.pop("words", [])
        words_here = [f"name={name}", "compute.strategy=workers", *words, *own]
        if index:  # whatever it wrote would be seen there
            words_here.append(f"tracking.folder={place / 'others'}")
        log = f"{name}-{index}.log"
        jobs.append(job(place, log, *words_here, environment={"TF_CONFIG": told}, **given))
    return jobs


def said(place, name, index):
    lines = (place / f"{name}-{index}.log").read_text().splitlines()
    return [line for line in lines if line.strip()]


def bits(path):
    with np.load(path) as archive:
        return {name: archive[name].tobytes() for name in archive.files if name != "header"}


def files(place):
    found = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)) for path in found}


@pytest.fixture(scope="module")
def two(nursery, place):
    """A run of two workers that nobody disturbs; what was written by it."""
    before = files(place)
    dumps = {f"worker{index}": {"dump": str(place / f"two-{index}.npz")} for index in range(2)}
    codes = nursery(*team(place, "two", *BOTH, **dumps))
    assert codes == [0, 0], (place / "two-0.log").read_text()
    return files(place) - before


@pytest.mark.slow
def test_two_workers_train_as_two_devices_of_one_machine(nursery, place, two):
    words = ["name=mirrored", "compute.strategy=mirrored", *BOTH]
    one = job(place, "mirrored.log", *words, devices=2, dump=str(place / "mirrored.npz"))
    assert nursery(one) == [0], (place / "mirrored.log").read_text()

    expected = np.load(place / "mirrored.npz")
    chief, other = (np.load(place / f"two-{index}.npz") for index in range(2))
    assert set(chief.files) == set(other.files) == set(expected.files)
    assert any(name.startswith("adversarial/critic_optimiser/") for name in expected.files)
    for name in expected.files:
        assert chief[name].tobytes() == other[name].tobytes(), name
        np.testing.assert_allclose(chief[name], expected[name], atol=1e-6, err_msg=name)

    curves = [
        json.loads((place / "runs" / name / "metrics.json").read_bytes())
        for name in ("mirrored", "two")
    ]
    assert set(curves[0]) == set(curves[1])
    for name in ("train/loss", "validation/si_sdr/drums", "validation/si_sdr"):
        np.testing.assert_allclose(curves[1][name]["values"], curves[0][name]["values"], rtol=1e-4)
    record = json.loads((place / "runs" / "two" / "run.json").read_bytes())
    assert record["status"] == "COMPLETED"
    info = json.loads((place / "runs" / "two" / "info.json").read_bytes())
    assert len(info["workers"]) == 2

    known = ("runs/two/", "runs/_sources", "two-", "cache")
    assert all(name.startswith(known) for name in two)
    assert "runs/two/separator/separator.weights.h5" in two
    assert said(place, "two", 1)[-1] == "worker 1: done"
    assert len(said(place, "two", 1)) == 3


@pytest.mark.slow
def test_killed_and_stopped_workers_go_on_with_the_same_bits(nursery, place, two):
    stopped = {"signal": ["supervised", 1, signal.SIGTERM]}
    assert nursery(*team(place, "killed", *BOTH, worker1=stopped)) == [143, 143]
    assert "stopped at step" in said(place, "killed", 0)[-1]
    assert said(place, "killed", 0)[-1].endswith("on all machines")
    step = said(place, "killed", 1)[-1]
    assert step.startswith("worker 1: stopped at step")

    killed = {"signal": ["supervised", 7, signal.SIGKILL]}
    assert nursery(*team(place, "killed", *BOTH, worker0=killed)) == [-signal.SIGKILL, 1]
    assert f"supervised: going on at {step.partition(' at ')[2]}" in said(place, "killed", 0)
    line = said(place, "killed", 1)[-1]
    assert line.startswith("error: worker 0 (127.0.0.1:")
    assert "does not answer any more, so worker 1 ends as well" in line

    killed = {"signal": ["adversarial", 3, signal.SIGKILL]}
    assert nursery(*team(place, "killed", *BOTH, worker1=killed)) == [1, -signal.SIGKILL]
    assert "supervised: going on at step 6" in said(place, "killed", 0)
    assert said(place, "killed", 0)[-1].startswith("error: worker 1 (127.0.0.1:")
    record = json.loads((place / "runs" / "killed" / "run.json").read_bytes())
    assert record["status"] == "FAILED"

    assert nursery(*team(place, "killed", *BOTH)) == [0, 0], said(place, "killed", 0)
    assert "adversarial: going on at step 2" in said(place, "killed", 0)
    for phase in ("supervised", "adversarial"):
        for name in ("last.npz", "best.npz"):
            one, two = (
                bits(place / "runs" / run / "checkpoints" / phase / name)
                for run in ("two", "killed")
            )
            assert one == two, (phase, name)
    exported = [
        json.loads((place / "runs" / run / "separator" / "config.json").read_bytes())
        for run in ("two", "killed")
    ]
    assert exported[0]["weights_sha256"] == exported[1]["weights_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("who", [0, 1])
def test_a_machine_that_vanishes_ends_the_others(nursery, place, who):
    gone = {f"worker{who}": {"signal": ["supervised", 3, signal.SIGSTOP]}}  # it answers no more
    codes = nursery(*team(place, f"gone{who}", **gone))
    assert codes[who] == -signal.SIGKILL
    assert codes[1 - who] == 1
    assert f"so worker {1 - who} ends as well" in said(place, f"gone{who}", 1 - who)[-1]


@pytest.mark.slow
def test_who_does_not_come_or_was_told_something_else_ends_all_with_one_line(nursery, place):
    chief, _ = team(place, "lonely", "compute.wait=1")
    _, worker = team(place, "orphan", "compute.wait=1")
    different = team(place, "different", worker1={"words": ["data.batch=8"]})
    misfit = team(place, "misfit", "compute.workers=3")[0]
    codes = nursery(chief, worker, *different, misfit)
    assert codes == [1, 1, 1, 1, 2]
    line = said(place, "lonely", 0)[-1]
    assert line.startswith("error: of 2 workers these did not come within 1 s: 1 (127.0.0.1:")
    assert "did not answer within 1 s" in said(place, "orphan", 1)[-1]
    for index in range(2):
        line = said(place, "different", index)[-1]
        assert line.startswith("error: worker 1 has data.batch=8, the chief 4"), line
    assert said(place, "misfit", 0)[-1].startswith("error: compute.workers=3, but 2 are named")
    assert not (place / "runs" / "misfit").exists()


def test_every_machine_reads_the_parts_of_its_own_replicas():
    batches = [{"stems": np.arange(16) + 100 * n, "more": np.arange(8) + 10 * n} for n in range(3)]
    stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    dataset = tf.data.Dataset.from_tensor_slices(stacked).repeat()
    for machine in range(2):
        context = tf.distribute.InputContext(2, machine, 4)
        parts = iter(own_parts(dataset, context).as_numpy_iterator())
        for batch in batches:
            for replica in (2 * machine, 2 * machine + 1):
                found = next(parts)
                np.testing.assert_array_equal(
                    found["stems"], batch["stems"][4 * replica : 4 * replica + 4]
                )
                np.testing.assert_array_equal(
                    found["more"], batch["more"][2 * replica : 2 * replica + 2]
                )


def test_one_worker_asks_nobody():
    team = Team()
    assert team.chief
    assert team.broadcast(b"text") == b"text"
    assert team.stop_soon(15) == team.stop_at_once(15) == 15
    assert team.stop_soon(None) is None
    np.testing.assert_array_equal(team.totals(np.array([1.0, np.nan])), [1.0, np.nan])
    with team.chief_first():
        team.wait()
