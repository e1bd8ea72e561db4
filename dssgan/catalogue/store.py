"""The store: a folder with a folder for each separator of this machine."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.cli import UsageError, one_line
from common.digests import file_digest
from common.files import locked, sync_folder
from common.json_files import read_json, write_json
from dssgan import exports
from dssgan.catalogue import entries
from dssgan.catalogue.entries import Entry
from dssgan.config.sizes import check_export

RECORD = "catalogue.json"  # what is known of a separator, beside it
STAGING, REPLACED = ".adding-", ".replaced~"  # how folders begin that are not yet, or no longer
ADVICE = "add the separator again"
SOURCE = {"kind": str, "place": str, "sha256?": str, "etag?": str, "size?": int, "config?": str}
KINDS = {
    "format": int,
    "name": str,
    "system": str,
    "sources": [str],
    "size": int,
    "licence": str,
    "scores?": entries.SCORES,
    "source": SOURCE,
    "weights_sha256": str,
    "added": str,
}


def check_name(name: str) -> str:
    """A name that a separator of the store may have.

    Raises:
      UsageError: another.
    """
    if not exports.NAME.fullmatch(name):
        raise UsageError(
            f"{name[:100]!r} cannot be a name: expected 1 to 64 letters of a to z, digits and "
            "._+-, the first a letter or digit, the last no dot; choose one with --name"
        )
    return name


def all_entries() -> dict[str, Entry]:
    """The separators of this machine by name; one that is damaged has a `fault`."""
    return {name: read(name, folder) for name, folder in exports.stored().items()}


def read(name: str, folder: Path) -> Entry:
    """What is known of a separator of the store; its `fault` says what is wrong with it."""
    try:
        exports.find_export(folder)
        check_export(folder / exports.CONFIG)
        found = entries.described(name, folder)
        if not (folder / RECORD).is_file():
            return found
        record = read_record(folder)
    except (ValueError, OSError) as error:
        return Entry(name, folder=folder, fault=one_line(error))
    source = record["source"]
    facts = {"from": source["place"], "its sha256": source.get("sha256")}
    facts |= {"its configuration": source.get("config"), "added": record["added"]}
    return Entry(
        name,
        found.system,
        found.sources,
        found.size,
        record["licence"],
        record.get("scores") or {},
        folder,
        dict(found.facts) | facts,
    )


def read_record(folder: Path) -> dict[str, Any]:
    """The catalogue's own file of a separator.

    Raises:
      ValueError: it is damaged. OSError: it is not there, or cannot be read.
    """
    return read_json(folder / RECORD, KINDS, ADVICE)


def records() -> dict[str, dict[str, Any]]:
    """{name: record} of the separators whose record can be read."""
    found = {}
    for name, folder in exports.stored().items():
        with contextlib.suppress(ValueError, OSError):
            found[name] = read_record(folder)
    return found


def verify(folder: Path) -> str:
    """Check an exported separator: its configuration, and the checksums that it names.

    Returns:
      the SHA-256 of its weights.

    Raises:
      ValueError: it is none, or a file is not what its configuration says. OSError: unreadable.
    """
    exports.find_export(folder)
    config = folder / exports.CONFIG
    check_export(config)
    entries.described("", folder)
    exports.chunks_of(folder)
    known = read_json(config, {**exports.IDENTITY, "onnx?": {"sha256?": str}}, exports.ADVICE)
    weights = file_digest(folder / exports.WEIGHTS)
    onnx = folder / exports.ONNX
    pairs = [(exports.WEIGHTS, weights, known.get("weights_sha256"))]
    if onnx.is_file():
        pairs.append((exports.ONNX, file_digest(onnx), (known.get("onnx") or {}).get("sha256")))
    for name, found, expected in pairs:
        if expected is not None and found != expected:
            raise ValueError(
                f"{folder / name}: its SHA-256 begins {found[:12]}, {exports.CONFIG} says "
                f"{expected[:12]}: copy or export the separator again"
            )
    return weights


@contextlib.contextmanager
def changing() -> Iterator[Path]:
    """Yield the store, made where it was not there, for this process alone.

    What a killed process left half done is undone first.

    Raises:
      ValueError: it cannot be written, or another process changes it.
    """
    folder = exports.store_folder()
    hint = f"set {exports.STORE} to a folder that you can write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", os.fspath(folder))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{folder}: the store cannot be written ({reason}): {hint}") from error
    busy = ValueError(
        f"{folder}: another process adds or removes a separator: wait until it has ended"
    )
    with locked(folder, busy):
        _recover(folder)
        yield folder


def _recover(folder: Path) -> None:
    """Finish or undo what a killed process has begun."""
    for path in folder.glob(f"{REPLACED}*"):
        name = path.name.removeprefix(REPLACED)
        if exports.NAME.fullmatch(name) and not (folder / name).exists():
            path.rename(folder / name)
        else:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f"{STAGING}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield an empty folder in the store for a separator to be; it is gone after the block."""
    place = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def install(place: Path, name: str, known: dict[str, Any]) -> Path:
    """Verify a separator in `staging`, write its record and give it its name.

    Args:
      known: "source" as of `SOURCE`; "licence" and "scores" where its configuration has none.

    Returns:
      its folder.
    """
    weights = verify(place)
    found = entries.described(name, place)
    record = {
        "format": 1,
        "name": name,
        "system": found.system,
        "sources": list(found.sources),
        "size": found.size,
        "licence": known.get("licence") or found.licence,
        "scores": dict(found.scores) or known.get("scores") or None,
        "source": known["source"],
        "weights_sha256": weights,
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(place / RECORD, record)
    final = place.parent / name
    old = place.parent / f"{REPLACED}{name}"
    if final.exists():
        final.rename(old)
    place.rename(final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)
    return final


def remove(folder: Path, name: str) -> None:
    """Remove a separator from the store.

    Args:
      folder: the store.

    Raises:
      ValueError: it is no entry of the catalogue.
    """
    place = folder / check_name(name)
    if place.is_symlink() or not place.is_dir():
        raise ValueError(f"{place}: a link or a file, no folder of the catalogue: left as it is")
    if not (place / RECORD).is_file():
        raise ValueError(
            f"{place}: no {RECORD} in it, so the catalogue did not make it: delete it by hand"
        )
    gone = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    place.rename(gone / name)
    shutil.rmtree(gone)
