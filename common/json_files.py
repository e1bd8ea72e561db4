"""JSON files: written whole, and those of others read within bounds and by the types they need."""

import json
import os
from collections.abc import Mapping
from typing import Any

from common.files import read_limited, write_text

MOST_VALUES = 4_000_000  # of a JSON text; each takes up to 100 bytes of memory
LARGEST_INT = 2**63
Kind = type | tuple[type, ...] | list | Mapping


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented JSON atomically (NaN is written as NaN, as museval does)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(
    path: str | os.PathLike,
    expected: Mapping[str, Kind] | None = None,
    advice: str = "make it again",
) -> dict[str, Any]:
    """Read a JSON object and check the types of its values.

    Args:
      expected: {key: kind} of the keys that must be there, as of `check_type`.
      advice: what to do about a damaged file, the end of the message.

    Raises:
      ValueError: not JSON, not an object, or a value that is missing or of another type.
      OSError: the file is not there or cannot be read.
    """
    found = parse_json(read_limited(path), path, advice)
    for key, kind in (expected or {}).items():
        names = _mismatch(found.get(key), kind) if isinstance(kind, type | tuple) else ""
        if names and not key.endswith("?"):
            raise ValueError(
                f"{path}: expected the key {key!r} with a value of type {names}: {advice}"
            )
    check_type(found, expected or {}, str(path), advice)
    return found


def parse_json(
    data: bytes | str, where: str | os.PathLike, advice: str = "make it again", kind: Kind = dict
) -> Any:
    """Parse JSON that came out of a file; what it would take of memory is bounded.

    Args:
      data: as UTF-8, or text. where: its file, the beginning of messages. advice: their end.
      kind: what it must be, as of `check_type`.

    Raises:
      ValueError: not JSON, too much of it, or of another kind.
    """
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    values = 1 + data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > MOST_VALUES:
        raise ValueError(f"{where}: about {values} values; expected {MOST_VALUES} at most")
    try:
        found = json.loads(data.decode("utf-8", "surrogateescape"))
        if b"\\ud" in data.lower():  # half a character cannot be printed nor written
            json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"{where}: not valid JSON{line}: {advice}") from None
    if kind is dict and not isinstance(found, dict):
        name = type(found).__name__
        raise ValueError(f"{where}: expected a JSON object, found {name}: {advice}")
    check_type(found, kind, str(where), advice)
    return found


def check_type(value: Any, kind: Kind, where: str, advice: str = "make it again") -> None:
    """Check the type of a value out of a file, and of what is in it.

    Args:
      kind: a type or several, where float takes whole numbers too, and a truth value is no number;
        [kind]: a list of such; {str: kind}: an object of such; {"key": kind}: an object with this
        key, which may be missing or null where it ends in "?".
      where: file and key, the beginning of the message. advice: its end.

    Raises:
      ValueError: another type, or a whole number that is not below 2**63.
    """
    if isinstance(kind, Mapping):
        check_type(value, dict, where, advice)
        parts = [(key, value[key], kind[str]) for key in value] if str in kind else []
        for key in kind.keys() - {str}:
            name = key.removesuffix("?")
            if name == key or value.get(name) is not None:
                parts.append((name, value.get(name), kind[key]))
        for name, part, expected in parts:
            check_type(part, expected, f"{where}: {name[:100]}", advice)
    elif isinstance(kind, list):
        check_type(value, list, where, advice)
        for place, part in enumerate(value):
            check_type(part, kind[0], f"{where}[{place}]", advice)
    elif names := _mismatch(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise ValueError(f"{where}: expected {names}, found {found}: {advice}")


def _mismatch(value: Any, kind: type | tuple[type, ...]) -> str:
    """The names of the types that a value is none of; "" where it is one of them."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    number = int in kinds or float in kinds
    good = isinstance(value, (*kinds, int) if float in kinds else kinds)
    if good and number and isinstance(value, int):
        good = bool in kinds if isinstance(value, bool) else abs(value) < LARGEST_INT
    return "" if good else " or ".join(each.__name__.replace("NoneType", "null") for each in kinds)
