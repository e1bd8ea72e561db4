"""Files that are whole or absent, and files of others read within bounds."""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: The folder of the rooms: the checkout's, or `dssgan` where it is installed.
ROOT = Path(__file__).resolve().parents[1]
#: Where Python finds the project's packages.
PYTHON_PATH = ROOT if (ROOT / "dssgan").is_dir() else ROOT.parent
LARGEST = 2**26  # bytes of a text that is read whole
NOT_REGULAR = "a pipe or a device; expected a regular file"
PARTIAL = ".partial-"  # how the names of files begin that are being written
YOUNG = 1.0  # seconds in which a file is made, and locked
#: No space, no quota, a file larger than the system allows.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_swept = set[str]()


@contextlib.contextmanager
def temporary_path(folder: str | os.PathLike, suffix: str = "") -> Iterator[Path]:
    """Yield an empty file of this process in a folder, which its owner alone can read.

    It is gone after the block. What a killed process left there is removed by the next one that
    makes such a file in the folder.

    Args:
      suffix: the end of its name.
    """
    remove_abandoned(folder)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=suffix, dir=folder)
    try:
        _claimed(handle)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def atomic_path(
    path: str | os.PathLike, suffix: str | None = None, mode: int = 0o666
) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the final extension (or `suffix`), so that encoders which look at it
    still work. When the block raises (or is interrupted) the temporary file is removed and an
    older file under the final name stays as it was. An error of a full disk names `path`.

    Args:
      mode: permissions of the file, less those that the process takes away (umask).
    """
    path = Path(path)
    extension = path.suffix if suffix is None else suffix
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_path(path.parent, extension) as temporary:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, mode & ~umask)
            os.replace(temporary, path)
            sync_folder(path.parent)


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Let what the block raises about a full disk name `path`, the file that is written.

    Python names no file where a write fails, and the source where a copy does.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        unknown = not isinstance(name, str | os.PathLike) or error.filename2 is not None
        if error.errno in FULL and (unknown or Path(name).name.startswith(PARTIAL)):
            error.filename, error.filename2 = os.fspath(path), None
        raise


def remove_abandoned(folder: str | os.PathLike) -> None:
    """Remove temporary files of processes that have ended; a folder is looked through once.

    A process locks what it writes, and a lock ends with its process; where a file system has no
    locks, nothing is removed.
    """
    folder = os.path.realpath(folder)
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):
        for path in Path(folder).glob(f"{PARTIAL}*"):
            with contextlib.suppress(OSError), open(path, "r+b") as file:
                if time.time() - path.stat().st_ctime < YOUNG:  # it may not be locked yet
                    _swept.discard(folder)
                elif _claimed(file.fileno()):
                    path.unlink()


def _claimed(handle: int) -> bool:
    """Lock an open file, where no one has; HDF5, which uses `flock`, does not see this lock."""
    try:
        whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, whole)
    except (OSError, AttributeError):  # held, or a system or file system without such locks
        return False
    return True


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


def write_bytes(path: str | os.PathLike, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to `path` atomically, with permissions as of `atomic_path`."""
    with atomic_path(path, mode=mode) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str, mode: int = 0o666) -> None:
    """Write UTF-8 `text` to `path` atomically, with permissions as of `atomic_path`."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"), mode)


def read_limited(path: str | os.PathLike, largest: int = LARGEST) -> bytes:
    """The content of a regular file.

    Raises:
      ValueError: a folder, pipe or device, or more than `largest` bytes.
      OSError: it is not there or cannot be read.
    """

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)  # a pipe without a writer would block

    with open(path, "rb", opener=opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path}: {NOT_REGULAR}")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(
            f"{path}: larger than {largest} bytes, the most that is read of such a file"
        )
    return data


def inside(folder: str | os.PathLike, name: Any, where: str | os.PathLike) -> Path:
    """The path of a file that another file names, if it lies below a folder.

    Args:
      folder: what it must lie below.
      name: a relative path with / between its parts.
      where: the file that names it, the beginning of the message.

    Raises:
      ValueError: not a text, an absolute path, or one that leads out of the folder, by .. or by a
        linked folder.
    """
    folder = Path(folder)
    good = isinstance(name, str) and name and "\0" not in name
    with contextlib.suppress(UnicodeEncodeError):  # a name that no file can have
        if good and not Path(name).is_absolute() and ".." not in Path(name).parts:
            path = folder / name
            os.fsencode(name)
            if path.parent.resolve().is_relative_to(folder.resolve()):
                return path
    shown = repr(name)[:200]
    raise ValueError(f"{where}: names the file {shown}, which is not below {folder}: refused")


def check_name(name: Any, what: str) -> str:
    """Check a name that becomes part of a file's name, such as that of a source.

    Args:
      what: where it stands, the beginning of the message.

    Raises:
      ValueError: not a text of 1 to 100 printable characters (200 bytes at most), or with / or \\
        in it, or led by a dot.
    """
    good = isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable()
    good = good and len(name.encode()) <= 200
    if not good or set("/\\") & set(name) or name.startswith("."):
        raise ValueError(
            f"{what}: {str(name)[:120]!r} cannot be a name; expected 1 to 100 printable characters "
            "(200 bytes) without / and \\, the first no dot"
        )
    return name
