"""Plain dictionaries → frozen dataclasses, every key and type checked, one line per mistake."""

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from common import cli
from common.suggest import nearest
from dssgan.config.mappings import plain


def within(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    choices=(),
    path: bool = False,
) -> Any:
    """A field with a default whose value must lie in [low, high] or be one of `choices`.

    With `path` it is a path, in which a `~` at the beginning stands for the home folder.

    A dict field with metadata {"rest": True} collects the keys that its dataclass does not name.
    """
    return dataclasses.field(
        default=default, metadata={"low": low, "high": high, "choices": choices, "path": path}
    )


def read(kind: type, values: Any, path: str = "", root: type | None = None) -> Any:
    """Build the dataclass `kind` from a mapping.

    Args:
      kind: a dataclass; its annotations say what is expected.
      values: a mapping of field names; a field left out keeps its default.
      path: where `values` stands in the whole, for messages ("" at the top).

    Raises:
      ValueError: an unknown key (the nearest known one is suggested), a wrong type, or a value
        outside its range. The message starts with the dotted key.
    """
    root = root or kind
    if not isinstance(values, Mapping):
        raise ValueError(f"{path or 'configuration'}={values!r}: expected a section of keys")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    rest = next((name for name, field in fields.items() if field.metadata.get("rest")), None)
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if key in fields and key != rest:
            found[key] = conform(hints[key], value, where, root)
            if fields[key].metadata.get("path") and str(found[key]).startswith("~"):
                found[key] = str(cli.path(found[key]))
            _check_range(found[key], fields[key].metadata, where)
        elif rest is not None and isinstance(key, str):
            extra[key] = plain(value)
        else:
            names = [name for name in fields if name != rest]
            raise ValueError(f"unknown key {where}{_suggestion(key, path, names, root)}")
    if rest is not None:
        found[rest] = extra
    return kind(**found)


def conform(hint: Any, value: Any, where: str, root: type | None = None) -> Any:
    """Check a value against an annotation: scalar, tuple, dict, dataclass, or one of them or None.

    Raises:
      ValueError: starts with `where`, the dotted key.
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else conform(options[0], value, where, root)
    if dataclasses.is_dataclass(hint):
        return read(hint, value, where, root)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ValueError(f"{where}={value!r}: expected a list such as [a, b]")
        inner, *others = typing.get_args(hint)
        if others != [Ellipsis] and len(value) != 1 + len(others):
            raise ValueError(f"{where}={value!r}: expected a list of {1 + len(others)}")
        return tuple(conform(inner, item, f"{where}[{i}]", root) for i, item in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}={value!r}: expected a section of keys")
        return plain(value)
    return scalar(hint, value, where)


def scalar(kind: type, value: Any, where: str) -> Any:
    """Check one value; `kind` is int, float, bool or str and `where` its dotted key."""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 1e-3 as a text
            value = float(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # name=7
    if type(value) is not kind:
        raise ValueError(f"{where}={value!r}: expected {names[kind]}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{where}={value!r}: expected a finite number")
    return value


def _check_range(value: Any, limits: Mapping, where: str) -> None:
    choices = limits.get("choices")
    for item in value if isinstance(value, tuple) else (value,):
        if choices and item not in choices:
            known = ", ".join(map(str, choices))
            raise ValueError(f"{where}={item!r}: expected one of {known}{nearest(item, choices)}")
        if limits.get("low") is not None and item < limits["low"]:
            raise ValueError(f"{where}={value!r}: expected {limits['low']:g} or more")
        if limits.get("high") is not None and item > limits["high"]:
            raise ValueError(f"{where}={value!r}: expected {limits['high']:g} or less")


def paths(kind: type, path: str = "") -> list[str]:
    """Every dotted key of a dataclass."""
    hints = typing.get_type_hints(kind)
    found = []
    for field in dataclasses.fields(kind):
        where = f"{path}.{field.name}" if path else field.name
        if dataclasses.is_dataclass(hints[field.name]):
            found += paths(hints[field.name], where)
        elif not field.metadata.get("rest"):
            found.append(where)
    return found


def _suggestion(key: Any, path: str, names: list[str], root: type) -> str:
    """The nearest key of the same section, else the nearest last part of any key."""
    hint = nearest(key, names, show=lambda near: f"{path}.{near}" if path else near)
    if hint:
        return hint
    leaves = {where.rpartition(".")[2]: where for where in reversed(paths(root))}
    return nearest(key, leaves, show=leaves.get) or f"; known here: {', '.join(names)}"
