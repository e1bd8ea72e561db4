"""Delivers a run to a MongoDB while it goes on, in a thread of its own that nothing waits for."""

import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sacred.observers.base import RunObserver

from common.cli import one_line
from common.redact import HIDDEN, redacted
from experiments.tracking.delivery import Delivery, prepare
from experiments.tracking.server import Server, is_final, reason

PATIENCE = 2.0  # seconds a database has to answer
GRACE = 0.2  # and to be given up
PAUSE = 5.0  # seconds from one delivery to the next, at least …
SHARE = 9.0  # … and so many times as long as the last one took
LAST_DELIVERY = 60.0  # seconds that the end of a run waits for its last delivery, at most


class MongoObserver(RunObserver):
    """Delivers what a run's folder holds to a MongoDB, whenever there is news and it answers.

    The run never waits for it: an event only wakes the thread. What a database that was away has
    missed lies in the folder, and is delivered when it returns, or later by
    `python -m experiments.tracking sync`.

    Args:
      server: where to.
      folder: of the run.
      log: prints a line.
    """

    priority = 10  # Sacred calls the higher ones first: files come before databases

    def __init__(self, server: Server, folder: Path, log: Callable[[str], None], pause: float):
        self.server, self.folder, self.log, self.pause = server, folder, log, pause
        self.delivery = Delivery(folder, lambda line: log(f"warning: {redacted(line)}"))
        self.away = self.useless = False
        self._failed, self._told = 0.0, set[str]()
        self._answered, self._news, self._over = (threading.Event() for _ in range(3))
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name=f"delivery of {folder}", daemon=True
        )
        self._thread.start()
        if not self._answered.wait(PATIENCE + GRACE):  # a name that is being looked up, say
            self._complain(TimeoutError())

    def started_event(self, ex_info, command, host_info, start_time, config, meta_info, _id):
        """The run starts."""
        self._started.set()
        self._news.set()
        return _id

    def heartbeat_event(self, info, captured_out, beat_time, result):
        """There is news in the folder."""
        self._news.set()

    def artifact_event(self, name, filename, metadata=None, content_type=None):
        """There is a file in the folder."""
        self._news.set()

    def completed_event(self, stop_time, result):
        """The run is done."""
        self._end()

    def interrupted_event(self, interrupt_time, status):
        """The run was asked to stop."""
        self._end()

    def failed_event(self, fail_time, fail_trace):
        """The run failed."""
        self._end()

    def join(self):
        """Wait for the last delivery, a while; say so when it could not be made."""
        if self._over.is_set():
            self._thread.join(GRACE if self.away else LAST_DELIVERY)
            if self._thread.is_alive() or self.away:
                folder = shlex.quote(str(self.folder))
                command = f"python -m experiments.tracking sync {folder} --mongo URL"
                self.log(
                    f"MongoDB at {self.server.shown} has not got all of it; deliver: {command}"
                )

    def _end(self) -> None:
        self._over.set()
        self._news.set()

    def _work(self) -> None:
        self._attempt(prepare)
        self._answered.set()
        self._started.wait()
        while not self.useless:
            self._news.wait(self.pause if self.away else None)
            self._news.clear()
            last, begun = self._over.is_set(), time.monotonic()
            if last:  # a server that crashed may have lost what it had taken
                self.delivery.forget()
            if not (last and self.away and begun - self._failed < 2 * self.pause + PATIENCE):
                self._attempt(self.delivery)
            if last:
                break
            took = 0.0 if self.away else time.monotonic() - begun
            self._over.wait(max(self.pause, SHARE * took))
        self.server.close()

    def _attempt(self, deliver: Callable[[Any], Any]) -> None:
        try:
            database = self.server.database()
        except Exception as error:  # whatever a database does, the run goes on
            self.useless = is_final(error)
            self._complain(error)
            return
        try:
            deliver(database)
        except (ValueError, OSError) as error:  # of the folder
            self._tell(f"warning: {redacted(one_line(error))}")
        except Exception as error:
            self._complain(error)
        else:
            if self.away:
                self.away = False
                self.log(f"MongoDB at {self.server.shown} answers; it gets what it has missed")

    def _complain(self, error: Exception) -> None:
        self._failed = time.monotonic()
        if not self.away:
            self.away = True
            self.log(
                f"warning: MongoDB at {self.server.shown}: {reason(error)}; "
                "the run is recorded in files, and what is missing there can follow"
            )

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.log(line)


def mongo_observer(
    url: str,
    folder: Path,
    log: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    pause: float = PAUSE,
) -> MongoObserver | None:
    """An observer for the database at `url`, which may be away, now or later.

    One that does not answer at the start costs at most three seconds and one warning.

    Args:
      url: as `Server` takes it.
      folder: of the run, which `RunFolder` records.
      pause: seconds from one delivery to the next, at least.

    Returns:
      None, after one warning, where the address holds no password but says that there was one.

    Raises:
      ValueError: not such a text.
    """
    if f"{HIDDEN}@" in url:
        log(
            f"warning: tracking.mongo={redacted(url)}: passwords are not recorded; "
            "without the whole address the run is recorded in files alone"
        )
        return None
    return MongoObserver(Server(url, PATIENCE), folder, log, pause)
