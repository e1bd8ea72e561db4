"""The lists of songs in the original's `dataset.pkl`, read and written.

It is a dictionary. "train_sup", "valid" and "test" hold tuples (mixture, source, source),
"train_unsup" one list per place in such a tuple; the lists differ in length. An entry is an
instance of the class `Sample` of a module `Sample`, or a number: so many seconds of silence.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from common.audio_files import require_file
from common.files import write_bytes
from datasets.legacy.pickle_reader import Instance, load, short

PAIRED = ("train_sup", "valid", "test")
UNPAIRED = "train_unsup"
LARGEST = 8 * 2**20  # bytes; lists of ten thousand songs take half of it


@dataclass(frozen=True)
class Sample:
    """An audio file in a list of the original.

    Attributes:
      path: where it lies, on the machine that wrote the list.
      sample_rate: in Hz.
      channels: how many.
      duration: in seconds.
    """

    path: str
    sample_rate: int
    channels: int
    duration: float

    def __post_init__(self):
        """Check types and ranges (ValueError)."""
        if not isinstance(self.path, str) or not self.path or "\0" in self.path:
            raise ValueError(f"the path of a Sample is {short(self.path)}, expected text")
        for name in ("sample_rate", "channels"):
            value = getattr(self, name)
            if type(value) is not int or not 0 < value < 2**31:
                raise ValueError(f"{name} of {short(self.path)} is {short(value)}, expected 1 up")
        if not _is_duration(self.duration):
            raise ValueError(
                f"duration of {short(self.path)} is {short(self.duration)}, expected seconds"
            )


Entry = Sample | float
Lists = dict[str, list[tuple[Entry, ...]] | list[list[Entry]]]


def read(path: str | os.PathLike) -> Lists:
    """Read a `dataset.pkl`; nothing in it is run.

    Returns:
      "train_sup", "valid", "test" → list of tuples of entries; "train_unsup" → list of lists of
      entries.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it holds something else, or would load or call something; the message names it.
    """
    require_file(path)
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    try:
        if len(data) > LARGEST:
            raise ValueError(f"is larger than {LARGEST} bytes; lists of songs are not")
        if data.startswith(b"\x1f\x8b"):
            raise ValueError("is compressed; unpack it with gunzip first")
        return checked(load(data))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def write(path: str | os.PathLike, lists: Mapping[str, Sequence]) -> None:
    """Write a `dataset.pkl` that the original system loads: protocol 0 of Python 2.

    Args:
      path: of the file.
      lists: as `read` returns them.

    Raises:
      OSError: it cannot be written.
      ValueError: lists of another form.
    """
    write_bytes(path, b"".join(_Writer().value(checked(lists))) + b".")


def checked(lists: Any) -> Lists:
    """Lists in the form that `read` returns; ValueError where they have another."""
    if not isinstance(lists, Mapping):
        raise ValueError(f"holds {short(lists)}, expected a dictionary of lists")
    known = (*PAIRED, UNPAIRED)
    for key in (*(key for key in known if key not in lists), *(lists.keys() - set(known))):
        what = "has an unknown" if key in lists else "lacks the"
        raise ValueError(f"{what} key {short(key)}; expected {', '.join(known)}")
    found: Lists = {}
    width = 0
    for key in known:
        rows, kind = lists[key], list if key == UNPAIRED else tuple
        if not isinstance(rows, list) or not all(isinstance(row, kind) for row in rows):
            raise ValueError(f"{key}: expected a list of {kind.__name__}s")
        for size in {len(rows)} if key == UNPAIRED else {len(row) for row in rows}:
            width = width or size
            if size != width or size < 2:
                raise ValueError(
                    f"{key}: {size} entries where others have {width}; expected a mixture and "
                    "its sources, as many everywhere"
                )
        found[key] = [kind(_entry(key, entry) for entry in row) for row in rows]
    return found


def _entry(key: str, value: Any) -> Entry:
    if isinstance(value, Instance) and value.attributes is not None:
        value = Sample(**value.attributes)
    if isinstance(value, Sample):
        return value
    if _is_duration(value):
        return float(value)
    raise ValueError(f"{key}: an entry is {short(value)}, expected a Sample or seconds of silence")


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**31


class _Writer:
    """Protocol 0 as Python 2 writes it: text line by line, repeated objects by their numbers."""

    def __init__(self):
        self._numbers: dict[Any, int] = {}

    def value(self, value: Any) -> Iterator[bytes]:
        """The instructions that make a value."""
        if isinstance(value, dict):
            yield b"(d" + self._put(object())
            yield from self._items(value)
        elif isinstance(value, list):
            yield b"(l" + self._put(object())
            for item in value:
                yield from self.value(item)
                yield b"a"
        elif isinstance(value, tuple):
            yield b"("
            for item in value:
                yield from self.value(item)
            yield b"t" + self._put(object())
        elif isinstance(value, Sample):
            yield self._named("copy_reg", "_reconstructor") + b"("
            yield self._named("Sample", "Sample") + self._named("__builtin__", "object")
            yield b"NtR" + self._put(object()) + b"(d" + self._put(object())
            yield from self._items(asdict(value))
            yield b"b"
        elif isinstance(value, str):
            # The text of Python 2 is bytes, and a path's bytes are these.
            text = repr(value.encode("utf-8", "surrogateescape"))[1:].encode()
            yield self._again(value) or b"S" + text + b"\n" + self._put(value)
        elif isinstance(value, int):
            yield b"I%d\n" % value
        else:
            yield b"F" + repr(float(value)).encode() + b"\n"

    def _items(self, items: Mapping[str, Any]) -> Iterator[bytes]:
        for key, value in items.items():
            yield from self.value(key)
            yield from self.value(value)
            yield b"s"

    def _named(self, module: str, name: str) -> bytes:
        key = (module, name)
        return self._again(key) or f"c{module}\n{name}\n".encode() + self._put(key)

    def _put(self, key: Any) -> bytes:
        self._numbers[key] = len(self._numbers) + 1
        return b"p%d\n" % self._numbers[key]

    def _again(self, key: Any) -> bytes:
        return b"g%d\n" % self._numbers[key] if key in self._numbers else b""
