"""Jobs on a real Dask scheduler and worker processes on loopback."""

import importlib
import os
import signal
import sys
import threading
import time

import pytest

from common import cli, dask_cluster
from common.cluster_jobs import LostJob, each_on

FUNCTIONS = """
import os
import time
from pathlib import Path


def noted(folder, number, seconds):
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    time.sleep(seconds)
    return number**2, os.getcwd()


def fatal(folder, number):
    os._exit(1)


def broken(number):
    raise ValueError(f"job {number} is broken")
"""


@pytest.fixture(autouse=True)
def jobs(tmp_path, monkeypatch):
    """A module that programs which are started now can import: none of the tests is one."""
    (tmp_path / "far" / "far_jobs.py").parent.mkdir()
    (tmp_path / "far" / "far_jobs.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "far"))
    monkeypatch.syspath_prepend(tmp_path / "far")
    yield importlib.import_module("far_jobs")
    del sys.modules["far_jobs"]


def done(folder):
    """{job: processes that began it}."""
    found = {}
    for path in folder.iterdir():
        number, _, process = path.name.partition("-")
        found.setdefault(int(number), set()).add(int(process))
    return found


def test_three_workers_one_killed_and_one_slow(tmp_path, dask, jobs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address, _ = dask.scheduler()
    workers = [dask.worker(address) for _ in range(3)]
    folder = tmp_path / "begun"
    folder.mkdir()
    # The slow one is stopped for two seconds in every three.
    ended = threading.Event()

    def slow():
        while not ended.wait(1.0):
            workers[0].send_signal(signal.SIGSTOP)
            time.sleep(2.0)
            workers[0].send_signal(signal.SIGCONT)

    thread = threading.Thread(target=slow)
    found = []
    with dask_cluster.opened(address) as client:
        client.wait_for_workers(3)
        thread.start()
        try:
            every = [(str(folder), number, 0.05) for number in range(60)]
            for (_, number, _), result in each_on(client, jobs.noted, every):
                assert result == (number**2, os.getcwd())
                found.append(number)
                if len(found) == 10:
                    workers[1].kill()
        finally:
            ended.set()
            thread.join()
    assert sorted(found) == list(range(60))
    begun = done(folder)
    assert sorted(begun) == list(range(60))
    # The lost worker costs what it had begun, and no more.
    assert sum(len(processes) > 1 for processes in begun.values()) <= 2
    counts = [sum(worker.pid in who for who in begun.values()) for worker in workers]
    assert counts[2] > counts[0] > 0


def test_what_kills_every_worker_is_given_up_and_the_others_go_on(
    tmp_path, dask, jobs, monkeypatch
):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    address, _ = dask.scheduler()
    for _ in range(2):
        dask.worker(address)
    with dask_cluster.opened(address) as client:
        client.wait_for_workers(2)
        [(_, result)] = each_on(client, jobs.fatal, [("", 1)])
        assert isinstance(result, LostJob) and str(result).startswith("given up: ")
        [(_, result)] = each_on(client, jobs.noted, [(str(tmp_path), 7, 0.0)])
        assert result[0] == 49


def test_an_error_ends_it_and_a_lost_scheduler_is_one_line(tmp_path, dask, jobs):
    address, scheduler = dask.scheduler()
    dask.worker(address)
    with dask_cluster.opened(address) as client:
        with pytest.raises(ValueError, match="job 3 is broken"):
            list(each_on(client, jobs.broken, [(3,)]))
        found = each_on(client, jobs.noted, [(str(tmp_path), n, 0.2) for n in range(50)])
        next(found)
        scheduler.kill()
        with pytest.raises(OSError, match=f"the scheduler at {address} is gone; what is done is"):
            list(found)


def test_without_workers_it_says_so_and_takes_the_first_that_comes(tmp_path, dask, jobs, capsys):
    address, _ = dask.scheduler()
    with dask_cluster.opened(address) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.cluster_jobs.SILENT", 0.5)
        timer = threading.Timer(3.0, dask.worker, (address,))
        timer.start()
        [(_, result)] = each_on(client, jobs.noted, [(str(tmp_path), 2, 0.0)])
        timer.join()
    assert result[0] == 4
    assert capsys.readouterr().out.count("waiting for workers: start one with: dask worker") == 1


def test_options_that_contradict_each_other(tmp_path):
    for where, resources, message in (
        ("http://here", None, "--cluster http://here: expected tcp://HOST:PORT or slurm, pbs, sge"),
        ("tcp://127.0.0.1:1", tmp_path / "r.yaml", "only with --cluster slurm, pbs, sge"),
        ("slurm", tmp_path / "gone.yaml", "gone.yaml: cannot be read"),
    ):
        with pytest.raises(cli.UsageError, match=message), dask_cluster.opened(where, resources):
            pass
