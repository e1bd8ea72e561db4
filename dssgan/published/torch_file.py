"""PyTorch checkpoints → NumPy, without PyTorch and without running code from the file.

Reads both layouts of `torch.save`: the zip archive (1.6 and later) and the older sequence of
pickles (the published Meta-TasNet weights were written by PyTorch 1.4). The unpickler knows
tensors, ordered dicts and argparse's Namespace; any other global in the file becomes an inert
placeholder that can do nothing.
"""

import argparse
import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Inert:
    """Stands for a class or function of the file that is not data; keeps nothing, does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def __setitem__(self, key, value):
        pass


class Storage:
    """The numbers of a tensor; filled at once (zip) or after the pickles (legacy)."""

    def __init__(self, kind: str, key: str, count: int):
        if kind not in DTYPES:
            raise ValueError(f"tensor type {kind} is not supported")
        self.kind, self.key, self.count = kind, key, count
        self.values: np.ndarray | None = None

    def fill(self, data: bytes) -> None:
        values = np.frombuffer(data, DTYPES[self.kind])
        if len(values) != self.count:
            raise ValueError(
                f"truncated: {len(values)} of {self.count} numbers of tensor {self.key}"
            )
        if self.kind == "BFloat16Storage":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        self.values = values


class Tensor:
    """A view of a storage; becomes an array once the storage is filled."""

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> np.ndarray:
        values = self.storage.values
        span = sum((n - 1) * s for n, s in zip(self.shape, self.strides)) if self.shape else 0
        if 0 in self.shape:
            return np.zeros(self.shape, values.dtype)
        if self.offset < 0 or min(self.strides, default=0) < 0 or self.offset + span >= len(values):
            raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage")
        strides = tuple(stride * values.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return view.copy()


def _rebuild_tensor(storage, offset, shape, strides, *rest) -> Tensor:
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *rest) -> Tensor:
    return tensor


ALLOWED = {
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("argparse", "Namespace"): argparse.Namespace,
}


class Unpickler(pickle.Unpickler):
    """Builds tensors and plain containers; never imports what the file names."""

    def __init__(self, file, storages: dict[str, Storage]):
        super().__init__(file, encoding="latin-1")
        self.storages = storages

    def find_class(self, module, name):
        if module == "torch" and name.endswith("Storage"):
            return type(name, (), {"kind": name})
        return ALLOWED.get((module, name), Inert)

    def persistent_load(self, saved):
        _, kind, key, _, count = saved[:5]
        kind = getattr(kind, "kind", "unknown")
        return self.storages.setdefault(key, Storage(kind, key, count))


def load(path) -> Any:
    """The object in a `.pt` file with every tensor as a NumPy array (bfloat16 as float32).

    Raises:
      ValueError: not a PyTorch file, truncated, or of a tensor type that is not supported.
      OSError: it cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        read = _read_zip if zipfile.is_zipfile(io.BytesIO(data)) else _read_legacy
        return _finish(read(data))
    except (ValueError, KeyError, TypeError, EOFError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a readable PyTorch file ({error}); expected torch.save's output"
        ) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: damaged PyTorch file ({error}); download it again") from error


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        main = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = main.removesuffix("data.pkl")
        storages: dict[str, Storage] = {}
        content = Unpickler(io.BytesIO(archive.read(main)), storages).load()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def _read_legacy(data: bytes) -> Any:
    file, storages = io.BytesIO(data), {}
    if Unpickler(file, storages).load() != LEGACY_MAGIC:
        raise ValueError("the first pickle is not PyTorch's mark")
    for _ in ("protocol version", "system information"):
        Unpickler(file, storages).load()
    content = Unpickler(file, storages).load()
    for key in Unpickler(file, storages).load():
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError(f"tensor {key} has {count} numbers, {storage.count} were announced")
        storage.fill(file.read(count * DTYPES[storage.kind].itemsize))
    return content


def _finish(value: Any) -> Any:
    """Replace tensors by arrays in containers."""
    if isinstance(value, Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _finish(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_finish(item) for item in value)
    return value
