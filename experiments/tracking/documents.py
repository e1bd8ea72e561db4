"""A run folder's record as MongoDB's documents: what BSON can hold, below its 16 MB."""

import datetime
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.tracking import records

HEAD, TAIL = 100_000, 900_000  # bytes of a long log that the run's document holds
LARGE = 10_000_000  # bytes of info, as JSON, beyond which it is left to the files
SESSION = ("status", "start_time", "heartbeat", "stop_time")


def run_document(
    folder: Path,
    record: Mapping[str, Any],
    files: Mapping[Any, Mapping[str, Any]],
    log: Callable[[str], None],
) -> dict[str, Any]:
    """The document of a run in Sacred's layout, with names of its own for what Sacred lacks.

    `sessions` lists the earlier starts of a run that was taken up; curves and log are of them all.
    """
    document = {key: value for key, value in record.items() if key != "artifacts"}
    for key in ("start_time", "stop_time", "heartbeat"):
        if document.get(key):
            document[key] = moment(document[key])
    by_kind = {
        kind: [(file["name"], key) for key, file in files.items() if file["kind"] == kind]
        for kind in ("source", "artifact")
    }
    sources = [[name, key] for name, key in by_kind["source"]]
    document["experiment"] = dict(record["experiment"]) | {"sources": sources}
    document["artifacts"] = [{"name": name, "file_id": key} for name, key in by_kind["artifact"]]
    document["format"] = "MongoObserver-0.7.0"
    document["folder"] = folder.name
    document["config"] = _optional(folder / records.CONFIG, log)
    document["info"] = _optional(folder / records.INFO, log)
    if len(json.dumps(document["info"])) > LARGE:
        log(f"{folder / records.INFO}: too large for a document; left out")
        document["info"] = {}
    document["captured_out"] = log_text(folder)
    document["sessions"] = [
        {key: session.get(key) for key in SESSION} for session in _sessions(folder, log)
    ]
    return document


def log_text(folder: Path) -> str:
    """What a run printed; of a long log the beginning and the end."""
    path = folder / records.LOG
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        if not is_cut(folder):
            return file.read().decode("utf-8", "replace")
        head, size = file.read(HEAD), path.stat().st_size
        file.seek(size - TAIL)
        tail = file.read(TAIL)
    note = f"\n[… {size - HEAD - TAIL} bytes: the whole log is the artifact {records.LOG} …]\n"
    return head.decode("utf-8", "replace") + note + tail.decode("utf-8", "replace")


def is_cut(folder: Path) -> bool:
    """Whether a run's log is too long for its document."""
    path = folder / records.LOG
    return path.exists() and path.stat().st_size > HEAD + TAIL


def object_id(text: str) -> Any:
    """The id that follows from a text."""
    import bson

    return bson.ObjectId(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:12])


def moment(text: Any) -> Any:
    """A time of a record as a time of MongoDB (both are UTC)."""
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text


def valid(value: Any) -> Any:
    """A value that BSON can hold and JSON can show.

    Keys are texts without dots and leading dollars, as Sacred writes them; what is not finite is
    null, because Omniboard and JavaScript know no other word for it. The files keep it as it was.
    """
    if isinstance(value, Mapping):
        return {_key(key): valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [valid(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _key(key: Any) -> str:
    text = str(key).replace(".", ",").replace("\0", "")
    return "@" + text[1:] if text.startswith("$") else text


def _optional(path: Path, log: Callable[[str], None]) -> dict[str, Any]:
    try:
        return records.read_object(path) if path.exists() else {}
    except (ValueError, OSError) as error:
        log(f"{error}; left out")
        return {}


def _sessions(folder: Path, log: Callable[[str], None]) -> Iterable[dict[str, Any]]:
    number = 1
    while (path := folder / f"run-{number}.json").exists():
        yield _optional(path, log)
        number += 1
