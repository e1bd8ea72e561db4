"""Tensors as PyTorch's files describe them: numbers in storages, and views of them."""

import math

import numpy as np

from common.safe_pickle import Refused
from dssgan.published.torch_files.bounds import Room

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


class Unsupported(ValueError):
    """The file may be whole, but it holds tensors that cannot be read."""


class Storage:
    """The numbers of a tensor; filled at once (zip) or after the pickles (legacy)."""

    def __init__(self, kind: str, key: str, count: int):
        self.kind, self.key, self.count = kind, key, count
        self.values: np.ndarray | None = None

    @property
    def size(self) -> int:
        """How many bytes its numbers take in the file."""
        return self.count * DTYPES[self.kind].itemsize

    def fill(self, data: bytes) -> None:
        if len(data) != self.size:
            raise ValueError(f"cut off: {len(data)} of {self.size} bytes of tensor {self.key}")
        values = np.frombuffer(data, DTYPES[self.kind])
        if self.kind == "BFloat16Storage":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        self.values = values


class Tensor:
    """A view of a storage; becomes an array once the storage is filled."""

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple):
        plain = all(type(number) is int for number in (offset, *shape, *strides))
        if type(storage) is not Storage or not plain or len(shape) != len(strides):
            raise Refused("makes a tensor of something else than numbers")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, room: Room) -> np.ndarray:
        """The numbers as an array of their own, whose bytes are taken from `room`."""
        values = self.storage.values
        if 0 in self.shape:
            return np.zeros(self.shape, values.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if min(self.offset, *self.strides, *self.shape, 0) < 0 or last >= len(values):
            raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage")
        # A stride of 0 repeats numbers; a few bytes of a file could ask for any amount of memory.
        if math.prod(self.shape) > len(values):
            raise ValueError(f"a tensor of shape {self.shape} has more numbers than its storage")
        room.take(math.prod(self.shape) * values.itemsize)
        strides = tuple(stride * values.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return view.copy()
