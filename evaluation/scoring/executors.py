"""Where songs are scored: threads or processes of this machine, or a Dask cluster's workers."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from common.cli import one_line
from common.parallel import abandon, end_with
from evaluation.protocols import Protocol
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import score_songs

ReadSong = Callable[[], SongAudio]
#: Unfinished tasks beside each running one, so that no worker waits for the next.
AHEAD = 1


def read_all(readers: Sequence[ReadSong]) -> list[SongAudio | Exception]:
    """Read what several separators made of one song, or return why it cannot be read."""
    read = []
    for reader in readers:
        try:
            read.append(reader())
        except Exception as error:
            read.append(error)
    return read


def read_and_score(readers: Sequence[ReadSong], protocol: Protocol) -> list[dict | Exception]:
    """Read what several separators made of one song, and score it; runs where the worker is.

    Returns:
      For each its scores, or what went wrong.
    """
    return [portable(result) for result in score_songs(read_all(readers), protocol)]


def portable(result: dict | Exception) -> dict | Exception:
    """Return an exception that any process can unpickle; anything else as it is."""
    if not isinstance(result, Exception) or isinstance(result, OSError):
        return result
    return ValueError(one_line(result))


class Executors:
    """Runs tasks, a number of them at a time.

    Args:
      executor: runs them.
      slots: how many at once.
      reads: whether tasks read their audio themselves (other processes); else the caller does.
    """

    def __init__(self, executor: Executor, slots: int, reads: bool = False):
        self.executor, self.slots, self.reads = executor, slots, reads

    def results(self, tasks: Iterator[tuple[Any, Callable, tuple]]) -> Iterator[tuple[Any, Any]]:
        """Yield (key, result or exception) of tasks (key, function, arguments) as they are done.

        Tasks are taken from `tasks` when there is room for them.
        """
        running: dict[Future, Any] = {}
        stopped = False
        try:
            for key, function, arguments in tasks:
                try:
                    running[self.executor.submit(function, *arguments)] = key
                except BrokenProcessPool as error:
                    yield key, _died(error)
                del arguments
                if len(running) >= self.slots * (1 + AHEAD * self.reads):
                    yield from _finished(running)
            while running:
                yield from _finished(running)
        except KeyboardInterrupt:  # and SIGTERM: songs in work are given up
            if isinstance(self.executor, ProcessPoolExecutor):
                abandon(self.executor)
            stopped = True
            raise
        finally:
            for future in running:
                future.cancel()
            self.executor.shutdown(wait=not stopped)


def _finished(running: dict[Future, Any]) -> Iterator[tuple[Any, Any]]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        key, error = running.pop(future), future.exception()
        if isinstance(error, BrokenProcessPool):
            error = _died(error)
        yield key, future.result() if error is None else error


def _died(error: Exception) -> OSError:
    message = "a process that scores died (no memory left?): fewer --workers, then the same command"
    found = OSError(message)
    found.__cause__ = error
    return found


def local(workers: int, reads: bool) -> Executors:
    """Return executors of this machine: processes where tasks read their audio, else threads.

    Raises:
      ValueError: fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"workers {workers}: expected at least 1")
    if workers == 1 or not reads:
        return Executors(ThreadPoolExecutor(workers), workers)
    # A fresh interpreter holds none of this one's locks.
    executor = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    return Executors(executor, workers, reads=True)


def on_dask(client: Any) -> Executors:
    """Return the workers of a Dask cluster; they reach this folder and the songs by equal paths.

    Args:
      client: a `distributed.Client` of `common.dask_cluster.opened`.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    threads = sum(worker["nthreads"] for worker in workers)
    # Songs wait here rather than in the scheduler, but a cluster may grow.
    return Executors(client.get_executor(pure=False), max(2 * threads, 16), reads=True)
