"""The terms of the separator's loss in a refinement, and their gradients at its outputs."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from dssgan.losses import additivity
from dssgan.models.base import SeparatorModel
from dssgan.refinement.critic_losses import (
    CriticSet,
    adversarial_loss,
    cropped,
    feature_matching_loss,
)
from dssgan.refinement.scale import scaled
from dssgan.refinement.teacher import PseudoLabels
from dssgan.training.supervised_step import Loss

Metrics = dict[str, tf.Tensor]
GIVEN = ("mixture", "reference")  # how outputs are called that no estimate is computed from


@dataclasses.dataclass
class LossTerms:
    """L_supervised, L_adversarial and L_additivity of one separator; see dssgan.refinement.step.

    Attributes:
      model: the separator.
      loss: the supervised loss, see dssgan.losses.
      alpha, beta: weights of the adversarial and of the additivity loss; a term of weight 0 is not
        computed. With `balance` they are shares of the gradient at the separator's output, see
        dssgan.refinement.gradient_balance.
      critics: what the adversarial loss comes from.
      matching: weight of feature matching within the supervised term; 0 without critics.
      pseudo_labels: how songs of a teacher's labels count within the supervised term; None without.
    """

    model: SeparatorModel
    loss: Loss
    alpha: float = 0.0
    beta: float = 0.0
    balance: bool = False
    critics: CriticSet = dataclasses.field(default_factory=CriticSet)
    matching: float = 0.0
    pseudo_labels: PseudoLabels | None = None

    @property
    def adversarial(self) -> bool:
        """Whether critics have a part in the loss."""
        return bool(self.alpha and self.critics)

    @property
    def weights(self) -> dict[str, float]:
        """Of every term."""
        return {"supervised": 1.0, "adversarial": self.alpha, "additivity": self.beta}

    def outputs(self, batch: Any, labelled: tf.Tensor | None) -> dict[str, Any]:
        """What the separator makes of paired songs, of pseudo-labelled ones, of unpaired mixtures.

        Args:
          labelled: stems (batch, sources, samples, channels) of pseudo-labelled songs; or None.
        """
        found = {"paired": self._trained(batch["stems"])}
        if labelled is not None:
            found["labelled"] = self._trained(labelled)
        if self.alpha or self.beta:
            found["unpaired"] = self.model.unpaired_estimates(batch["mixtures"])
        return found

    def output_gradients(
        self,
        outputs: dict[str, Any],
        flat: list[tf.Tensor],
        batch: Any,
        labelled: tf.Tensor | None,
    ) -> tuple[Metrics, dict[str, list[tf.Tensor]]]:
        """The loss of every term, and its gradient at every tensor of `flat`, zero for most.

        Args:
          outputs: what `outputs` returned. flat: its floating tensors.
        """
        metrics: Metrics = {}
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(flat)
            values = {"supervised": self._supervised(outputs["paired"], batch["stems"], metrics)}
            if labelled is not None:
                values["labelled"], _ = self.loss(
                    outputs["labelled"], labelled, tf.reduce_sum(labelled, 1)
                )
            if "unpaired" in outputs:
                values |= self._unpaired(outputs["unpaired"], batch)
        gradients = {
            name: tape.gradient(value, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            for name, value in values.items()
        }
        del tape
        if labelled is not None:
            kept = self._kept(outputs["labelled"], labelled)
            gradients["supervised"] = [
                own + _rows(kept, more) * more
                for own, more in zip(gradients["supervised"], gradients.pop("labelled"))
            ]
            values["supervised"] += self.pseudo_labels.weight * values["labelled"]
            values["taught"] = values.pop("labelled")
        metrics |= {f"loss/{name}": value for name, value in values.items()}
        metrics["loss"] = tf.add_n([self.weights[name] * values[name] for name in gradients])
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}, gradients

    def _trained(self, stems: tf.Tensor) -> dict[str, Any]:
        return self.model.training_estimates(tf.reduce_sum(stems, 1), stems)

    def _supervised(self, outputs: dict[str, Any], stems: tf.Tensor, metrics: Metrics) -> tf.Tensor:
        """The loss on paired songs, feature matching included; its parts go to `metrics`."""
        mixture = tf.reduce_sum(stems, 1)
        value, parts = self.loss(outputs, stems, mixture)
        metrics |= {f"loss/supervised/{name}": part for name, part in parts.items()}
        if self.matching and self.adversarial and self.critics.sources:
            estimates = scaled(self.model, outputs["estimates"], mixture)
            pair = (cropped(audio, self.critics.margin) for audio in (estimates, stems))
            metrics["loss/matching"] = feature_matching_loss(self.critics.sources, *pair)
            value += self.matching * metrics["loss/matching"]
        return value

    def _kept(self, outputs: dict[str, Any], labelled: tf.Tensor) -> tf.Tensor:
        """(batch,): how much each pseudo-labelled song counts, by the loss on it alone."""
        batch = labelled.shape[0]
        if not self.pseudo_labels.drop:
            return self.pseudo_labels.weight * tf.ones((batch,))
        losses = []
        for place in range(batch):
            stems = labelled[place : place + 1]
            outputs_of_one = _song(outputs, place, batch)
            losses.append(self.loss(outputs_of_one, stems, tf.reduce_sum(stems, 1))[0])
        return self.pseudo_labels.weights(tf.cast(tf.stack(losses), tf.float32))

    def _unpaired(self, outputs: dict[str, tf.Tensor], batch: Any) -> dict[str, tf.Tensor]:
        """The terms that need no references."""
        values = {}
        mixtures = batch["mixtures"]
        estimates = scaled(self.model, outputs["estimates"], mixtures)
        if self.adversarial:
            inputs = self.critics.inputs(
                self.model.sources, estimates, batch, outputs.get("log_magnitudes")
            )
            values["adversarial"] = adversarial_loss(self.critics, inputs)
        if self.beta and "magnitudes" in outputs:
            values["additivity"] = additivity.spectral_additivity(
                outputs["magnitudes"], outputs["mixture_magnitudes"]
            )
        elif self.beta:
            values["additivity"] = additivity.additivity(estimates, mixtures)
        return values


def estimated(outputs: Any) -> Iterator[tf.Tensor]:
    """The tensors among a separator's outputs that are not named after what it was given.

    A loss may look at mixtures, references and their latents among the outputs as well; its
    gradient at those says nothing of the estimates.
    """
    if isinstance(outputs, dict):
        for name, value in outputs.items():
            if not name.startswith(GIVEN):
                yield from estimated(value)
    elif isinstance(outputs, list | tuple):
        for value in outputs:
            yield from estimated(value)
    else:
        yield outputs


def _song(outputs: Any, place: int, batch: int) -> Any:
    """The outputs of one song of a batch; their first axes are batch · channels."""

    def rows(tensor: tf.Tensor) -> tf.Tensor:
        count = tensor.shape[0] // batch
        return tensor[place * count : (place + 1) * count]

    return tf.nest.map_structure(rows, outputs)


def _rows(factors: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """(batch,) → a shape that multiplies a tensor whose first axis is batch · channels."""
    rows = tf.repeat(factors, tensor.shape[0] // factors.shape[0])
    return tf.cast(tf.reshape(rows, [-1] + [1] * (tensor.shape.rank - 1)), tensor.dtype)
