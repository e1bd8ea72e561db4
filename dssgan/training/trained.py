"""Which of a separator's weights training changes: all, the last layers, or low-rank updates."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from dssgan.config.schema import Config
from dssgan.models.base import SeparatorModel
from dssgan.models.heads import variables_of
from dssgan.training.low_rank import LowRank, matrices_of


class Trained:
    """Weights of a model that an optimiser changes in place.

    Attributes:
      weights: tf.Variables that the optimiser changes.
      extra: those of them that are none of the model's.
    """

    extra: Sequence[tf.Variable] = ()

    def __init__(self, variables: Sequence[keras.Variable]):
        self.weights = [variable.value for variable in variables]

    def applied(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the model computes with the weights; gradients reach them."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def merged(self) -> Iterator[None]:
        """Within the block the model's own variables are what the weights make of it."""
        yield

    def of(self, other: SeparatorModel) -> "Trained":
        """The same weights of another model of the same architecture."""
        return All(other)


class All(Trained):
    """All weights that a model lets be trained."""

    def __init__(self, model: SeparatorModel):
        super().__init__(model.trainable_variables)


class Heads(Trained):
    """The last layers, see `SeparatorModel.last_layers`."""

    def __init__(self, model: SeparatorModel):
        super().__init__([v for v in variables_of(model.last_layers()) if v.trainable])

    def of(self, other: SeparatorModel) -> Trained:
        """As of `Trained`."""
        return Heads(other)


def build_trained(config: Config, model: SeparatorModel) -> Any:
    """What a configuration trains of a model; within the strategy's scope."""
    if config.trainable == "lora":
        return LowRank(model, config.lora.rank, config.lora.alpha, config.seed)
    return {"all": All, "heads": Heads}[config.trainable](model)


def check_trainable(config: Config, model: SeparatorModel) -> None:
    """Check that the model has what is to be trained.

    Raises:
      ValueError: it does not say which its last layers are, or has no dense layers.
    """
    if config.trainable == "heads" and not model.heads():
        raise ValueError(
            f"trainable=heads: {config.model.name} does not say which layers are its last; set "
            "trainable=all"
        )
    if config.trainable == "lora" and not matrices_of(model):
        raise ValueError(
            f"trainable=lora: {config.model.name} has no dense or attention layers, which low-rank "
            "updates change; set trainable=heads or all"
        )
