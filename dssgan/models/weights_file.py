"""Files of weights (HDF5), checked before they are read: no more numbers than the model has."""

import os
from pathlib import Path

import h5py

from common.audio_files import require_file

ROOM = 2**20  # bytes beside the model's numbers


def check(path: str | os.PathLike, most: int) -> None:
    """Check what a file of weights announces; nothing of it is read.

    Args:
      most: bytes of the model's numbers.

    Raises:
      ValueError: no HDF5 file; arrays of more bytes, arrays or links that lead to other files.
      OSError: it is not there or cannot be read.
    """
    path = Path(path)
    require_file(path)
    with open(path, "rb"):
        pass
    size, arrays, wrong = 0, 0, ""

    def visit(name: str, link: object) -> str | None:
        nonlocal size, arrays
        if not isinstance(link, h5py.HardLink):
            return f"{name[:100]} is a link, which may lead to another file"
        found = file[name]
        if isinstance(found, h5py.Dataset):
            if found.is_virtual or found.external:
                return f"{name[:100]} has its numbers in another file"
            size, arrays = size + found.nbytes, arrays + 1
            if size > most + ROOM:
                return f"its arrays announce {size} bytes or more, the model has {most}"
        return None

    try:
        with h5py.File(path, "r") as file:
            wrong = file.visititems_links(visit) or ""
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"{path}: not a file of weights (HDF5): {reason}") from error
    if wrong:
        raise ValueError(f"{path}: {wrong}")
