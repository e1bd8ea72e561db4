"""Archives of arrays (.npz), read within bounds: how large an array is, is known before it is made.

A few megabytes of an archive may unpack to any number of gigabytes.
"""

import math
import os
import zipfile
import zlib

import numpy as np
from numpy.lib.npyio import NpzFile

from common.audio_files import require_file

LARGEST = 2**31  # bytes of one array
HEADS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
BROKEN = (ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def opened(path: str | os.PathLike, what: str = "an archive of arrays (.npz)") -> NpzFile:
    """Open an archive, none of whose arrays is read yet.

    Args:
      what: it should be, for messages.

    Raises:
      ValueError: it is none. OSError: it cannot be read.
    """
    require_file(path)
    try:
        archive = np.load(path, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise ValueError(f"{path}: not {what} ({error})") from error
    if not isinstance(archive, NpzFile):
        raise ValueError(f"{path}: not {what}, but a single array")
    return archive


def array(
    archive: NpzFile,
    name: str,
    path: str | os.PathLike,
    shape: tuple[int, ...] | None = None,
    largest: int = LARGEST,
) -> np.ndarray:
    """Read an array of an archive.

    Args:
      path: of the archive, for messages.
      shape: what it must have; None takes any.
      largest: bytes that it may take in memory.

    Raises:
      ValueError: it is not there, damaged, of objects, of another shape or too large.
    """
    try:
        entry = f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name
        if archive.zip.getinfo(entry).compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ValueError("compressed in a way that NumPy does not write")
        with archive.zip.open(entry) as file:
            found, _, kind = HEADS[np.lib.format.read_magic(file)](file)
    except BROKEN as error:
        raise ValueError(f"{path}: {name} cannot be read as an array ({error})") from error
    if kind.hasobject:
        raise ValueError(
            f"{path}: {name} holds Python objects, which are not read; expected numbers"
        )
    if shape is not None and found != shape:
        raise ValueError(
            f"{path}: {name} has shape {found}, expected {shape}: resume with the configuration "
            "it was made with"
        )
    size = math.prod(found) * kind.itemsize
    if size > largest or (shape is not None and kind.kind != "U" and kind.itemsize > 16):
        raise ValueError(f"{path}: {name} takes {size} bytes; expected {largest} at most")
    try:
        return archive[name]
    except BROKEN as error:
        raise ValueError(f"{path}: {name} cannot be read as an array ({error})") from error
