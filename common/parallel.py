"""Jobs in several processes that do not outlive their parent."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool


def each(function: Callable, jobs: Iterable[tuple], workers: int) -> Iterator[tuple]:
    """Call `function(*job)` for every job, in `workers` processes (1: in this one).

    Yields:
      (job, result) as they come. The first exception ends it: what has not begun is dropped.

    Raises:
      What `function` raises; OSError where a process is killed from outside.
    """
    jobs = list(jobs)
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, function(*job)
        return
    executor = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),  # nothing inherited: no locks, no lockfile
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    try:
        futures = {executor.submit(function, *job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise OSError(
            "a worker process was killed, perhaps for lack of memory; use fewer --workers"
        ) from None
    except BaseException:
        abandon(executor)
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def abandon(executor: Executor) -> None:
    """Drop what an executor has not begun, and end its processes in the middle of their work."""
    executor.shutdown(wait=False, cancel_futures=True)
    for child in multiprocessing.active_children():
        child.terminate()


def end_with(parent: int) -> None:
    """Let this worker process leave Ctrl-C to its parent, and end when that has ended, however."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
