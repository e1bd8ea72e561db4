"""The manifest of a prepared cache: its format, reading, writing, damage."""

import json
import os
from pathlib import Path
from typing import Any

from common.digests import content_digest, file_digest
from common.files import inside, read_limited, write_text
from common.json_files import check_type, parse_json
from datasets.track import SPLITS

FORMAT = 1
MANIFEST = "manifest.json"
ADVICE = "prepare again"
#: What is known of a song while its cache is made, and what the manifest says of it beside that.
RECORD = {
    "name": str,
    "fingerprint": str,
    "rows": [str],
    "levels": {str: {str: (float, type(None))}},
    "findings": [str],
    "files": {str: dict},
}
ENTRY = {
    "split": str,
    "channels": int,
    "seconds": float,
    "original_rate": int,
    "standard": [str],
    "sums": {str: [str]},
    "missing": [str],
    "warnings": [str],
}
OPTIONAL = ENTRY | {"identities": [str], "composition": str}
FILE = {"path": str, "samples": int, "bytes": int, "sha256": str}


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
        data = read_limited(path)
    except FileNotFoundError:
        raise ValueError(
            f"{root}: holds no finished cache (no {MANIFEST}); run `python -m datasets prepare` "
            "(again): it goes on where it stopped"
        ) from None
    try:
        manifest = parse_json(data, path)
        whole = manifest.get("checksum") == _checksum(manifest)
        whole = whole and serialise(manifest).encode("utf-8", "surrogateescape") == data
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"{path}: is not what was written (its checksum differs); prepare again")
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"{path}: format {manifest.get('format')}, expected {FORMAT}; prepare again"
        )
    for key, kind in {"dataset": str, "rates": list, "skipped": list, "songs": list}.items():
        check_type(manifest.get(key), kind, f"{path}: {key}", ADVICE)
    for place, song in enumerate(manifest["songs"]):
        check_song(song, RECORD | ENTRY, root, path, f"songs[{place}]")
        if song["split"] not in SPLITS or any(
            str(r) not in song["files"] for r in manifest["rates"]
        ):
            raise ValueError(f"{path}: songs[{place}]: a split or a file is missing: {ADVICE}")
    return manifest


def check_song(
    song: Any, expected: dict[str, type], root: Path, path: Path, where: str = ""
) -> None:
    """Check what a file says of a song: types, sizes, and that its files lie in the cache.

    Args:
      expected: `RECORD`, or with `ENTRY`.
      root: the cache. path: of the file that says it. where: its place in there.

    Raises:
      ValueError: something else than `prepare` writes.
    """
    start = f"{path}: {where}".removesuffix(": ")
    check_type(song, dict, start, ADVICE)
    for key, kind in expected.items():
        check_type(song.get(key), kind, f"{start}: {key}", ADVICE)
    for key, kind in OPTIONAL.items():
        if key in song:
            check_type(song[key], kind, f"{start}: {key}", ADVICE)
    for rate, file in song["files"].items():
        for key, kind in FILE.items():
            check_type(file.get(key), kind, f"{start}: files.{rate}.{key}", ADVICE)
        inside(root, file["path"], path)
        if not rate.isdecimal() or not 0 <= file["samples"] * len(song["rows"]) <= file["bytes"]:
            raise ValueError(f"{start}: files.{rate}: a size that cannot be: {ADVICE}")


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
    manifest["checksum"] = _checksum(manifest)
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"


def _checksum(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    return content_digest(json.dumps(rest, sort_keys=True))


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
