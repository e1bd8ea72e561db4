"""What separations have written: a record beside the stems, so that stems are not taken for songs.

Every folder that a separation writes stems into gets a file `.separation.json`:

    {"format": 1, "stems": {"drums.wav": {"bytes": 352844, "digest": "…"}, …}}

It names the files in that folder alone, so a folder that is moved or renamed keeps what is known of
it. The digest is that of a file's size, beginning and end: a file that was replaced or edited since
is a song like any other. The record is written atomically, under a lock of its folder, once all
stems of a song are whole; stems of several songs and of several runs add up in it. A record that
cannot be understood is no record.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from common.digests import facts_digest
from common.files import locked
from common.json_files import read_json, write_json

RECORD = ".separation.json"
FORMAT = 1
BLOCK = 65536  # bytes


def record_stems(paths: Iterable[Path]) -> None:
    """Note files as written by a separation, in the record of each one's folder.

    Raises:
      OSError: a file cannot be read, a record not be written.
    """
    folders: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(paths):
        folders.setdefault(path.parent, []).append(path)
    for folder, files in folders.items():
        with locked(folder):
            stems = _read(folder)
            stems = {name: facts for name, facts in stems.items() if (folder / name).exists()}
            stems |= {file.name: _facts(file) for file in files}
            write_json(folder / RECORD, {"format": FORMAT, "stems": dict(sorted(stems.items()))})


def recorded_stems(folder: Path) -> set[Path]:
    """The files in a folder that are still what a separation wrote there."""
    found = set()
    for name, facts in _read(folder).items():
        path = folder / name
        try:
            same = path.is_file() and path.stat().st_size == facts.get("bytes")
            if same and _facts(path) == facts:
                found.add(path)
        except OSError:
            continue
    return found


def _read(folder: Path) -> dict[str, dict]:
    """The stems of a folder's record; {} without one that can be understood."""
    try:
        content = read_json(folder / RECORD, {"format": int, "stems": {str: dict}})
    except (OSError, ValueError):
        return {}
    stems = content["stems"] if content["format"] == FORMAT else {}
    return {
        name: facts
        for name, facts in stems.items()
        if os.path.basename(name) == name and name not in ("", ".", "..") and "\0" not in name
    }


def _facts(path: Path) -> dict[str, int | str]:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - BLOCK))
        end = file.read(BLOCK)
        file.seek(0)
        return {"bytes": size, "digest": facts_digest(size, file.read(BLOCK), end)}
