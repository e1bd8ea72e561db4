"""The files of a run's record: a kill or a full disk tears none of them, and all can be read again.

A run folder holds `run.json` (what ran, where, its state), `config.json`, `info.json`, `cout.txt`
(what was printed) and the curves: `metrics.jsonl` grows by one line per heartbeat, `metrics.json`
is the same in Sacred's form, rewritten as the curves grow and when the run ends.
"""

import contextlib
import datetime
import json
import os
import platform
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common.files import locked, naming, read_limited, write_text
from common.json_files import parse_json, write_json

RUN, CONFIG, INFO, LOG = "run.json", "config.json", "info.json", "cout.txt"
CURVES, JOURNAL = "metrics.json", "metrics.jsonl"
ALIVE = ".alive"  # locked for as long as a process records here
RESERVE = ".reserve"  # makes room for the final record of a run on a full disk
SILENCE = datetime.timedelta(minutes=10)  # after that a run on another machine counts as dead
KEYS = ("steps", "values", "timestamps")


class Appended:
    """A file that grows at its end; what a failed or killed write left there is cut off first.

    Args:
      path: the file; what it holds already is kept, up to its first `size` bytes.
    """

    def __init__(self, path: Path, size: int | None = None):
        self.path = path
        there = path.stat().st_size if path.exists() else 0
        self.size = there if size is None else min(size, there)

    def append(self, settled: bytes, loose: bytes = b"") -> None:
        """Add `settled`; `loose` comes behind it until the next call replaces it.

        Raises:
          OSError: it cannot be written; the next call writes to the same place.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        with naming(self.path), open(handle, "r+b") as file:
            file.truncate(self.size)
            file.seek(self.size)
            file.write(settled + loose)
            file.flush()
            os.fsync(file.fileno())
        self.size += len(settled)


def open_journal(folder: Path, points: int | None = None) -> Appended:
    """The curves of a run, to be gone on with; a line that a kill has torn is left out.

    Args:
      points: the first ones, which are kept; None keeps all. Lines stay whole.

    Raises:
      ValueError: the folder holds curves that cannot be read.
    """
    path = folder / JOURNAL
    if not path.exists() and (folder / CURVES).exists():  # begun before there were journals
        write_text(path, json.dumps(read_object(folder / CURVES)) + "\n")
    whole = 0
    if path.exists():
        with open(path, "rb") as file:
            whole = sum(len(line) for line in file if line.endswith(b"\n"))
    if points is not None:
        kept = 0
        for entry, place in read_curves(folder, lambda line: None):
            points -= count_points(entry)
            if points < 0:
                break
            kept = place
        whole = kept if points < 0 else whole
    journal = Appended(path, whole)
    if path.exists():
        journal.append(b"")
    return journal


def read_curves(
    folder: Path, log: Callable[[str], None], start: int = 0
) -> Iterator[tuple[dict[str, dict[str, list]], int]]:
    """Yield ({metric: {"steps": […], "values": […], "timestamps": […]}}, place behind it).

    Args:
      log: prints lines that cannot be read; they are left out.
      start: a place to read from.
    """
    path = folder / JOURNAL
    if not path.exists():
        if (folder / CURVES).exists() and not start:
            yield _checked(read_object(folder / CURVES), folder / CURVES), 1
        return
    place = start
    with open(path, "rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):  # still being written, or torn
                return
            place += len(line)
            try:
                entry = _checked(parse_json(line, path), path)
            except ValueError:
                log(f"{path}: the line before byte {place} is not a record of curves; left out")
                continue
            yield entry, place


def whole_curves(
    folder: Path, log: Callable[[str], None] = lambda line: None
) -> dict[str, dict[str, list]]:
    """{metric: {"steps": […], "values": […], "timestamps": […]}} of a whole run.

    Args:
      log: prints lines that cannot be read; they are left out.

    Raises:
      ValueError: the curves are damaged. OSError: they cannot be read.
    """
    curves: dict[str, dict[str, list]] = {}
    for entry, _ in read_curves(folder, log):
        for name, points in entry.items():
            found = curves.setdefault(name, {key: [] for key in KEYS})
            for key in KEYS:
                found[key] += points[key]
    return curves


def count_points(curves: Mapping[str, Mapping[str, list]]) -> int:
    """How many points curves have in all."""
    return sum(len(points["steps"]) for points in curves.values())


def write_curves(folder: Path) -> int:
    """Write the journal once more in Sacred's form; returns how many points there are."""
    curves = whole_curves(folder)
    if curves:
        write_text(folder / CURVES, json.dumps(curves) + "\n")
    return count_points(curves)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
      ValueError: it holds anything else, or nothing.
      OSError: it cannot be read.
    """
    data = read_limited(path)
    try:
        value = parse_json(data, path, "remove it, or take it from a copy", object)
    except ValueError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: not a JSON file: {text}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected one JSON object, found {type(value).__name__}")
    return value


def read_record(folder: Path) -> dict[str, Any]:
    """The `run.json` of a folder.

    Raises:
      ValueError: it is no record of a run.
      OSError: it cannot be read.
    """
    record = read_object(folder / RUN)
    wrong = [key for key in ("status", "start_time") if not isinstance(record.get(key), str)]
    if wrong or not isinstance(record.get("experiment"), dict):
        missing = (wrong or ["experiment"])[0]
        raise ValueError(f"{folder / RUN}: no record of a run: {missing} is missing or no such")
    return record


def identity(folder: Path, record: Mapping[str, Any]) -> str:
    """What names a run wherever it is recorded; the same in all sessions of a folder."""
    if isinstance(record.get("uid"), str):
        return record["uid"]
    first = folder / "run-1.json"  # begun before runs had names
    if first.exists():
        with contextlib.suppress(ValueError, OSError):
            record = read_object(first)
    host = record.get("host")
    name = host.get("hostname") if isinstance(host, dict) else ""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {record.get('start_time')} {folder.name}").hex


def close_if_dead(folder: Path, held: bool = False) -> bool:
    """Let the record of a run whose process is gone say so: DIED instead of RUNNING for ever.

    A process holds a lock for as long as it records; a lock ends with its process. A run on
    another machine, whose locks may not be seen here, is dead when it was silent for ten minutes.

    Args:
      held: the caller holds the lock, so that whatever recorded here is dead.

    Returns:
      whether the record was changed.

    Raises:
      ValueError: no record of a run.
      OSError: it cannot be read or written.
    """
    if read_record(folder)["status"] != "RUNNING":
        return False
    lock = folder / ALIVE if (folder / ALIVE).exists() else folder
    with contextlib.ExitStack() as stack:
        try:
            if not held:
                stack.enter_context(locked(lock, BlockingIOError()))
        except OSError:  # held, or a file system without locks: nothing is known
            return False
        record = read_record(folder)  # it may have ended meanwhile
        last = str(record.get("heartbeat") or record["start_time"])
        if record["status"] != "RUNNING" or (not held and _talks_elsewhere(record, last)):
            return False
        why = f"the process ended without a word (killed?); last sign of life: {last}"
        (folder / RESERVE).unlink(missing_ok=True)
        record |= {"status": "DIED", "stop_time": last, "fail_trace": [why]}
        write_json(folder / RUN, record)
        if (folder / JOURNAL).exists():
            write_curves(folder)
    return True


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, arrays and tuples as lists, times and paths as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def run_folders(root: Path) -> list[Path]:
    """The run folders in a folder, or the folder itself.

    Raises:
      ValueError: there is no such folder.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder of runs")
    found = []
    for place, folders, files in os.walk(root):
        if RUN in files:
            found.append(Path(place))
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
    return found


def _checked(entry: Any, path: Path) -> dict[str, dict[str, list]]:
    if not isinstance(entry, dict):
        raise ValueError(f"{path}: expected curves by name")
    for name, points in entry.items():
        lists = [points.get(key) if isinstance(points, dict) else None for key in KEYS]
        if not all(isinstance(items, list) and len(items) == len(lists[0]) for items in lists):
            raise ValueError(f"{path}: {name} is no curve")
    return entry


def _talks_elsewhere(record: Mapping[str, Any], last: str) -> bool:
    host = record.get("host")
    if not isinstance(host, dict) or host.get("hostname") in (None, platform.node()):
        return False
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    with contextlib.suppress(ValueError):
        return now - datetime.datetime.fromisoformat(last) < SILENCE
    return False
