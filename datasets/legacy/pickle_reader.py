"""Read a pickle of audio samples without running anything in it.

Unpickling runs a small program, and a file may hold any program. This reader runs the few
instructions that lists of samples need, has objects of its own for the class and the two functions
in them, and calls nothing. Python 2 wrote the files of the original system; pickles of the same
objects by Python 3 are read too.
"""

import io
from typing import Any

from common.safe_pickle import Refused, SafeUnpickler

FIELDS = ("path", "sample_rate", "channels", "duration")
_INSTRUCTIONS = (
    "PROTO FRAME STOP MARK NONE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE EMPTY_LIST LIST APPEND APPENDS "
    "EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 PUT BINPUT "
    "LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL INST REDUCE NEWOBJ BUILD"
)


class Instance:
    """An instance of the class Sample.

    Attributes:
      attributes: their values by the names in `FIELDS`; None before they came.
    """

    attributes: dict[str, Any] | None = None


def load(data: bytes) -> Any:
    """What is in a pickle: dictionaries, lists, tuples, text, numbers, None and `Instance`.

    Text of Python 2 is bytes; it is read as UTF-8 and keeps bytes that are not, as paths do.

    Raises:
      ValueError: it is damaged, or would load or call something; the message names it.
    """
    file = io.BytesIO(data)
    reader = _Reader(file, encoding="utf-8", errors="surrogateescape")
    try:
        loaded = reader.load()
    except Refused:
        raise
    except Exception as error:  # whatever a broken program runs into
        raise ValueError(
            f"is no pickle, or a damaged one ({type(error).__name__} at byte {file.tell()})"
        ) from None
    if file.read(1):
        raise ValueError(f"goes on after the end of its pickle (byte {file.tell() - 1})")
    return loaded


def short(value: Any) -> str:
    """Return a value for a message: never long, and none of its items (they may be endless)."""
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**64):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}…"
    return f"a {type(value).__name__}"


class _Known:
    """Stands for a class or a function that lists of samples name. Nothing can be done with it."""


_SAMPLE, _OBJECT, _RECONSTRUCTOR = _Known(), _Known(), _Known()
_KNOWN = {
    ("Sample", "Sample"): _SAMPLE,
    ("__builtin__", "object"): _OBJECT,
    ("copy_reg", "_reconstructor"): _RECONSTRUCTOR,
}


class _Reader(SafeUnpickler):
    """Reads a pickle of lists of samples."""

    instructions = _INSTRUCTIONS
    files, ending = "lists of samples", ": refused"

    def find_class(self, module: str, name: str) -> _Known:
        """Names for what lists of samples name; nothing is imported."""
        if (module, name) not in _KNOWN:
            wanted = short(f"{module}.{name}")
            raise Refused(f"tries to load {wanted}, which lists of samples do not take: refused")
        return _KNOWN[module, name]

    def load_inst(self) -> None:
        """An instance of a class as Python 2 began it, with the arguments on the stack."""
        module, name = (self.readline()[:-1].decode("utf-8", "replace") for _ in range(2))
        self._make(self.find_class(module, name), self.pop_mark())

    def load_reduce(self) -> None:
        """A call of what lies on the stack."""
        arguments = self.stack.pop()
        self._make(self.stack.pop(), arguments)

    def _make(self, called: Any, arguments: Any) -> None:
        """Push what the call gives, where that is a Sample without attributes."""
        plain = called is _SAMPLE and arguments in ((), [])
        rebuilt = (
            called is _RECONSTRUCTOR
            and type(arguments) is tuple
            and list(map(id, arguments)) == list(map(id, (_SAMPLE, _OBJECT, None)))
        )
        if not plain and not rebuilt:
            raise Refused("calls something else than the making of a Sample: refused")
        self.append(Instance())

    def load_build(self) -> None:
        """Attributes for an instance."""
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is not Instance or made.attributes is not None or type(state) is not dict:
            raise Refused("sets attributes of something else than a new Sample: refused")
        for name in sorted(state.keys() ^ set(FIELDS)):
            what = "sets" if name in state else "leaves out"
            raise Refused(f"{what} the attribute {short(name)} of a Sample: refused")
        made.attributes = dict(state)

    def fill(self, into: Any, items: list) -> dict:
        """Items for a dictionary. Text alone is a key: other keys can be made endless to hash."""
        if type(into) is not dict or any(type(key) is not str for key in items[::2]):
            raise Refused("sets items of something else than a dictionary of text: refused")
        into.update(zip(items[::2], items[1::2], strict=True))
        return into

    def extend(self, into: Any, items: list) -> None:
        """Items for a list."""
        if type(into) is not list:
            raise Refused("appends to something else than a list: refused")
        into.extend(items)
