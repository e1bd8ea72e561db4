"""Files that are whole or absent, and which files are looked at.

Files are written beside their final name, synced, renamed.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

#: The project's folder.
ROOT = Path(__file__).resolve().parents[1]


#: Every extension of audio files that is looked for, read and scored; of several files of one name
#: the first in this order is read: without loss, then lossy, then containers of many kinds.
AUDIO_EXTENSIONS = (
    ".wav", ".wave", ".flac", ".aiff", ".aif", ".aifc", ".w64", ".rf64", ".bwf", ".caf", ".au",
    ".snd", ".wv", ".tta", ".ape", ".tak",
    ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2", ".mpga", ".m4a", ".m4b", ".m4r", ".aac",
    ".ac3", ".eac3", ".ec3", ".dts", ".wma", ".amr", ".mpc",
    ".mka", ".weba", ".webm", ".mkv", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".asf", ".wmv",
    ".flv", ".avi", ".ogv", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".nut",
)  # fmt: skip
#: Folders that systems make for themselves; what lies in them is not the user's.
SYSTEM_FOLDERS = (
    "__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",
    "@eadir", "#recycle",
)  # fmt: skip


def is_audio(path: str | os.PathLike) -> bool:
    """Whether a file is audio by its name (hidden files are not)."""
    name = os.path.basename(os.fspath(path))
    return name.lower().endswith(AUDIO_EXTENSIONS) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def some(names: Iterable[str], most: int = 3) -> str:
    """Return the first of some names, and how many more there are: "a, b, c and 4 more"."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def files_below(top: str | os.PathLike, skipped: Counter | None = None) -> Iterator[Path]:
    """List the files below a folder in a fixed order, each folder once.

    Hidden files, hidden folders and those of the system are left out. Linked folders are walked as
    well, after the others; a folder that was walked already is not walked again.

    Args:
      top: the folder.
      skipped: counts what is left out, by what it is called in messages.

    Raises:
      OSError: `top` cannot be read; a folder below that cannot be read is left out and counted.
    """
    skipped = Counter() if skipped is None else skipped
    with os.scandir(top):
        pass
    waiting, seen = [Path(top)], set()
    linked: list[Path] = []
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError:
            skipped["folders that cannot be read"] += 1
            continue
        if (status.st_dev, status.st_ino) in seen:
            skipped["links to folders that were searched already"] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        below = []
        for entry in entries:
            if entry.is_dir():
                if is_hidden(entry.name):
                    skipped["hidden or system folders"] += 1
                else:
                    (linked if entry.is_symlink() else below).append(Path(entry.path))
            elif is_hidden(entry.name):
                skipped["hidden audio files"] += entry.name.lower().endswith(AUDIO_EXTENSIONS)
            else:
                yield Path(entry.path)
        waiting += reversed(below)


def require_file(path: str | os.PathLike) -> None:
    """Raise unless a path leads to a plain file: opening a pipe would wait, a device never end.

    Raises:
      OSError: nothing is there, or a folder.
      ValueError: a pipe, a socket or a device.
    """
    path = os.fspath(path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
        kind = next((kind for test, kind in kinds if test(mode)), "a device")
        raise ValueError(f"{path}: is {kind}, expected a file; save what it gives and name that")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the final extension (or `suffix`), so that encoders which look at it
    still work. When the block raises (or is interrupted) the temporary file is removed and an
    older file under the final name stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    extension = path.suffix if suffix is None else suffix
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=extension, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: str | os.PathLike) -> None:
    """Make a rename in `folder` survive a power cut, where the platform can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(
    path: str | os.PathLike,
    busy: Exception | None = None,
    wait: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold a folder or a file for this process alone; a lock ends with its process at the latest.

    Args:
      path: a folder that is there, or a file, which is made (and stays) where there is none.
      busy: raised where another process holds it; None waits until it does no longer.
      wait: called once before waiting.

    Raises:
      OSError: `path` cannot be opened.
    """
    flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy is not None:
                raise busy from None
            wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented JSON atomically (NaN is written as NaN, as museval does)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
