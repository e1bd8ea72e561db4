"""Songs that come through a pipe: kept in a temporary file while they are separated."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common.files import temporary_path
from dssgan.separation.inputs import SongFile

BLOCK = 2**20  # bytes
RESERVE = 2**26  # bytes that a pipe leaves free on the disk


def check_stdin() -> None:
    """Wait until standard input gives something.

    Raises:
      ValueError: it is closed, a terminal, or ends at once.
    """
    if sys.stdin is None or sys.stdin.isatty():
        kind = "closed" if sys.stdin is None else "a terminal"
        raise ValueError(
            f"standard input is {kind}: expected an audio file, as of 'cat song.mp3 |'"
        )
    if not sys.stdin.buffer.peek(1):
        raise ValueError("standard input: is empty (0 bytes); expected an audio file")


@contextlib.contextmanager
def readable(song: SongFile, folder: Path) -> Iterator[Path]:
    """Yield a file that can be read from anywhere: the song's own, or what its pipe gave.

    Errors of the block name the song, not the temporary file.

    Args:
      folder: where the temporary file lies as long as the block runs.

    Raises:
      ValueError: nothing came out of the pipe.
      OSError: it cannot be read, or fills the disk.
    """
    if not song.is_pipe:
        yield song.path
        return
    with temporary_path(folder, song.path.suffix) as path:
        name = os.fspath(path)
        try:
            with open(path, "wb") as file:
                _copy(song, file, folder)
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(name, song.shown)) from error
        except OSError as error:
            if error.filename is not None and os.fspath(error.filename) == name:
                raise OSError(error.errno, error.strerror, song.shown) from error
            raise


def _copy(song: SongFile, file, folder: Path) -> None:
    """Copy all that a pipe gives into a file."""
    from dssgan.separation.buffers import require_space  # brings NumPy

    with contextlib.ExitStack() as stack:
        source = sys.stdin.buffer if song.is_stdin else stack.enter_context(open(song.path, "rb"))
        size = 0
        while block := source.read(BLOCK):
            if not size % (16 * BLOCK):
                require_space(folder, len(block) + RESERVE, song.shown)
            file.write(block)
            size += len(block)
    if not size:
        raise ValueError(f"{song.shown}: is empty (0 bytes); expected an audio file")


@contextlib.contextmanager
def standard_output() -> Iterator[tuple[Path, "Sink"]]:
    """Take standard output for one file: within the block, all that is printed goes to stderr.

    Yields:
      A temporary folder, and what sends a file of it to standard output.

    Raises:
      ValueError: standard output is a terminal.
    """
    if sys.stdout is None or sys.stdout.isatty():
        raise ValueError(
            "-o -: standard output is a terminal or closed; redirect it: … -o - > drums.wav"
        )
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with (
            tempfile.TemporaryDirectory(prefix="dssgan-") as folder,
            contextlib.redirect_stdout(sys.stderr),
        ):
            yield Path(folder), Sink(kept)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class Sink:
    """Standard output as it was: takes a whole file, or bytes one after the other."""

    def __init__(self, handle: int):
        self._handle = handle

    def send(self, path: Path) -> None:
        """Write a file; BrokenPipeError where nobody reads any more."""
        with open(path, "rb") as file, self.opened() as out:
            shutil.copyfileobj(file, out, BLOCK)

    def opened(self):
        """A file of bytes that writes to standard output and leaves it open."""
        return open(self._handle, "wb", closefd=False)
