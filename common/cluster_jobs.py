"""Jobs on the workers of a Dask cluster, as `common.parallel.each` has them in processes."""

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.cli import one_line, say

LEAST_AHEAD = 16  # jobs that a scheduler knows of at least: a cluster may grow
WAIT = 1.0  # seconds between two looks at the scheduler
SILENT = 10.0  # seconds without a worker, after which that is told


class LostJob(OSError):
    """No worker could keep a job: those that had it went away."""


def each_on(client: Any, function: Callable, jobs: Iterable[tuple]) -> Iterator[tuple]:
    """Call `function(*job)` for every job, wherever a worker is free.

    A worker that goes away costs the jobs that it had begun, which others begin anew; a job that
    has lost as many workers as the scheduler allows (`distributed.scheduler.allowed-failures`) is
    given up. Jobs must be fine with being done twice. For relative paths workers go to the folder
    that the command runs in, which they reach by the same path.

    Args:
      client: a `distributed.Client` of `common.dask_cluster.opened`.
      function: importable by workers. jobs: of what can be pickled, taken as there is room.

    Yields:
      (job, result) as they come; the result of a job that was given up is a `LostJob`.

    Raises:
      What `function` raises: what has not begun is dropped. OSError: the scheduler is gone.
    """
    import distributed

    jobs, running, ended = iter(jobs), {}, False
    done: queue.SimpleQueue = queue.SimpleQueue()
    heard = time.monotonic()
    try:
        while running or not ended:
            threads = _threads(client)
            heard = _told(threads, heard)
            while not ended and len(running) < max(2 * threads, LEAST_AHEAD):
                job = next(jobs, None)
                ended = job is None
                if not ended:
                    future = client.submit(_there, os.getcwd(), function, *job, pure=False)
                    running[future] = job
                    future.add_done_callback(done.put)
            with contextlib.suppress(queue.Empty):
                future = done.get(timeout=WAIT if running else 0)
                yield running.pop(future), _result(client, distributed, future)
    finally:
        for future in running:
            future.cancel()


def _there(folder: str, function: Callable, *job: Any) -> Any:
    """On a worker: relative paths mean what they mean where the command runs."""
    if os.getcwd() != folder:
        os.chdir(folder)
    return function(*job)


def _threads(client: Any) -> int:
    """Of all workers together.

    Raises:
      OSError: the scheduler is gone.
    """
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except Exception as error:  # Dask has many words for it
        raise _gone(client) from error
    if client.status != "running":
        raise _gone(client)
    return sum(worker["nthreads"] for worker in workers)


def _told(threads: int, heard: float) -> float:
    """Say it, once, when there has been no worker for long; the time when there was one."""
    now = time.monotonic()
    if threads:
        return now
    if heard < now - SILENT:
        say("waiting for workers: start one with: dask worker tcp://HOST:PORT --nthreads 1")
        return float("inf")
    return heard


def _result(client: Any, distributed: Any, future: Any) -> Any:
    try:
        return future.result()
    except distributed.KilledWorker as error:
        return LostJob(f"given up: {one_line(error)}")
    except Exception as error:
        if client.status != "running" or future.cancelled():
            raise _gone(client) from error
        raise


def _gone(client: Any) -> OSError:
    return OSError(
        f"the scheduler at {client.scheduler.address if client.scheduler else 'that address'} is "
        "gone; what is done is done: start it and give the same command again"
    )
