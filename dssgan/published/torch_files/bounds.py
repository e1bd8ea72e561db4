"""How much of PyTorch's files is read: checked before it is unpacked, and while it is."""

import os
import zipfile
from typing import BinaryIO

LARGEST = 2**31  # bytes of a file
PICKLE = 2**23  # bytes of the pickles in a file, whose tensors lie elsewhere
DIRECTORY = 2**22  # bytes of the list of an archive's files
INFLATED = 4  # times its size that a file may unpack to; numbers of weights hardly shrink
SHARED = 4  # times the numbers in a file that its tensors may have together
END, END_SIZE = b"PK\x05\x06", 22
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Bounded:
    """A file of pickles of which no more than `PICKLE` bytes are read.

    Args:
      file: opened for reading.
    """

    def __init__(self, file: BinaryIO):
        self.file, self.left = file, PICKLE

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the file."""
        return self._taken(self.file.read(min(size, self.left + 1)))

    def readline(self) -> bytes:
        """A line with its end."""
        return self._taken(self.file.readline(self.left + 1))

    def _taken(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"its pickles are longer than {PICKLE} bytes")
        return data


class Room:
    """Bytes that the tensors of a file may still take together."""

    def __init__(self, size: int):
        self.size = self.left = size

    def take(self, size: int) -> None:
        """Take some (ValueError where they are more than what is left)."""
        self.left -= size
        if self.left < 0:
            raise ValueError(
                f"its tensors share numbers, and would take more than {self.size} bytes together"
            )


def check_directory(file: BinaryIO, size: int) -> None:
    """Refuse an archive whose list of files is too long (ValueError).

    Args:
      file: the archive, `size` bytes.
    """
    file.seek(max(0, size - END_SIZE - 2**16))
    tail = file.read()
    place = tail.rfind(END)
    length = int.from_bytes(tail[place + 12 : place + 16], "little")
    if length > DIRECTORY:
        raise ValueError(f"its list of files takes {length} bytes; expected {DIRECTORY} at most")
    file.seek(0, os.SEEK_SET)


def unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file of an archive, if it is not larger than it may be.

    Raises:
      ValueError: it is announced as larger than `most` bytes, or packed in another way than
        PyTorch's.
      zipfile.BadZipFile: it is damaged.
    """
    entry = archive.getinfo(name)
    if entry.compress_type not in METHODS:
        raise ValueError(f"{name[-80:]} has a compression that torch.save does not use")
    if entry.file_size > most:
        raise ValueError(
            f"{name[-80:]} would unpack to {entry.file_size} bytes; expected {most} at most"
        )
    with archive.open(entry) as file:  # no more is inflated than is asked for
        return file.read(entry.file_size)
