"""Read a pickle of audio samples without running anything that stands in it.

Unpickling runs a small program, and any program may stand in a file. This reader knows the few
instructions that lists of samples take, has names of its own for the class and the two functions in
them, and calls nothing. Python 2 wrote the files of the original system; what Python 3 makes of the
same objects is read too.
"""

import io
import pickle
import pickletools
from typing import Any

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
    except _Refused:
        raise
    except Exception as error:  # whatever a broken program runs into
        raise ValueError(
            f"is no pickle, or a damaged one ({type(error).__name__} at byte {file.tell()})"
        ) from None
    if file.read(1):
        raise ValueError(f"goes on after the end of its pickle (byte {file.tell() - 1})")
    return loaded


def short(value: Any) -> str:
    """A value for a message: never long, and nothing of what is inside (that may be endless)."""
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**64):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}…"
    return f"a {type(value).__name__}"


class _Refused(ValueError):
    """The pickle does what lists of samples do not."""


class _Known:
    """Stands for a class or a function that lists of samples name. Nothing can be done with it."""


_SAMPLE, _OBJECT, _RECONSTRUCTOR = _Known(), _Known(), _Known()
_KNOWN = {
    ("Sample", "Sample"): _SAMPLE,
    ("__builtin__", "object"): _OBJECT,
    ("copy_reg", "_reconstructor"): _RECONSTRUCTOR,
}


class _Instructions(dict):
    """Instructions by their codes; one that is not there is refused by its name."""

    def __missing__(self, code: int):
        known = pickletools.code2op.get(chr(code))
        name = known.name if known else f"{code:#04x}"
        raise _Refused(f"has the instruction {name}, which lists of samples do not take: refused")


class _Reader(pickle._Unpickler):
    """The unpickler that Python itself is written with, less all that it could call.

    The one in C has no place where a call could be refused.
    """

    dispatch = _Instructions(
        (ord(instruction.code), pickle._Unpickler.dispatch[ord(instruction.code)])
        for instruction in pickletools.opcodes
        if instruction.name in _INSTRUCTIONS.split()
    )

    def find_class(self, module: str, name: str) -> _Known:
        """Names for what lists of samples name; nothing is imported."""
        if (module, name) not in _KNOWN:
            wanted = short(f"{module}.{name}")
            raise _Refused(f"tries to load {wanted}, which lists of samples do not take: refused")
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
            raise _Refused("calls something else than the making of a Sample: refused")
        self.append(Instance())

    def load_build(self) -> None:
        """Attributes for an instance."""
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is not Instance or made.attributes is not None or type(state) is not dict:
            raise _Refused("sets attributes of something else than a new Sample: refused")
        for name in sorted(state.keys() ^ set(FIELDS)):
            what = "sets" if name in state else "leaves out"
            raise _Refused(f"{what} the attribute {short(name)} of a Sample: refused")
        made.attributes = dict(state)

    def load_dict(self) -> None:
        """A dictionary of what lies on the stack."""
        items = self.pop_mark()
        self.append(_fill({}, items))

    def load_setitem(self) -> None:
        """One item for a dictionary."""
        value = self.stack.pop()
        key = self.stack.pop()
        _fill(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        """Items for a dictionary."""
        items = self.pop_mark()
        _fill(self.stack[-1], items)

    def load_append(self) -> None:
        """One item for a list."""
        value = self.stack.pop()
        _extend(self.stack[-1], [value])

    def load_appends(self) -> None:
        """Items for a list."""
        items = self.pop_mark()
        _extend(self.stack[-1], items)


_Reader.dispatch |= {
    pickle.INST[0]: _Reader.load_inst,
    pickle.REDUCE[0]: _Reader.load_reduce,
    pickle.NEWOBJ[0]: _Reader.load_reduce,
    pickle.BUILD[0]: _Reader.load_build,
    pickle.DICT[0]: _Reader.load_dict,
    pickle.SETITEM[0]: _Reader.load_setitem,
    pickle.SETITEMS[0]: _Reader.load_setitems,
    pickle.APPEND[0]: _Reader.load_append,
    pickle.APPENDS[0]: _Reader.load_appends,
}


def _fill(into: Any, items: list) -> dict:
    """Add [key, value, key, …]. Text alone is a key: other keys can be made endless to hash."""
    if type(into) is not dict or any(type(key) is not str for key in items[::2]):
        raise _Refused("sets items of something else than a dictionary of text: refused")
    into.update(zip(items[::2], items[1::2], strict=True))
    return into


def _extend(into: Any, items: list) -> None:
    if type(into) is not list:
        raise _Refused("appends to something else than a list: refused")
    into.extend(items)
