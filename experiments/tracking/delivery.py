"""Brings a MongoDB to the state of a run folder, in Sacred's layout, as Omniboard reads it.

The folder is the truth and the queue: what the database lacks is found by looking, so a delivery
may be broken off anywhere and repeated any number of times. One folder is one document in `runs`,
found by its `uid`; curves are documents in `metrics` of at most 20 000 points, and files lie in
GridFS, under ids that follow from what they are.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.digests import content_digest
from common.files import locked
from experiments.tracking import records
from experiments.tracking.documents import moment, object_id, run_document, valid
from experiments.tracking.gridfs import files_of, send_files

CHUNK = 20_000  # points of a curve in one document: below 1 MB
ATTEMPTS = 100  # at a number that no other run has


class Delivery:
    """Delivers one run folder, the more often the less there is to do.

    Args:
      folder: of a run.
      log: prints what cannot be read in it; the rest is delivered.
    """

    def __init__(self, folder: Path, log: Callable[[str], None]):
        self.folder, self.log = folder, log
        self._said: set[str] = set()
        self.forget()

    def __call__(self, database: Any) -> int | None:
        """Deliver what is missing.

        Returns:
          the run's number in the database; None where nothing was missing.

        Raises:
          ValueError: no record of a run.
          OSError: it cannot be read.
          Exception: one of pymongo's kinds; what was delivered stays, and need not be repeated.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a folder that may only be read
                stack.enter_context(locked(self.folder / ".delivery"))
            try:
                return self._deliver(database)
            except BaseException:
                self.forget()
                raise

    def forget(self) -> None:
        """Look again at all that the database has."""
        self._sent: dict[str, str] = {}
        self._place = 0
        self._open: dict[str, tuple[int, dict[str, list]]] = {}  # each curve's last document
        self._changed: set[str] = set()
        self._counts: dict[Any, int] | None = None
        self._metrics: list[dict[str, str]] = []

    def _deliver(self, database: Any) -> int | None:
        record = records.read_record(self.folder)
        uid = records.identity(self.folder, record)
        files = files_of(self.folder, record, uid, self._tell)
        state = self._state(record, files)
        if self._sent.get("delivered") == state:
            return None
        found = database.runs.find_one({"uid": uid}, {"_id": 1, "delivered": 1})
        if found and found.get("delivered") == state:
            self._sent["delivered"] = state
            return None
        if not found:  # a new run, or a new database
            self.forget()
        number = found["_id"] if found else _new_number(database, uid, record)
        document = run_document(self.folder, record, files, self._tell)
        info = document.pop("info")
        self._set(database, number, document)
        self._send_metrics(database, number, uid)
        self._set(database, number, {"info": info | {"metrics": self._metrics}})
        send_files(database, uid, files)
        self._set(database, number, {"delivered": state})
        return number

    def _tell(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.log(line)

    def _state(self, record: dict[str, Any], files: dict) -> str:
        """What a delivery depends on, in short."""
        sizes = {}
        for name in (records.CONFIG, records.INFO, records.LOG, records.JOURNAL, records.CURVES):
            with contextlib.suppress(OSError):
                sizes[name] = (self.folder / name).stat().st_size
        with contextlib.suppress(OSError):
            sizes["info"] = (self.folder / records.INFO).read_text("utf-8", "replace")
        facts = json.dumps([record, sizes, [str(key) for key in files]], sort_keys=True)
        return content_digest(facts)

    def _set(self, database: Any, number: int, fields: dict[str, Any]) -> None:
        """Change the fields of the run's document that are not as they were sent last."""
        digests = {key: content_digest(repr(value)) for key, value in fields.items()}
        new = {key: valid(fields[key]) for key in fields if self._sent.get(key) != digests[key]}
        if new:
            database.runs.update_one({"_id": number}, {"$set": new})
            self._sent |= {key: digests[key] for key in new}

    def _send_metrics(self, database: Any, number: int, uid: str) -> None:
        if self._counts is None:
            known = database.metrics.find({"run_id": number}, {"_id": 1, "count": 1})
            self._counts = {chunk["_id"]: chunk.get("count", 0) for chunk in known}
        for entry, place in records.read_curves(self.folder, self._tell, self._place):
            for name, points in entry.items():
                self._add(database, number, uid, name, points)
            self._place = place
        for name in sorted(self._changed):
            self._send_chunk(database, number, uid, name)
        self._changed.clear()

    def _add(self, database: Any, number: int, uid: str, name: str, points: dict) -> None:
        start = 0
        while start < len(points["steps"]):
            index, chunk = self._open.setdefault(name, (0, {key: [] for key in records.KEYS}))
            stop = start + CHUNK - len(chunk["steps"])
            for key in records.KEYS:
                chunk[key] += points[key][start:stop]
            start = stop
            self._changed.add(name)
            if len(chunk["steps"]) == CHUNK:
                self._send_chunk(database, number, uid, name)
                self._changed.discard(name)
                self._open[name] = (index + 1, {key: [] for key in records.KEYS})

    def _send_chunk(self, database: Any, number: int, uid: str, name: str) -> None:
        index, chunk = self._open[name]
        key, count = object_id(f"curve {uid} {name} {index}"), len(chunk["steps"])
        if {"name": name, "id": str(key)} not in self._metrics:
            self._metrics.append({"name": name, "id": str(key)})
        if self._counts.get(key) == count:
            return
        document = {"_id": key, "run_id": number, "name": name, "chunk": index, "count": count}
        document |= {"steps": valid(chunk["steps"]), "values": valid(chunk["values"])}
        document["timestamps"] = [moment(text) for text in chunk["timestamps"]]
        database.metrics.replace_one({"_id": key}, document, upsert=True)
        self._counts[key] = count


def prepare(database: Any) -> None:
    """Let the database see to it that no run is in it twice."""
    import pymongo.errors as errors

    with contextlib.suppress(errors.OperationFailure):  # a user who may write but not that
        database.runs.create_index("uid", unique=True, sparse=True)
        database.metrics.create_index("run_id")


def _new_number(database: Any, uid: str, record: dict[str, Any]) -> int:
    """Make the run's document under the next free number, as Sacred does."""
    import pymongo.errors as errors

    start = {"uid": uid, "status": record["status"], "start_time": moment(record["start_time"])}
    for _ in range(ATTEMPTS):
        last = database.runs.find_one({"_id": {"$gte": 0}}, {"_id": 1}, sort=[("_id", -1)])
        number = int(last["_id"]) + 1 if last else 1
        try:
            database.runs.insert_one({"_id": number, **start})
            return number
        except errors.OperationFailure as error:
            if not isinstance(error, errors.DuplicateKeyError) and "UNIQUE" not in str(error):
                raise
        found = database.runs.find_one({"uid": uid}, {"_id": 1})
        if found:  # another delivery of this run was faster
            return found["_id"]
    raise TimeoutError("no free number")
