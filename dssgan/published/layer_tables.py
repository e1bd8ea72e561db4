"""Whether the layers of a file are those of its system: their names, shapes and numbers.

A `Table` holds what every shape is made of: plain numbers, sizes that the file itself
has to give (`Size`), and functions of those. A size is what most layers say it is, so that one odd
layer is named itself, and not all the others that agree.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Sizes = dict[str, int]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Size:
    """A whole number times some sizes of a system by their names."""

    names: tuple[str, ...]
    times: int = 1

    def __mul__(self, other: "Size | int") -> "Size":
        if isinstance(other, Size):
            return Size(self.names + other.names, self.times * other.times)
        return Size(self.names, self.times * other)

    __rmul__ = __mul__

    def of(self, sizes: Sizes) -> int:
        return self.times * math.prod(sizes[name] for name in self.names)


Table = dict[str, tuple[int | Size | Callable[[Sizes], int], ...]]


def layers_of(content: Any, prefix: str, form: str, system: str) -> dict[str, Any]:
    """The layers in what a file holds: a dict of them, or a checkpoint with one in it.

    Args:
      content: the file's object; a `state_dict` in it goes before the rest.
      prefix: of names, which a program put around the network; it is left out.
      form: regular expression of the names of the system's layers.
      system: its name for messages, as in "file of the public BandSplitRNN".

    Raises:
      ValueError: something else than layers by their names, or those of another system.
    """
    where = ""
    if isinstance(content, dict) and "state_dict" in content:
        where, content = "state_dict: ", content["state_dict"]
    if not isinstance(content, dict):
        raise ValueError(f"{where}expected a dict of tensors, found {_kind(content)}")
    for name in content:
        if not isinstance(name, str):
            raise ValueError(
                f"{where}expected a dict of tensors by their names, found {_kind(name)} as a name"
            )
    layers = {name.removeprefix(prefix): value for name, value in content.items()}
    if not any(re.fullmatch(form, name) for name in layers):
        raise ValueError(
            f"{where}none of the expected layers, found only {some(layers)}; is this a {system}?"
        )
    return layers


def count(names: Iterable[str], form: str) -> int:
    """How many different numbers the names have where `form` has its group.

    Numbers that few names have are left out: one stray layer does not make another block.
    """
    found = Counter(match[1] for name in names if (match := re.fullmatch(form, name)))
    return sum(2 * names >= max(found.values()) for names in found.values())


def most(values: Iterable[int]) -> int | None:
    """The commonest of some numbers, the first of those that are equally common; None of none."""
    return next((value for value, _ in Counter(values).most_common(1)), None)


def sizes_of(layers: dict[str, Any], table: Table) -> Sizes:
    """The sizes in a table, as most of the layers give them.

    Raises:
      ValueError: no layer gives a size.
    """
    wanted = {
        name: dim
        for shape in table.values()
        for dim in shape
        if isinstance(dim, Size)
        for name in dim.names
    }
    sizes: Sizes = {}
    votes: dict[str, Counter] = {}
    while len(sizes) < len(wanted):
        # Sizes that stand alone first; then those that stand in a product with known ones.
        round_ = {name: Counter() for name in wanted if name not in sizes}
        for layer, shape in table.items():
            for dim, found in zip(shape, _shape(layers.get(layer), len(shape))):
                for name, value in _size_of(dim, found, sizes):
                    round_[name][value] += 1
        given = {name: values for name, values in round_.items() if values}
        if not given:
            name = next(iter(round_))
            layer = next(layer for layer, shape in table.items() if wanted[name] in shape)
            shown = ", ".join(_shown(dim, sizes) for dim in table[layer])
            raise ValueError(
                f"layer {layer!r}: expected shape ({shown}), found {found_there(layers, layer)}; "
                "no other layer gives this size"
            )
        votes |= given
        sizes |= {name: values.most_common(1)[0][0] for name, values in given.items()}
    for name, values in votes.items():
        # As many layers for one value as for another: the one that the rest of the table fits to.
        near = [value for value, _ in values.most_common(4)]
        if len(near) > 1:
            sizes[name] = min(
                near, key=lambda v: misfits(layers, shapes(table, {**sizes, name: v}))
            )
    return sizes


def _size_of(dim: Any, found: int, sizes: Sizes) -> list[tuple[str, int]]:
    """What an axis of `found` numbers says about the one size in it that is not known."""
    unknown = [name for name in dim.names if name not in sizes] if isinstance(dim, Size) else []
    if len(unknown) != 1:
        return []
    rest = dim.times * math.prod(sizes[name] for name in dim.names if name in sizes)
    return [(unknown[0], found // rest)] if found and found % rest == 0 else []


def _shown(dim: Any, sizes: Sizes) -> str:
    """An axis of a shape that is not wholly known."""
    if isinstance(dim, Size):
        return str(dim.of(sizes)) if all(name in sizes for name in dim.names) else "any"
    return "any" if callable(dim) else str(dim)


def shapes(table: Table, sizes: Sizes) -> Shapes:
    """The shape of every layer."""

    def number(dim) -> int:
        if isinstance(dim, Size):
            return dim.of(sizes)
        return dim(sizes) if callable(dim) else dim

    return {layer: tuple(map(number, shape)) for layer, shape in table.items()}


def misfits(layers: dict[str, Any], expected: Shapes) -> int:
    """How many layers are missing or of another shape."""
    return sum(
        getattr(layers.get(name), "shape", None) != shape for name, shape in expected.items()
    )


def check(layers: dict[str, Any], expected: Shapes, hint: str) -> dict[str, np.ndarray]:
    """The layers as float32.

    Raises:
      ValueError: a layer is missing, left over (the message adds `hint`), of an unexpected shape,
        no tensor of floats or not finite: one line that names the layer, what was expected and
        what was found.
    """
    for name, shape in expected.items():
        if name not in layers or getattr(layers[name], "shape", None) != shape:
            raise ValueError(
                f"layer {name!r}: expected shape {shape}, found {found_there(layers, name)}"
            )
    more = [name for name in layers if name not in expected]
    if more:
        raise ValueError(f"{len(more)} layers more than expected, found {some(more)}; {hint}")
    return {name: floats(name, value) for name, value in layers.items()}


def floats(name: str, value: np.ndarray) -> np.ndarray:
    """A layer's numbers as float32; ValueError where there are others than finite floats."""
    if value.dtype.kind != "f":
        raise ValueError(f"layer {name!r}: expected floats, found {value.dtype}")
    with np.errstate(over="ignore"):  # what is no number in float32 is refused below
        value = np.asarray(value, np.float32)
    wrong = value.size - int(np.isfinite(value).sum())
    if wrong:
        raise ValueError(
            f"layer {name!r}: expected finite numbers, found {wrong} of {value.size} that are not"
        )
    return value


def found_there(layers: dict[str, Any], name: str) -> str:
    """What a file has for a layer, for messages."""
    if name not in layers:
        return "no such layer"
    value = layers[name]
    return str(value.shape) if isinstance(value, np.ndarray) else _kind(value)


def some(names: Iterable[str]) -> str:
    """A few of some names, for messages."""
    names = sorted(names)
    shown = ", ".join(repr(name if len(name) < 80 else f"{name[:79]}…") for name in names[:3])
    return shown + (", …" if len(names) > 3 else "") or "nothing"


def _shape(value: Any, rank: int) -> tuple[int, ...]:
    """The shape of a tensor that has `rank` axes; no axes for anything else."""
    return value.shape if isinstance(value, np.ndarray) and value.ndim == rank else ()


def _kind(value: Any) -> str:
    name = type(value).__name__
    return "an object of another kind" if name in ("Inert", "Name") else name
