"""What separations have written: a record beside the stems, so that stems are not taken for songs.

Every folder that a separation writes stems into gets a file `.separation.json`:

    {"format": 1, "stems": {"drums.wav": {"bytes": 352844, "digest": "…"}, …}}

It names the files in that folder alone, so a folder that is moved or renamed keeps what is known of
it. The digest is that of a file's size, beginning and end: a file that was replaced or edited since
is a song like any other. While a stem is being written its entry says "writing", so that what a
killed run leaves is known as well. The record is written atomically, under a lock of its folder;
stems of several songs and of several runs add up in it. One that cannot be understood is no record.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from common.digests import facts_digest
from common.files import locked
from common.json_files import read_json, write_json

RECORD = ".separation.json"
FORMAT = 1
BLOCK = 65536  # bytes
WRITING = "writing"  # of a stem that is not finished, in place of its facts


@contextlib.contextmanager
def recorded(paths: Iterable[Path]) -> Iterator[None]:
    """Note files as being written before the block and as written after it.

    What a killed run leaves is known as a separation's, then. When the block raises, the record is
    as it was.

    Raises:
      OSError: a file cannot be read, a record not be written.
    """
    paths = list(dict.fromkeys(paths))
    _change(paths, lambda path, facts: facts | {WRITING: True})
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # what the block raised is told
            _change(paths, lambda path, facts: {k: facts[k] for k in facts if k != WRITING})
        raise
    record_stems(paths)


def record_stems(paths: Iterable[Path]) -> None:
    """Note files as written by a separation, in the record of each one's folder.

    Raises:
      OSError: a file cannot be read, a record not be written.
    """
    _change(dict.fromkeys(paths), lambda path, facts: _facts(path))


def recorded_stems(folder: Path, unfinished: bool = True) -> set[Path]:
    """The files in a folder that are still what a separation wrote there.

    Args:
      unfinished: also those that a separation is writing, or was when it was killed.
    """
    found = set()
    for name, facts in _read(folder).items():
        path = folder / name
        try:
            if facts.get(WRITING):
                same = unfinished and path.is_file()
            else:
                same = path.is_file() and path.stat().st_size == facts.get("bytes")
                same = same and _facts(path) == facts
        except OSError:
            continue
        if same:
            found.add(path)
    return found


def _change(paths: Iterable[Path], change: Callable[[Path, dict], dict]) -> None:
    """Change what the records of files' folders say of them; nothing said is no entry."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    for folder, files in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            stems = {
                name: facts
                for name, facts in _read(folder).items()
                if facts.get(WRITING) or (folder / name).exists()
            }
            stems |= {file.name: change(file, stems.get(file.name, {})) for file in files}
            stems = {name: facts for name, facts in sorted(stems.items()) if facts}
            if stems:
                write_json(folder / RECORD, {"format": FORMAT, "stems": stems})
            else:
                (folder / RECORD).unlink(missing_ok=True)


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
