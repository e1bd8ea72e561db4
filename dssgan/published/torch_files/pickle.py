"""The pickles in PyTorch's files, read without running anything that stands in them.

Unpickling runs a small program, and any program may stand in a file. This reader knows the
instructions that files of weights take. What is a class or a function in a file is a `Name` here,
which nothing imports and nothing calls: tensors, ordered dicts, fractions and argparse's Namespace
are made by functions of this module, and every other object is an `Inert`, which keeps nothing.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from common.safe_pickle import Refused, SafeUnpickler
from dssgan.published.torch_files.tensors import DTYPES, Storage, Tensor, Unsupported

INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG "
    "LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT "
    "DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 PUT BINPUT LONG_BINPUT MEMOIZE "
    "GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID"
)
FRACTION = r"-?\d{1,18}(/\d{1,18})?"  # others, such as of exponents, take for ever


class Name:
    """Stands for a class or function that the file names. Nothing can be done with it."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Inert:
    """Stands for an object of the file that is not data; keeps nothing, does nothing."""


class Namespace:
    """Stands for argparse's Namespace: the real class is not for files to reach."""

    def __init__(self):
        self.fields: dict[str, Any] = {}


def _tensor(storage, offset, shape, strides, *rest) -> Tensor:
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor, *rest) -> Any:
    return tensor


def _ordered(pairs=()) -> dict:
    return _fill({}, [value for pair in pairs for value in pair])


def _fraction(*parts) -> Fraction:
    """A fraction of its text, as Python before 3.12 writes it, or of two integers."""
    if len(parts) == 1 and type(parts[0]) is str and re.fullmatch(FRACTION, parts[0], re.ASCII):
        parts = tuple(map(int, parts[0].split("/")))
    plain = all(type(part) is int and abs(part) < 2**60 for part in parts)
    if len(parts) not in (1, 2) or not plain or parts[1:] == (0,):
        raise Refused("makes a fraction of something else than numbers")
    return Fraction(*parts)


MADE: dict[tuple[str, str], Callable] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): _ordered,
    ("argparse", "Namespace"): Namespace,
    ("fractions", "Fraction"): _fraction,
}


class Unpickler(SafeUnpickler):
    """Reads a pickle of tensors.

    Args:
      file: opened for reading. storages: takes those that the pickle refers to, by their keys.
    """

    instructions = INSTRUCTIONS
    files = "files of weights"

    def __init__(self, file, storages: dict[str, Storage]):
        super().__init__(file, encoding="latin-1")
        self.storages = storages

    def find_class(self, module: str, name: str) -> Name:
        """A name for what the file names; nothing is imported."""
        return Name(module, name)

    def persistent_load(self, saved: Any) -> Any:
        """A storage; the older layout keeps classes of a program beside their source."""
        if type(saved) is tuple and len(saved) == 4 and saved[0] == "module":
            return saved[1]
        if type(saved) is not tuple or len(saved) not in (5, 6):
            raise Refused("refers to something else than the numbers of a tensor")
        _, kind, key, _, count = saved[:5]
        if type(kind) is not Name or type(key) is not str or type(count) is not int or count < 0:
            raise Refused("refers to something else than the numbers of a tensor")
        if kind.name not in DTYPES:
            raise Unsupported(f"tensors of type {kind.name[:40]!r} cannot be read")
        storage = self.storages.setdefault(key, Storage(kind.name, key, count))
        if storage.kind != kind.name or storage.count != count:
            raise Refused(f"announces the numbers of tensor {key[:40]!r} twice, differently")
        return storage

    def load_reduce(self) -> None:
        """A call of what lies on the stack."""
        arguments = self.stack.pop()
        called = self.stack.pop()
        if type(called) is not Name or type(arguments) is not tuple:
            raise Refused("calls something else than what it named")
        make = MADE.get((called.module, called.name))
        self.append(Inert() if make is None else make(*arguments))

    def load_build(self) -> None:
        """Attributes for an object: kept for a Namespace, dropped for others."""
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is Namespace and type(state) is dict:
            made.fields.update(state)
        elif type(made) not in (Inert, dict):  # an OrderedDict of PyTorch has attributes too
            raise Refused("sets attributes of something else than an object that it made")

    def fill(self, into: Any, items: list) -> Any:
        """Items for a dictionary; an `Inert` keeps nothing."""
        return _fill(into, items)

    def extend(self, into: Any, items: list) -> None:
        """Items for a list; an `Inert` keeps nothing."""
        if type(into) not in (list, Inert):
            raise Refused("appends to something else than a list")
        if type(into) is list:
            into.extend(items)


PLAIN = (str, bytes, int, float, bool, type(None), Name, Inert)


def _fill(into: Any, items: list) -> Any:
    """Add [key, value, key, …] to a dictionary; an `Inert` keeps nothing.

    Keys are plain, or tuples of plain ones: those of tuples in tuples can be made endless to hash.
    """
    keys = items[::2]
    parts = [part for key in keys for part in _parts(key)]
    simple = all(type(part) in PLAIN for part in parts)
    # Larger numbers could be chosen so that all have one hash.
    simple = simple and all(abs(part) < 2**60 for part in parts if type(part) in (int, float))
    if type(into) not in (dict, Inert) or not simple:
        raise Refused("sets items of something else than a dictionary")
    if type(into) is dict:
        into.update(zip(keys, items[1::2], strict=True))
    return into


def _parts(key: Any) -> tuple:
    return key if type(key) is tuple else (key,)
