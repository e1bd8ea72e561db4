"""What is built of hyperparameters is bounded before memory is taken for it."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from dssgan.models.base import SeparatorModel

MOST_WEIGHTS = 2**28  # numbers of a separator or a critic, a gigabyte
MOST_SAMPLES = 2**23  # of the shortest mixture that a separator takes


@contextlib.contextmanager
def limited(most: int = MOST_WEIGHTS, what: str = "the most that is built") -> Iterator[None]:
    """Let models that are built in the block have so many weights at most.

    Args:
      most: numbers in all variables. what: they are, for the message.

    Raises:
      ValueError: there would be more; none of those that are too many has been made.
    """
    count, add = 0, keras.layers.Layer.add_weight

    def add_weight(layer: keras.layers.Layer, shape: Any = (), *words: Any, **options: Any) -> Any:
        nonlocal count
        count += math.prod(shape or ())
        if count > most:
            raise ValueError(f"more than {most} weights, {what}")
        return add(layer, shape, *words, **options)

    # Keras fills a variable with numbers before TensorFlow hears of its shape.
    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add


def create_variables(model: SeparatorModel) -> SeparatorModel:
    """Run a model once on silence, the shortest it takes, so that all its variables exist.

    Raises:
      ValueError: its shortest mixture is longer than any separator's.
    """
    if not model.built:
        samples = -(-max(model.minimum, 1) // model.multiple) * model.multiple
        if samples > MOST_SAMPLES:
            raise ValueError(
                f"it takes mixtures of {samples} samples or more; expected {MOST_SAMPLES} at most"
            )
        model(tf.zeros((1, samples, 1)))
    return model
