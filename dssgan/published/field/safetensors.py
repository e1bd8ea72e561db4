"""Files in the format safetensors → NumPy: a header in JSON and plain numbers, nothing to run."""

import math
import os
from pathlib import Path

import numpy as np

from common.audio_files import require_file
from common.json_files import parse_json

LARGEST_HEADER = 2**24  # bytes
ADVICE = "download it again"
#: Type in the header → of NumPy; bfloat16 is read as the upper half of float32.
TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "<i1", "U8": "<u1", "BOOL": "<?",
}  # fmt: skip


def load(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a file by their names; bfloat16 as float32.

    Raises:
      ValueError: it is no such file, damaged or cut off: one line that names the file.
      OSError: it cannot be read.
    """
    require_file(path)
    data = Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(LARGEST_HEADER, len(data) - 8):
        raise ValueError(f"{path}: not a whole safetensors file: its header is cut off; {ADVICE}")
    header = parse_json(data[8 : 8 + size], path, ADVICE)
    header.pop("__metadata__", None)
    numbers = memoryview(data)[8 + size :]
    try:
        return {name: _tensor(entry, numbers) for name, entry in header.items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{path}: not a whole safetensors file ({reason}); {ADVICE}") from error


def _tensor(entry: dict, numbers: memoryview) -> np.ndarray:
    kind, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in TYPES:
        raise ValueError(f"tensors of type {str(kind)[:20]!r} cannot be read")
    whole = [*shape, start, stop]
    if not all(type(value) is int and value >= 0 for value in whole):
        raise ValueError("shapes and places must be whole numbers")
    dtype = np.dtype(TYPES[kind])
    if stop > len(numbers) or stop - start != dtype.itemsize * math.prod(shape):
        raise ValueError(f"a tensor of shape {shape} at {start} to {stop} does not fit")
    found = np.frombuffer(numbers[start:stop], dtype).reshape(shape)
    if kind == "BF16":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found
