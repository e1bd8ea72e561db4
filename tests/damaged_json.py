"""Every small damage of a JSON value, and what a command may do with it."""

import contextlib
import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BAD = (None, True, -1, math.inf, math.nan, 10**400, "", "x", [], {}, [[]])
UNEXPECTED = re.compile(r"(Type|Key|Attribute|Index|Overflow|ZeroDivision|Recursion)Error")


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values; of a list the first and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        for place in sorted({0, len(value) - 1}):
            yield from places(value[place], (*path, place))


def damages(value: Any, bad: tuple = BAD) -> Iterator[Any]:
    """Copies of a value: each part of it replaced by each bad value, and each key left out."""
    for path in places(value):
        for new in (*bad, places):  # `places` stands for: left out
            changed = copy.deepcopy(value)
            part = changed
            for key in path[:-1]:
                part = part[key]
            if new is places:
                del part[path[-1]]
            else:
                part[path[-1]] = new
            yield changed


def texts(value: Any, bad: tuple = BAD) -> Iterator[str]:
    """The same as texts, and the whole text cut off, of another type, and endless."""
    for changed in damages(value, bad):
        yield json.dumps(changed).replace(str(10**400), "1" + "0" * 400)
    whole = json.dumps(value)
    yield from (whole[: len(whole) // 2], "", "null", "[]", "3", '"x"', "[" * 100_000, "\0")


def content(folder: Path) -> dict[str, bytes]:
    """{name: bytes} of all files in a folder; those of locks and databases left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def survives(call: Callable[[], Any], folder: Path | None = None) -> str:
    """Call a command: it succeeds, or says in one line what is wrong and has written nothing.

    Returns:
      what it says; "" where it succeeds.
    """
    before = content(folder) if folder else {}
    with contextlib.ExitStack():
        try:
            call()
            return ""
        except (ValueError, OSError) as error:
            assert not UNEXPECTED.search(f"{type(error).__name__} {error}"), repr(error)
            assert "\n" not in str(error), str(error)
            assert not folder or content(folder) == before, "something was written"
            return str(error)
