"""Queues of audio rows: a short one in memory, a long one in a temporary file.

The file is written and read with plain calls. A memory map would be less code, but its pages count
as resident memory, and three hours of stems are many gigabytes.
"""

import errno
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator

import numpy as np

BLOCK = 1 << 16


def require_space(folder: str | os.PathLike | None, size: int, what: str) -> None:
    """Say before the work starts that `folder` cannot hold `size` bytes; None as of `DiskBuffer`.

    Raises:
      OSError: fewer bytes are free; the message names the folder and both sizes.
    """
    folder = folder or tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            errno.ENOSPC,
            f"{what} needs {size / 1e9:.2f} GB of temporary space, {free / 1e9:.2f} GB are free",
            os.fspath(folder),
        )


class Fifo:
    """Rows in memory; what went in first comes out first.

    Args:
      shape: shape of one row.
    """

    def __init__(self, *shape: int):
        self._shape = shape
        self._blocks: deque[np.ndarray] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, rows: np.ndarray) -> None:
        """Put (rows, *shape) in."""
        if len(rows):
            self._blocks.append(rows)
            self._length += len(rows)

    def pop(self, count: int) -> np.ndarray:
        """Take the oldest `count` rows out: float32 (count, *shape).

        Raises:
          ValueError: fewer rows are there.
        """
        if count > self._length:
            raise ValueError(f"asked for {count} rows of {self._length}")
        parts = []
        missing = count
        while missing:
            block = self._blocks.popleft()
            if len(block) > missing:
                self._blocks.appendleft(block[missing:])
                block = block[:missing]
            parts.append(block)
            missing -= len(block)
        self._length -= count
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, *self._shape), np.float32)


class DiskBuffer:
    """float32 rows in a temporary file that has no name, so that not even a kill leaves it behind.

    Args:
      shape: shape of one row.
      folder: where the file lives; None for the system's temporary folder.
    """

    def __init__(self, *shape: int, folder: str | os.PathLike | None = None):
        self._shape = shape
        self._row_bytes = 4 * int(np.prod(shape))
        self._folder = os.fspath(folder or tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __enter__(self) -> "DiskBuffer":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Write (rows, *shape) at the end.

        Raises:
          OSError: the disk is full.
        """
        data = memoryview(np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8))
        try:
            self._file.seek(self._length * self._row_bytes)
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            text = f"{error.strerror} while writing audio to a temporary file"
            raise OSError(error.errno, text, self._folder) from error
        self._length += len(rows)

    def reader(self) -> "DiskBufferReader":
        """A reader that starts at the first row; every reader keeps its own place."""
        return DiskBufferReader(self)

    def blocks(self, rows: int = BLOCK) -> Iterator[np.ndarray]:
        """All rows in order, `rows` at a time."""
        reader = self.reader()
        while len(reader):
            yield reader.pop(min(rows, len(reader)))

    def _read(self, start: int, count: int) -> np.ndarray:
        rows = np.empty((count, *self._shape), np.float32)
        data = memoryview(rows.reshape(-1).view(np.uint8))
        self._file.seek(start * self._row_bytes)
        while data:
            size = self._file.readinto(data)
            if not size:
                raise OSError(errno.EIO, "the temporary file lost audio", self._folder)
            data = data[size:]
        return rows


class DiskBufferReader:
    """Reads a disk buffer from its start; `pop` and `len` as of a `Fifo`."""

    def __init__(self, buffer: DiskBuffer):
        self._buffer = buffer
        self._place = 0

    def __len__(self) -> int:
        return len(self._buffer) - self._place

    def pop(self, count: int) -> np.ndarray:
        """The next `count` rows: float32 (count, *shape).

        Raises:
          ValueError: fewer rows are left.
        """
        if count > len(self):
            raise ValueError(f"asked for {count} rows of {len(self)}")
        rows = self._buffer._read(self._place, count)
        self._place += count
        return rows
