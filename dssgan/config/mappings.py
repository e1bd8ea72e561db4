"""Configurations as plain mappings and dotted keys."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from common.cli import UsageError


def to_dict(value: Any) -> Any:
    """The inverse of `read`: nested plain dicts and lists, collected keys in their place."""
    if not dataclasses.is_dataclass(value):
        return plain(value)
    result: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if field.metadata.get("rest"):
            result.update(plain(content))
        else:
            result[field.name] = to_dict(content)
    return result


def plain(value: Any) -> Any:
    """A mutable copy made of dicts and lists only (Sacred hands out read-only containers)."""
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(content) for content in value]
    return value


def flatten(values: Mapping, path: str = "") -> dict[str, Any]:
    """Nested dicts → {dotted key: value}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, where))
        else:
            flat[where] = value
    return flat


def merge(base: Mapping, update: Mapping, path: str = "") -> dict[str, Any]:
    """`base` with the keys of `update`, section by section.

    A section whose keys are all digits changes the entries of a list that is there, so that
    data.also.0.root is a key like any other. An empty section takes the place of the one that is
    there: data.options={} clears what was inherited.

    Args:
      base, update: nested keys. path: where both stand in the whole, for messages.

    Raises:
      UsageError: a position beyond the end of a list.
    """
    result = dict(base)
    for key, value in update.items():
        where = f"{path}.{key}" if path else str(key)
        there = result.get(key)
        if isinstance(value, Mapping) and value and isinstance(there, Mapping):
            result[key] = merge(there, value, where)
        elif isinstance(there, list | tuple) and _positions(value):
            result[key] = _merge_entries(there, value, where)
        else:
            result[key] = value
    return result


def _positions(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(str(k).isdecimal() for k in value)


def _merge_entries(entries: Iterable, update: Mapping, path: str) -> list:
    """The entries of a list with those of `update` at their positions."""
    numbered = dict(enumerate(entries))
    places = {int(key): value for key, value in update.items()}
    for place in places:
        if place not in numbered:
            until = f"positions 0 to {len(numbered) - 1}" if numbered else "none: the list is empty"
            raise UsageError(f"{path}.{place}: no such entry of the list, expected {until}")
    return list(merge(numbered, places, path).values())
