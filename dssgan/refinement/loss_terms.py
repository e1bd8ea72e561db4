"""The terms of the separator's loss in a refinement, and how each pulls at its outputs."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from dssgan.losses import additivity
from dssgan.models.base import SeparatorModel
from dssgan.refinement.critic_losses import (
    CriticInputs,
    DependencyCritics,
    SourceCritic,
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
class Terms:
    """L_supervised, L_adversarial and L_additivity of one separator; see dssgan.refinement.step.

    Attributes:
      model: the separator. loss: the supervised loss, see dssgan.losses.
      alpha, beta: a term of weight 0 is not computed.
      judges, pairs: who gives the adversarial loss.
      matching: weight of feature matching within the supervised term.
      teaching: how songs of a teacher's labels count within the supervised term; None without.
      margin: samples at both ends of an excerpt that critics do not hear.
    """

    model: SeparatorModel
    loss: Loss
    alpha: float = 0.0
    beta: float = 0.0
    judges: Sequence[SourceCritic] = ()
    pairs: Sequence[DependencyCritics] = ()
    matching: float = 0.0
    teaching: PseudoLabels | None = None
    margin: int = 0

    @property
    def weights(self) -> dict[str, float]:
        """Of every term."""
        return {"supervised": 1.0, "adversarial": self.alpha, "additivity": self.beta}

    def outputs(self, batch: Any, taught: tf.Tensor | None) -> dict[str, Any]:
        """What the separator makes of paired songs, of taught ones and of unpaired mixtures."""
        found = {"paired": self._trained(batch["stems"])}
        if taught is not None:
            found["taught"] = self._trained(taught)
        if self.alpha or self.beta:
            found["unpaired"] = self.model.unpaired_estimates(batch["mixtures"])
        return found

    def pulls(
        self, outputs: dict[str, Any], flat: list[tf.Tensor], batch: Any, taught: tf.Tensor | None
    ) -> tuple[Metrics, dict[str, list[tf.Tensor]]]:
        """The loss of every term, and its gradient at every tensor of `flat`, zero for most.

        Args:
          outputs: what `outputs` returned. flat: its floating tensors.
        """
        metrics: Metrics = {}
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(flat)
            values = {"supervised": self._supervised(outputs["paired"], batch["stems"], metrics)}
            if taught is not None:
                values["taught"], _ = self.loss(outputs["taught"], taught, tf.reduce_sum(taught, 1))
            if "unpaired" in outputs:
                values |= self._unpaired(outputs["unpaired"], batch)
        pulls = {
            name: tape.gradient(value, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            for name, value in values.items()
        }
        del tape
        if taught is not None:
            kept = self._kept(outputs["taught"], taught)
            pulls["supervised"] = [
                own + _rows(kept, more) * more
                for own, more in zip(pulls["supervised"], pulls.pop("taught"))
            ]
            values["supervised"] += self.teaching.weight * values["taught"]
        metrics |= {f"loss/{name}": value for name, value in values.items()}
        metrics["loss"] = tf.add_n([self.weights[name] * values[name] for name in pulls])
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}, pulls

    def _trained(self, stems: tf.Tensor) -> dict[str, Any]:
        return self.model.training_estimates(tf.reduce_sum(stems, 1), stems)

    def _supervised(self, outputs: dict[str, Any], stems: tf.Tensor, metrics: Metrics) -> tf.Tensor:
        """The loss on paired songs, feature matching included; its parts go to `metrics`."""
        mixture = tf.reduce_sum(stems, 1)
        value, parts = self.loss(outputs, stems, mixture)
        metrics |= {f"loss/supervised/{name}": part for name, part in parts.items()}
        if self.matching and self.judges:
            estimates = scaled(self.model, outputs["estimates"], mixture)
            pair = (cropped(audio, self.margin) for audio in (estimates, stems))
            metrics["loss/matching"] = feature_matching_loss(self.judges, *pair)
            value += self.matching * metrics["loss/matching"]
        return value

    def _kept(self, outputs: dict[str, Any], taught: tf.Tensor) -> tf.Tensor:
        """(batch,): how much each of a teacher's songs counts, by the loss on it alone."""
        batch = taught.shape[0]
        if not self.teaching.drop:
            return self.teaching.weight * tf.ones((batch,))
        losses = []
        for place in range(batch):
            stems = taught[place : place + 1]
            outputs_of_one = _song(outputs, place, batch)
            losses.append(self.loss(outputs_of_one, stems, tf.reduce_sum(stems, 1))[0])
        return self.teaching.weights(tf.cast(tf.stack(losses), tf.float32))

    def _unpaired(self, outputs: dict[str, tf.Tensor], batch: Any) -> dict[str, tf.Tensor]:
        """The terms that need no references."""
        values = {}
        mixtures = batch["mixtures"]
        estimates = scaled(self.model, outputs["estimates"], mixtures)
        if self.alpha and (self.judges or self.pairs):
            heard = CriticInputs.of(
                self.model.sources, estimates, batch, self.margin, outputs.get("log_magnitudes")
            )
            values["adversarial"] = adversarial_loss(self.judges, self.pairs, heard)
        if self.beta and "magnitudes" in outputs:
            values["additivity"] = additivity.spectral_additivity(
                outputs["magnitudes"], outputs["mixture_magnitudes"]
            )
        elif self.beta:
            values["additivity"] = additivity.additivity(estimates, mixtures)
        return values


def estimated(outputs: Any) -> Iterator[tf.Tensor]:
    """The tensors among a separator's outputs that are not named after what it was given.

    A loss may look at mixtures, references and their latents among the outputs as well; how it
    would like those to change says nothing of the estimates.
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
