"""The critics of a run: which source each one scores, their own losses, and the separator's."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from dssgan.critics import Critic, beside
from dssgan.losses import adversarial

Metrics = dict[str, tf.Tensor]


@dataclasses.dataclass
class CriticInputs:
    """What critics compare, cropped to what has full context.

    Attributes:
      estimates: (batch, sources, samples, channels) of unpaired mixtures, a constant for critics.
      mixture: (batch, samples, channels), those mixtures.
      solos: {index of a source: (batch, samples, channels)}.
      paired_stems, paired_mixture: songs whose stems are known.
      log_magnitudes: (batch, sources, frames, bins, channels) as the separator gave them; or None.
    """

    estimates: tf.Tensor
    mixture: tf.Tensor
    solos: dict[int, tf.Tensor]
    paired_stems: tf.Tensor
    paired_mixture: tf.Tensor
    log_magnitudes: tf.Tensor | None = None

    @classmethod
    def of(
        cls,
        sources: Sequence[str],
        estimates: tf.Tensor,
        batch: Any,
        margin: int = 0,
        log_magnitudes: tf.Tensor | None = None,
    ) -> "CriticInputs":
        """Estimates of batch["mixtures"] and the batch, without `margin` samples at both ends.

        Log magnitudes are of the frames with full context alone, whatever the margin.
        """
        stems = cropped(batch["stems"], margin)
        solos = {sources.index(name): solo for name, solo in batch["solos"].items()}
        return cls(
            cropped(estimates, margin),
            cropped(batch["mixtures"], margin),
            {source: cropped(solo, margin) for source, solo in solos.items()},
            stems,
            tf.reduce_sum(stems, 1),
            log_magnitudes,
        )


@dataclasses.dataclass
class SourceCritic:
    """A critic of one source: its solo recordings are real, its estimates are generated.

    Attributes:
      name: for curves and messages; no two critics share it.
      critic: audio (batch, samples, channels) → (logits, feature maps).
      source: index of the source.
      objective: of `dssgan.losses.adversarial.OBJECTIVES`.
      penalty: weight λ of the gradient penalty; 0 has none.
      weight: of this critic in the separator's loss.
      magnitudes: it scores the log magnitudes that the separator gave, not its waveforms.
    """

    name: str
    critic: Critic
    source: int
    objective: Any
    penalty: float = 0.0
    weight: float = 1.0
    magnitudes: bool = False

    def loss(self, inputs: CriticInputs, seed: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """The critic's loss and what explains it."""
        real, generated = inputs.solos[self.source], self.generated(inputs)
        return critic_loss(self, self.critic, self.name, real, generated, seed)

    def generated(self, inputs: CriticInputs) -> tf.Tensor:
        """What the separator made of this critic's source."""
        return (inputs.log_magnitudes if self.magnitudes else inputs.estimates)[:, self.source]


