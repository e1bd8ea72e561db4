"""Models that compute with other values than their variables have."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from dssgan.portable import is_portable

_current = threading.local()  # every replica of a strategy has a thread of its own


@contextlib.contextmanager
def replaced(pairs: Sequence[tuple[keras.Variable, tf.Tensor]]) -> Iterator[None]:
    """Within the block, these variables have these values, which gradients pass through.

    What a model assigns on the way (random states of dropout) it has assigned in the end.

    Args:
      pairs: (variable, value of the same shape). None given: everything stays as it is.
    """
    if not pairs:
        yield
        return
    before = getattr(_current, "pairs", [])
    _current.pairs = [*before, *pairs]
    scope = keras.StatelessScope(pairs)
    given = set(scope.state_mapping)
    watched: dict[int, keras.Variable] = {}
    add = scope.add_update

    def add_update(update: tuple[keras.Variable, Any]) -> None:
        watched[id(update[0])] = update[0]
        add(update)

    scope.add_update = add_update
    try:
        with scope:
            yield
    finally:
        _current.pairs = before
    for key, variable in watched.items():
        if key not in given:
            variable.assign(scope.state_mapping[key])


def recomputed(function: Callable[..., Any], layer: keras.layers.Layer, x: tf.Tensor) -> Any:
    """`function(x)`, whose activations are not kept for the gradient but computed again.

    A layer's variables that are replaced are arguments of it: gradients reach them.

    Args:
      function: of a tensor, with the weights of `layer` alone.
    """
    if is_portable():  # no format has gradients
        return function(x)
    own = {id(variable) for variable in layer.variables}
    pairs = [(v, value) for v, value in getattr(_current, "pairs", []) if id(v) in own]
    variables = [variable for variable, _ in pairs]

    def again(x, *values):
        with replaced(list(zip(variables, values))):
            return function(x)

    return tf.recompute_grad(again)(x, *(value for _, value in pairs))
