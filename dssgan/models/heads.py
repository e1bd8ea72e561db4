"""The weights of a separator for a model of other sources: all but the last layers are the same."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from dssgan.models.base import SeparatorModel

SOURCES = ("sources", "targets")  # hyperparameters that may differ
LISTED = 4  # new layers that a line names


@dataclasses.dataclass(frozen=True)
class TakenOver:
    """What became of a model's weights.

    Attributes:
      kept, new: how many numbers were taken over, and how many are as drawn.
      layers: the names of the new layers.
    """

    kept: int
    new: int
    layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = f"{self.kept:,} weights taken over"
        if not self.layers:
            return line
        more = len(self.layers) - LISTED
        names = ", ".join(self.layers[:LISTED]) + (f" and {more} more" if more > 0 else "")
        return f"{line}, {self.new:,} new in the last layers ({names})"


def variables_of(layers: Iterable[Any]) -> list[keras.Variable]:
    """The variables of layers, or of variables that stand for themselves."""
    found = []
    for layer in layers:
        found += layer.variables if isinstance(layer, keras.layers.Layer) else [layer]
    return found


def new_targets(model: SeparatorModel, hyperparameters: dict[str, Any]) -> list[str]:
    """The targets of `model` for which a separator of such hyperparameters has no last layers.

    Args:
      hyperparameters: of a separator of the same kind.

    Returns:
      Keys of `model.heads()`; none where both have the same sources and targets.
    """
    heads = model.heads()
    if all(hyperparameters.get(key) == model.hyperparameters.get(key) for key in SOURCES):
        return []
    if "" in heads:
        return [""] if targets_of(model.hyperparameters) != targets_of(hyperparameters) else []
    known = targets_of(hyperparameters)
    return [target for target in heads if target not in known]


def targets_of(hyperparameters: dict[str, Any]) -> list[str]:
    """What a network of such hyperparameters estimates, in order."""
    return list(hyperparameters.get("targets") or hyperparameters.get("sources") or ())


def take_over(model: SeparatorModel, other: SeparatorModel) -> TakenOver:
    """Give a model the weights of another one of the same architecture.

    Where sources or targets differ, the last layers of targets that `other` lacks stay as they
    are; targets of the same name take theirs.

    Args:
      model, other: of one class, with the same hyperparameters but sources, targets, precision.

    Raises:
      ValueError: the layers do not fit together.
    """
    new = new_targets(model, other.hyperparameters)
    mine, theirs = model.heads(), other.heads()
    pairs = []
    for target, layers in mine.items():
        if target not in new:
            pairs += _paired(variables_of(layers), variables_of(theirs[target]), target)
    pairs += _paired(_body(model, mine), _body(other, theirs), "the layers before the last")
    for own, given in pairs:
        own.assign(given.numpy())
    layers = tuple(_name(layer, target) for target in new for layer in mine[target])
    added = sum(_size(v) for target in new for v in variables_of(mine[target]))
    return TakenOver(sum(_size(own) for own, _ in pairs), added, layers)


def _body(model: SeparatorModel, heads: dict[str, list[Any]]) -> list[keras.Variable]:
    last = {id(v) for layers in heads.values() for v in variables_of(layers)}
    return [variable for variable in model.variables if id(variable) not in last]


def _paired(
    own: Sequence[keras.Variable], given: Sequence[keras.Variable], what: str
) -> list[tuple[keras.Variable, keras.Variable]]:
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in given]:
        raise ValueError(f"the weights of {what} have other shapes than the configuration's")
    return list(zip(own, given))


def _name(layer: Any, target: str) -> str:
    return f"{layer.name} of {target}" if target and layer.name != target else layer.name


def _size(variable: keras.Variable) -> int:
    return int(np.prod(variable.shape))
