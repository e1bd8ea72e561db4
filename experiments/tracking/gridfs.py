"""The files of a run, sources and artifacts, and their way into a database's GridFS."""

import contextlib
import functools
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.audio_files import require_file
from common.digests import file_digest
from common.files import inside
from experiments.tracking import records
from experiments.tracking.documents import is_cut, object_id

SOURCES = "_sources"  # beside the runs: the programs that they ran


def files_of(
    folder: Path, record: dict[str, Any], uid: str, log: Callable[[str], None]
) -> dict[Any, dict[str, Any]]:
    """The files of a run by their ids in the database, which follow from name and content.

    A log that is too long for the run's document is one of them as soon as the run has ended.

    Args:
      uid: the run's; artifacts belong to it, sources to all runs that have the same ones.
      log: prints which files are not there, or that do not belong to the run.

    Returns:
      {id: {"name", "path", "kind": "source" or "artifact", "sha256"}}.
    """
    named = []
    sources = record["experiment"].get("sources")
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, list) and len(source) == 2:
            named.append((folder.parent, source[1], str(source[0]), "source"))
    artifacts = record.get("artifacts")
    for name in artifacts if isinstance(artifacts, list) else []:
        named.append((folder, name, str(name), "artifact"))
    if record["status"] != "RUNNING" and is_cut(folder):
        named.append((folder, records.LOG, records.LOG, "artifact"))
    found = {}
    for within, file, name, kind in named:
        path = within / str(file)[:200]
        try:
            path = _own(within, file, kind)
            require_file(path)
            digest = _checksum(path, path.stat().st_size, path.stat().st_mtime_ns)
        except OSError as error:
            log(f"{path}: {error.strerror or error}; this {kind} is left out")
            continue
        except ValueError as error:
            log(f"{error}; this {kind} is left out")
            continue
        key = object_id(f"{kind} {uid if kind == 'artifact' else ''} {name} {digest}")
        found[key] = {"name": name, "path": path, "kind": kind, "sha256": digest}
    return found


def _own(within: Path, name: Any, kind: str) -> Path:
    """The file that a record names; OSError where it is none of the run's own."""
    own = within / SOURCES if kind == "source" else within
    with contextlib.suppress(ValueError):
        path = inside(within, name, within)
        if path.resolve().is_relative_to(own.resolve()):
            return path
    raise OSError("it lies outside the runs")


def send_files(database: Any, uid: str, files: dict[Any, dict[str, Any]]) -> None:
    """Upload the files that the database lacks; remove artifacts that were written anew since.

    Raises:
      OSError: a file cannot be read.
      Exception: one of pymongo's kinds.
    """
    import gridfs

    bucket = gridfs.GridFSBucket(database)
    there = {}
    for file in database["fs.files"].find({"_id": {"$in": list(files)}}):
        there[file["_id"]] = (file["length"], (file.get("metadata") or {}).get("sha256"))
    for key, file in files.items():
        if there.get(key) == (file["path"].stat().st_size, file["sha256"]):
            continue
        _remove(bucket, key)  # half of it, from a delivery that was broken off
        owner = uid if file["kind"] == "artifact" else None
        kind = mimetypes.guess_type(file["name"])[0] or "application/octet-stream"
        metadata = {"sha256": file["sha256"], "run": owner, "contentType": kind}
        where = f"{file['kind']}://{owner or 'all'}/{file['name']}"
        with open(file["path"], "rb") as data:
            bucket.upload_from_stream_with_id(key, where, data, metadata=metadata)
    for old in list(database["fs.files"].find({"metadata.run": uid}, {"_id": 1})):
        if old["_id"] not in files:
            _remove(bucket, old["_id"])


def _remove(bucket: Any, key: Any) -> None:
    import gridfs
    import pymongo.errors as errors

    try:
        bucket.delete(key)
    except gridfs.NoFile:
        pass
    except errors.OperationFailure as error:
        if "not found" not in str(error):
            raise


@functools.lru_cache(maxsize=4096)
def _checksum(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, read once for as long as its size and its time stay the same."""
    del size, changed
    return file_digest(path)
