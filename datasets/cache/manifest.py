"""The manifest of a prepared cache: its format, reading, writing, damage."""

import json
import os
from pathlib import Path
from typing import Any

from common.digests import content_digest, file_digest
from common.files import write_text
from datasets.track import SPLITS

FORMAT = 1
MANIFEST = "manifest.json"


def read_manifest(root: str | os.PathLike) -> dict[str, Any]:
    """Read and verify `manifest.json`.

    Raises:
      OSError: no such folder.
      ValueError: no manifest (the cache is not finished), or not the one that was written.
    """
    root = Path(root).expanduser()
    path = root / MANIFEST
    with os.scandir(root):
        pass
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(
            f"{root}: holds no finished cache (no {MANIFEST}); run `python -m datasets prepare` "
            "(again): it goes on where it stopped"
        ) from None
    try:
        manifest = json.loads(data.decode("utf-8", "surrogateescape"))
        whole = serialise(manifest).encode("utf-8", "surrogateescape") == data
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{path}: is not what was written (its checksum differs); prepare again")
    if manifest["format"] != FORMAT:
        raise ValueError(f"{path}: format {manifest['format']}, expected {FORMAT}; prepare again")
    return manifest


def write_manifest(root: Path, dataset: str, songs: list[dict], skipped: list[str]) -> dict:
    """Write `manifest.json`: sorted, without times, the same bytes for the same content."""
    manifest = {
        "format": FORMAT,
        "checksum": "",
        "dataset": dataset,
        "rates": sorted({int(rate) for song in songs for rate in song["files"]}, reverse=True),
        "skipped": sorted(skipped),
        "songs": sorted(songs, key=lambda song: (SPLITS.index(song["split"]), song["name"])),
    }
    write_text(root / MANIFEST, serialise(manifest))
    return manifest


def serialise(manifest: dict[str, Any]) -> str:
    """The text of a manifest, with the checksum of all the rest in it."""
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    manifest["checksum"] = content_digest(json.dumps(rest, sort_keys=True))
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"


def faults(root: str | os.PathLike, watch=iter) -> list[str]:
    """Compare every file of a cache with its checksum.

    Args:
      root: the cache.
      watch: wraps the list of files, for instance in a progress bar.

    Returns:
      One line per file that is missing or changed; empty when all is well.

    Raises:
      OSError, ValueError: as `read_manifest`.
    """
    root = Path(root).expanduser()
    found = []
    files = [file for song in read_manifest(root)["songs"] for file in song["files"].values()]
    for file in watch(files):
        path = root / file["path"]
        try:
            if path.stat().st_size != file["bytes"]:
                found.append(f"{path}: {path.stat().st_size} bytes, expected {file['bytes']}")
            elif file_digest(path) != file["sha256"]:
                found.append(f"{path}: changed since it was written (its checksum differs)")
        except OSError as error:
            found.append(f"{path}: {error.strerror}")
    return found