@dataclasses.dataclass
class DependencyCritics:
    """Two critics that learn whether stems belong to their mixture.

    FactorGAN (Stoller, Ewert and Dixon, ICLR 2020): `real` tells true songs from songs whose stems
    were shuffled, `generated` tells estimates beside their mixture from shuffled ones. The
    difference of their logits, added to those of the critics of single sources, scores the whole.

    Attributes:
      name, objective, penalty, weight: as of `SourceCritic`.
      real, generated: the two critics.
    """

    name: str
    real: Critic
    generated: Critic
    objective: Any
    penalty: float = 0.0
    weight: float = 1.0

    def loss(self, inputs: CriticInputs, seed: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """The loss of both critics and what explains it."""
        total, metrics = 0.0, {}
        seeds = tf.random.split(seed, 4)
        pairs = (
            ("real", self.real, inputs.paired_mixture, inputs.paired_stems),
            ("generated", self.generated, inputs.mixture, inputs.estimates),
        )
        for place, (which, critic, mixture, stems) in enumerate(pairs):
            joint = beside(mixture, stems)
            apart = beside(mixture, adversarial.shuffled(stems, seeds[2 * place]))
            name = f"{self.name}/{which}"
            loss, explained = critic_loss(self, critic, name, joint, apart, seeds[2 * place + 1])
            total += loss
            metrics |= explained
        return total, metrics


@dataclasses.dataclass
class CriticSet:
    """All critics of a phase.

    Attributes:
      sources: critics of single sources.
      dependency: critics of the estimates beside their mixture.
      margin: samples at both ends of an excerpt that critics do not receive, because the separator
        lacks context there.
    """

    sources: Sequence[SourceCritic] = ()
    dependency: Sequence[DependencyCritics] = ()
    margin: int = 0

    def __iter__(self) -> Iterator[SourceCritic | DependencyCritics]:
        return iter([*self.sources, *self.dependency])

    def __bool__(self) -> bool:
        return bool(self.sources or self.dependency)

    @property
    def models(self) -> list[Critic]:
        """The Keras models in the order in which they are saved."""
        return [entry.critic for entry in self.sources] + [
            critic for entry in self.dependency for critic in (entry.real, entry.generated)
        ]

    def inputs(
        self,
        sources: Sequence[str],
        estimates: tf.Tensor,
        batch: Any,
        log_magnitudes: tf.Tensor | None = None,
    ) -> CriticInputs:
        """What these critics compare; see `CriticInputs.of`."""
        return CriticInputs.of(sources, estimates, batch, self.margin, log_magnitudes)


def cropped(audio: tf.Tensor, margin: int) -> tf.Tensor:
    """(…, samples, channels) without `margin` samples at both ends."""
    return audio[..., margin : audio.shape[-2] - margin, :]


def critic_loss(
    settings: SourceCritic | DependencyCritics,
    critic: Critic,
    name: str,
    real: tf.Tensor,
    generated: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, Metrics]:
    """The loss of one critic on real and generated excerpts.

    Args:
      settings: whose objective and penalty count.
      name: of the critic, for its metrics.
      seed: int32 (2,), of the gradient penalty.

    Raises:
      ValueError: real and generated excerpts have logits of different shapes.
    """
    real_logits, _ = critic(real, training=True)
    generated_logits, _ = critic(generated, training=True)
    if real_logits.shape != generated_logits.shape:
        raise ValueError(
            f"critic {name}: {real_logits.shape[1]} places of real excerpts are scored and "
            f"{generated_logits.shape[1]} of generated ones; leave adversarial.margin out, so that "
            "it is the separator's context"
        )
    loss = settings.objective.critic(real_logits, generated_logits)
    metrics = {
        f"critic/{name}/loss": loss,
        f"critic/{name}/real": tf.reduce_mean(real_logits),
        f"critic/{name}/generated": tf.reduce_mean(generated_logits),
        f"critic/{name}/distance": adversarial.distance(real_logits, generated_logits),
        f"critic/{name}/accuracy": adversarial.accuracy(real_logits, generated_logits),
    }
    if settings.penalty:
        value = adversarial.gradient_penalty(critic, real, generated, seed)
        metrics[f"critic/{name}/penalty"] = value
        loss += settings.penalty * value
    return loss, metrics


def adversarial_loss(critics: CriticSet, inputs: CriticInputs) -> tf.Tensor:
    """The adversarial loss of the separator: how far the critics are from taking it for real.

    Without dependency critics every critic has a loss of its own. With them the logits are added
    before the objective is taken, as in FactorGAN.
    """
    scored = [(entry, entry.critic(entry.generated(inputs))[0]) for entry in critics.sources]
    if not critics.dependency:
        losses = [entry.weight * entry.objective.separator(logits) for entry, logits in scored]
        return tf.add_n(losses)
    total = 0.0
    joint = beside(inputs.mixture, inputs.estimates)
    for entry in critics.dependency:
        logits = adversarial.combine(
            [source.weight * logits for source, logits in scored],
            entry.real(joint)[0],
            entry.generated(joint)[0],
        )
        total += entry.weight * entry.objective.separator(logits)
    return total


def feature_matching_loss(
    critics: Sequence[SourceCritic], estimates: tf.Tensor, stems: tf.Tensor
) -> tf.Tensor:
    """Distance of the critics' feature maps of estimates and true stems.

    Args:
      estimates, stems: (batch, sources, samples, channels) of songs whose stems are known.
    """
    values = []
    for entry in critics:
        _, real = entry.critic(stems[:, entry.source])
        _, generated = entry.critic(estimates[:, entry.source])
        values.append(entry.weight * adversarial.feature_matching(real, generated))
    return tf.add_n(values)
