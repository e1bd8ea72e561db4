"""The folder of a run as its record: what Sacred reports, in files that are whole at any moment."""

import contextlib
import datetime
import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sacred.dependencies import get_digest
from sacred.observers import FileStorageObserver
from sacred.serializer import flatten
from sacred.utils import apply_backspaces_and_linefeeds

from common.files import atomic_path, locked, naming
from common.json_files import write_json
from common.redact import redacted
from experiments.tracking import records
from experiments.tracking.mongo_observer import mongo_observer
from experiments.tracking.server import parse_url
from experiments.tracking.sources import add_sources, has_git

__all__ = ["RunFolder", "add_sources", "has_git", "mongo_observer", "parse_url", "redacted"]

OFTEN = 5000  # points of curves up to which metrics.json is rewritten at every heartbeat
GROWTH = 1.25  # and by how much they grow from one rewriting to the next afterwards
RESERVED = 1 << 17  # bytes that are kept for the final record of a run on a full disk
ATTEMPTS = 20  # at a lock that somebody may hold for a moment, to see whether a run is alive


def warn(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr)


class RunFolder(FileStorageObserver):
    """Sacred's files in the run's own folder, whole at any time, kept when a run is taken up.

    The folder's name is the run's id. What an earlier session recorded stays as `run-1.json`,
    `run-2.json` and so on; captured output and metrics are continued. While a disk is full the
    record waits in memory, after one warning, and the run goes on.

    Args:
      folder: of the run.
      log: prints a line.
      points: of the curves that are there, as many are kept; the run will record the others again.
        None keeps all.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        log: Callable[[str], None] = warn,
        points: int | None = None,
    ):
        folder = Path(folder)
        super().__init__(folder.parent)
        self.folder, self.log, self._kept = folder, log, points
        self._writing, self._direct = threading.RLock(), set[str]()
        self._held = contextlib.ExitStack()
        self._waiting: list[bytes] = []
        self._points = self._written = self._settled = 0
        self._warned = self._mine = False

    def started_event(self, ex_info, command, host_info, start_time, config, meta_info, _id):
        """Make or take up the folder.

        Raises:
          OSError: it cannot be written, or another process records in it.
        """
        given = (command, host_info, start_time, records.plain(config), meta_info)
        super().started_event(dict(ex_info), *given, _id)
        return self.folder.name if _id is None else _id

    def _make_run_dir(self, _id: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        self.dir, self._uid = str(self.folder), uuid.uuid4().hex
        for folder in self.folder.parent.iterdir():  # runs that were killed say so from now on
            with contextlib.suppress(ValueError, OSError):
                records.close_if_dead(folder, held=folder.name == self.folder.name)
        with contextlib.suppress(ValueError, OSError):
            self._uid = records.identity(self.folder, records.read_record(self.folder))
        for name in (records.RUN, records.INFO):
            if (self.folder / name).exists():
                os.replace(self.folder / name, _next_free(self.folder / name))
        (self.folder / records.RESERVE).write_bytes(os.urandom(RESERVED))
        self._log = records.Appended(self.folder / records.LOG)
        try:
            self._journal = records.open_journal(self.folder, self._kept)
        except ValueError as error:
            kept = _next_free(self.folder / records.CURVES)
            os.replace(self.folder / records.CURVES, kept)
            self.log(f"warning: {error}; kept as {kept.name}")
            self._journal = records.open_journal(self.folder)
        self._points = self._written = records.write_curves(self.folder)

    def _hold(self) -> None:
        busy = BlockingIOError(f"{self.folder}: another process records in this run's folder")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._held.enter_context(locked(self.folder / records.ALIVE, busy))
                break
            except BlockingIOError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(0.05)
        os.register_at_fork(after_in_child=self._held.close)  # workers may outlive a killed run
        self._mine = True

    def save_json(self, obj: Any, filename: str) -> None:
        """Write a record atomically, NumPy's numbers as plain ones."""
        obj = records.plain(obj)
        if filename == records.RUN:  # with its name from the first moment
            obj["uid"] = self._uid
        write_json(self.folder / filename, flatten(obj))

    def find_or_save(self, filename, store_dir: Path) -> Path:
        """Keep a source under its checksum; two runs may do so at the same moment."""
        filename, store_dir = Path(filename), Path(store_dir)
        place = store_dir / f"{filename.stem}_{get_digest(filename)}{filename.suffix}"
        if not place.exists():
            with atomic_path(place) as temporary:
                shutil.copyfile(filename, temporary)
        return place

    def save_cout(self) -> None:
        """Append what was printed; its last line may still change."""
        end = max(self._settled, self.cout.rfind("\n") + 1)
        parts = (self.cout[self._settled : end], self.cout[end:])
        self._log.append(*(part.encode("utf-8", "replace") for part in parts))
        self._settled = end

    def point(self, name: str, value: float, step: int) -> None:
        """Record a point of a curve; Sacred's copies of the same curve are left out."""
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        points = dict(zip(records.KEYS, ([step], [value], [now])))
        with self._writing:
            self._direct.add(name)
            self._append({name: points})

    def settle(self) -> int:
        """Write all points that were recorded; returns how many the curves have.

        A checkpoint that is written afterwards may hold this number, so that the run can be gone
        on with there and has every point once.
        """
        self._patiently(self._write_metrics)
        return self._points

    def log_metrics(self, metrics_by_name, info) -> None:
        """Append points of curves that Sacred brings."""
        with self._writing:
            self._append(
                {
                    name: points
                    for name, points in metrics_by_name.items()
                    if name not in self._direct
                }
            )
        self._patiently(self._write_metrics)

    def _append(self, curves: Mapping[str, Mapping[str, list]]) -> None:
        if curves:
            entry = {
                name: {key: records.plain(points[key]) for key in records.KEYS}
                for name, points in curves.items()
            }
            self._waiting.append(json.dumps(entry).encode() + b"\n")
            self._points += records.count_points(entry)

    def _write_metrics(self, all_of_them: bool = False) -> None:
        with self._writing:
            if self._waiting:
                self._journal.append(b"".join(self._waiting))
                self._waiting.clear()
            due = self._points <= OFTEN or self._points >= GROWTH * self._written or all_of_them
            if self._points > self._written and due:
                self._written = records.write_curves(self.folder)

    def heartbeat_event(self, info, captured_out, beat_time, result) -> None:
        """The run is alive: what it printed, what it knows."""
        beat = (info, captured_out, beat_time, result)
        self._patiently(lambda: super(RunFolder, self).heartbeat_event(*beat))

    def completed_event(self, stop_time, result) -> None:
        """The run is done."""
        self._end(lambda: super(RunFolder, self).completed_event(stop_time, result))

    def interrupted_event(self, interrupt_time, status) -> None:
        """The run was asked to stop."""
        self._end(lambda: super(RunFolder, self).interrupted_event(interrupt_time, status))

    def failed_event(self, fail_time, fail_trace) -> None:
        """The run failed."""
        trace = [redacted(line) for line in fail_trace]
        self._end(lambda: super(RunFolder, self).failed_event(fail_time, trace))

    def artifact_event(self, name, filename, metadata=None, content_type=None) -> None:
        """Note an artifact; one that lies in the folder already is not copied."""
        path = Path(filename).resolve()

        def note(name: str = name) -> None:
            if path.is_relative_to(self.folder.resolve()):
                name = str(path.relative_to(self.folder.resolve()))
            else:
                with naming(self.folder / name):
                    shutil.copyfile(path, self.folder / name)
            if name not in self.run_entry["artifacts"]:
                self.run_entry["artifacts"].append(name)
            self.save_json(self.run_entry, records.RUN)

        self._patiently(note)

    def _patiently(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            if not self._warned:
                self._warned = True
                self.log(
                    f"warning: {self.folder}: the record cannot be written ({error.strerror}); "
                    "the run goes on, and the record follows when it can be"
                )
            return False
        return True

    def _end(self, last: Callable[[], None]) -> None:
        if not self._mine:  # the folder is another process's
            return
        (self.folder / records.RESERVE).unlink(missing_ok=True)
        if self.run_entry is None:  # it could not even be started
            self._held.close()
            return
        done = [self._patiently(last), self._patiently(lambda: self._write_metrics(True))]
        done.append(self._patiently(self.save_cout))
        if not all(done):
            state = "" if done[0] else ", even its end is missing"
            self.log(f"warning: {self.folder}: the record is incomplete{state}")
        self._held.close()


def as_shown(text: str) -> str:
    """What a terminal would show, with carriage returns and backspaces carried out.

    Sacred calls this with all that was printed so far, at every heartbeat; only the lines behind
    the first such sign are gone through letter by letter.
    """
    places = [place for place in (text.find("\r"), text.find("\b")) if place >= 0]
    if not places:
        return text
    start = text.rfind("\n", 0, min(places)) + 1
    return text[:start] + apply_backspaces_and_linefeeds(text[start:])


def _next_free(path: Path) -> Path:
    """run.json → run-1.json or the next number that is free."""
    number = 1
    while (path.parent / f"{path.stem}-{number}{path.suffix}").exists():
        number += 1
    return path.parent / f"{path.stem}-{number}{path.suffix}"
