"""Jobs in several processes that do not outlive their parent."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
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
        initializer=_begin,
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
        executor.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end when it has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
