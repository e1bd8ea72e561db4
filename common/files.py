"""Files that are whole or absent: written beside their final name, synced, renamed."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: The project's folder.
ROOT = Path(__file__).resolve().parents[1]


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
