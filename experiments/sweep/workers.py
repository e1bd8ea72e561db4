"""Where the points of a sweep are trained: processes of this machine, or a Dask cluster.

A worker is asked for one thing: to call `subprocess.call` with the command of a guard
(experiments/sweep/guard.py). So it needs this folder and its environment on a file system that it
shares with the sweep, and nothing else. The pipe to the guard's standard input is what ends a
training run whose worker is lost.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from common import dask_cluster
from common.cli import one_line
from common.dask_cluster import JOBS, QUEUES
from experiments.run.yaml_files import read_yaml
from experiments.sweep import guard


class LostWorker(Exception):
    """A worker went away with its point."""


class Future(Protocol):
    """What is asked of concurrent.futures.Future and distributed.Future alike."""

    def done(self) -> bool:
        """Whether it has an outcome."""

    def result(self) -> Any:
        """The outcome; raises what the task raised."""

    def cancel(self) -> Any:
        """Leave it out, if it has not begun."""


def guarded(folder: Path, command: Sequence[str]) -> list[str]:
    """The command of a guard; -I keeps the files beside it from shadowing Python's own."""
    script = str(Path(guard.__file__).resolve())
    return [sys.executable, "-I", script, str(folder.absolute()), *command]


class Processes:
    """So many training runs at once on this machine."""

    def __init__(self, jobs: int):
        self.jobs = jobs
        self._pool = ThreadPoolExecutor(jobs)

    def slots(self) -> int:
        """Points that can be trained at once."""
        return self.jobs

    def submit(self, folder: Path, command: Sequence[str]) -> Future:
        """Start a guard as soon as a process is free; its exit code is the result."""
        return self._pool.submit(subprocess.call, guarded(folder, command), stdin=subprocess.PIPE)

    def outcome(self, future: Future) -> int:
        """The exit code of a guard that is done."""
        return future.result()

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown(cancel_futures=True)


class Dask:
    """The workers of a Dask cluster; one that is lost is replaced by another.

    Args:
      client: connected to the scheduler.
      jobs: at most so many points at once; 0 takes all threads of all workers.
      resources: what a point needs of a worker, as Dask counts it.
      cluster: ended with the sweep.
    """

    def __init__(
        self,
        client: Any,
        jobs: int = 0,
        resources: dict[str, float] | None = None,
        cluster: Any = None,
    ):
        self.client, self.jobs, self.resources, self.cluster = client, jobs, resources, cluster
        self.address = client.scheduler.address

    def slots(self) -> int:
        """Points that can be trained at once: with no worker yet, none."""
        try:
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        except Exception as error:  # Dask has many words for it
            raise self._gone() from error
        if self.resources:
            threads = len(workers)
        else:
            threads = sum(worker["nthreads"] for worker in workers)
        return min(threads, self.jobs) if self.jobs else threads

    def submit(self, folder: Path, command: Sequence[str]) -> Future:
        """Have a guard started on a worker; its exit code is the result."""
        return self.client.submit(
            subprocess.call,
            guarded(folder, command),
            stdin=subprocess.PIPE,
            cwd=os.getcwd(),
            pure=False,
            resources=self.resources,
        )

    def outcome(self, future: Future) -> int:
        """The exit code of a guard that is done.

        Raises:
          Lost: no worker could keep it. OSError: the scheduler is gone.
        """
        try:
            return future.result()
        except Exception as error:
            if self.client.status != "running":
                raise self._gone() from error
            raise LostWorker(one_line(error)) from error

    def _gone(self) -> OSError:
        return OSError(
            f"the scheduler at {self.address} is gone; what is done is done: start it and give "
            "the same command again"
        )

    def close(self) -> None:
        """Leave the scheduler; end the jobs that were asked for."""
        with contextlib.suppress(Exception):  # it may be gone
            self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def workers(cluster: str | None, jobs: int | None, resources: Path | None, points: int) -> Any:
    """The workers that were asked for.

    Args:
      cluster: tcp://HOST:PORT of a scheduler, a key of QUEUES, or None for this machine.
      jobs: points at once (default: 1 on this machine, 4 jobs of a queue, else all threads).
      resources: YAML with the keyword arguments of dask_jobqueue's class, for a queue.
      points: in all; a queue is not asked for more jobs.

    Raises:
      UsageError: contradicting options. ValueError: a library is missing. OSError: no scheduler.
    """
    dask_cluster.check(cluster, resources)
    if cluster is None:
        return Processes(jobs or 1)
    if cluster in QUEUES:
        return _queue(cluster, min(jobs or JOBS, points), resources)
    return Dask(dask_cluster.connect(cluster).client, jobs or 0)


def _queue(name: str, jobs: int, resources: Path | None) -> Dask:
    """Ask a batch system for jobs with one worker each, and for new ones when they end."""
    options = read_yaml(resources) if resources else {}
    # A worker has as many threads as its job has cores, and trains one point with all of them.
    options["worker_extra_args"] = [
        *options.get("worker_extra_args", []),
        *("--resources", "training=1"),
    ]
    found = dask_cluster.queue(name, jobs, options, resources)
    return Dask(found.client, jobs, {"training": 1}, found.cluster)
