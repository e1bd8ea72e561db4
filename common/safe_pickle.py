"""An unpickler that runs nothing: what readers of files from others build on.

Unpickling runs a small program, and a file may hold any program. A reader names the few
instructions that its files need, and implements those that make objects, change them or call
something; all others are refused.
"""

import pickle
import pickletools
from typing import Any

# Instructions that a reader implements → its method.
_OWN = {
    "INST": "load_inst",
    "REDUCE": "load_reduce",
    "NEWOBJ": "load_reduce",
    "BUILD": "load_build",
    "DICT": "load_dict",
    "SETITEM": "load_setitem",
    "SETITEMS": "load_setitems",
    "APPEND": "load_append",
    "APPENDS": "load_appends",
}


class Refused(ValueError):
    """The pickle does what a file of its kind does not."""


class _Instructions(dict):
    """Instructions by their codes; one that is not there is refused by its name."""

    def __init__(self, reader: type["SafeUnpickler"]):
        wanted = reader.instructions.split()
        for instruction in pickletools.opcodes:
            if instruction.name in wanted:
                code = ord(instruction.code)
                own = _OWN.get(instruction.name)
                self[code] = getattr(reader, own) if own else pickle._Unpickler.dispatch[code]
        self.end = f"which {reader.files} do not take{reader.ending}"

    def __missing__(self, code: int):
        known = pickletools.code2op.get(chr(code))
        name = known.name if known else f"{code:#04x}"
        raise Refused(f"has the instruction {name}, {self.end}")


class SafeUnpickler(pickle._Unpickler):
    """The unpickler that Python itself is written with, less all that it could call.

    The one in C has no place where a call could be refused. Subclasses implement `find_class`,
    `load_reduce`, `load_build`, `fill` and `extend`, and `load_inst` where they take INST.

    Attributes:
      instructions: names of the instructions that are run, with blanks between them.
      files: the kind of files that need them, for messages. ending: of these messages.
    """

    instructions: str = ""
    files: str = ""
    ending: str = ""

    def __init_subclass__(cls):
        cls.dispatch = _Instructions(cls)

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or a function that the file names; nothing is imported."""
        raise NotImplementedError

    def load_inst(self) -> None:
        """An instance, with the arguments on the stack."""
        raise NotImplementedError

    def load_reduce(self) -> None:
        """A call of what lies on the stack."""
        raise NotImplementedError

    def load_build(self) -> None:
        """Attributes for what lies on the stack."""
        raise NotImplementedError

    def fill(self, into: Any, items: list) -> Any:
        """Add [key, value, key, …] to a dictionary, which is returned; Refused for all else."""
        raise NotImplementedError

    def extend(self, into: Any, items: list) -> None:
        """Add items to a list; Refused for all else."""
        raise NotImplementedError

    def load_dict(self) -> None:
        """A dictionary of what lies on the stack."""
        items = self.pop_mark()
        self.append(self.fill({}, items))

    def load_setitem(self) -> None:
        """One item for a dictionary."""
        value = self.stack.pop()
        key = self.stack.pop()
        self.fill(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        """Items for a dictionary."""
        items = self.pop_mark()
        self.fill(self.stack[-1], items)

    def load_append(self) -> None:
        """One item for a list."""
        value = self.stack.pop()
        self.extend(self.stack[-1], [value])

    def load_appends(self) -> None:
        """Items for a list."""
        items = self.pop_mark()
        self.extend(self.stack[-1], items)
