"""The critics of a run: who judges which source, what they learn, what they tell the separator."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from dssgan.critics.base import Critic, beside
from dssgan.losses import adversarial


@dataclasses.dataclass
class SourceCritic:
    """A critic of one source.

    Attributes:
      name: for curves and messages; no two judges share it.
      critic: audio (batch, samples, channels) → (logits, feature maps).
      source: index of the source whose solos are real and whose estimates are generated.
      objective: of `dssgan.losses.adversarial.OBJECTIVES`.
      penalty: weight λ of the gradient penalty; 0 has none.
      weight: of this judge's word in the separator's loss.
      magnitudes: it judges the log magnitudes that the separator gave, not its waveforms.
    """

    name: str
    critic: Critic
    source: int
    objective: Any
    penalty: float = 0.0
    weight: float = 1.0
    magnitudes: bool = False

    def learn(
        self, heard: "CriticInputs", seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The critic's loss and what explains it."""
        real, fake = heard.solos[self.source], self.generated(heard)
        return critic_loss(self.name, self.critic, self.objective, real, fake, self.penalty, seed)

    def generated(self, heard: "CriticInputs") -> tf.Tensor:
        """What the separator made of this judge's source."""
        return (heard.log_magnitudes if self.magnitudes else heard.estimates)[:, self.source]


@dataclasses.dataclass
class DependencyCritics:
    """Two dependency critics that learn whether estimates belong to their mixture.

    FactorGAN (Stoller, Ewert and Dixon, ICLR 2020): `real` tells true songs from songs whose stems
    were shuffled, `generated` tells estimates beside their mixture from shuffled ones. What the
    first says less the second, added to the marginal critics, judges the whole.
    """

    name: str
    real: Critic
    generated: Critic
    objective: Any
    penalty: float = 0.0
    weight: float = 1.0

    def learn(
        self, heard: "CriticInputs", seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The loss of both critics and what explains it."""
        total, metrics = 0.0, {}
        seeds = tf.random.split(seed, 4)
        pairs = (
            ("real", self.real, heard.paired_mixture, heard.paired_stems),
            ("generated", self.generated, heard.mixture, heard.estimates),
        )
        for place, (which, critic, mixture, stems) in enumerate(pairs):
            joint = beside(mixture, stems)
            apart = beside(mixture, adversarial.shuffled(stems, seeds[2 * place]))
            loss, told = critic_loss(
                f"{self.name}/{which}",
                critic,
                self.objective,
                joint,
                apart,
                self.penalty,
                seeds[2 * place + 1],
            )
            total += loss
            metrics |= told
        return total, metrics


@dataclasses.dataclass
class CriticInputs:
    """What critics listen to, cropped to what has full context.

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


def cropped(audio: tf.Tensor, margin: int) -> tf.Tensor:
    """(…, samples, channels) without `margin` samples at both ends."""
    return audio[..., margin : audio.shape[-2] - margin, :]


def critic_loss(
    name: str,
    critic: Critic,
    objective: Any,
    real: tf.Tensor,
    fake: tf.Tensor,
    penalty: float,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The loss of one critic on real and generated excerpts."""
    real_logits, _ = critic(real, training=True)
    fake_logits, _ = critic(fake, training=True)
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"critic {name}: {real_logits.shape[1]} places of real excerpts are judged and "
            f"{fake_logits.shape[1]} of generated ones; leave adversarial.margin out, so that it "
            "is the separator's context"
        )
    loss = objective.critic(real_logits, fake_logits)
    metrics = {
        f"critic/{name}/loss": loss,
        f"critic/{name}/real": tf.reduce_mean(real_logits),
        f"critic/{name}/generated": tf.reduce_mean(fake_logits),
        f"critic/{name}/distance": adversarial.distance(real_logits, fake_logits),
        f"critic/{name}/accuracy": adversarial.accuracy(real_logits, fake_logits),
    }
    if penalty:
        value = adversarial.gradient_penalty(critic, real, fake, seed)
        metrics[f"critic/{name}/penalty"] = value
        loss += penalty * value
    return loss, metrics


def adversarial_loss(
    judges: Sequence[SourceCritic], pairs: Sequence[DependencyCritics], heard: CriticInputs
) -> tf.Tensor:
    """The adversarial loss of the separator: how far the critics are from taking it for real.

    Without dependency critics every judge has its own say. With them the logits are added before
    the objective is taken, as in FactorGAN.
    """
    said = [(judge, judge.critic(judge.generated(heard))[0]) for judge in judges]
    if not pairs:
        losses = [judge.weight * judge.objective.separator(logits) for judge, logits in said]
        return tf.add_n(losses)
    total = 0.0
    joint = beside(heard.mixture, heard.estimates)
    for pair in pairs:
        logits = adversarial.combine(
            [judge.weight * logits for judge, logits in said],
            pair.real(joint)[0],
            pair.generated(joint)[0],
        )
        total += pair.weight * pair.objective.separator(logits)
    return total


def feature_matching_loss(
    judges: Sequence[SourceCritic], estimates: tf.Tensor, stems: tf.Tensor
) -> tf.Tensor:
    """Feature matching: distance of the critics' feature maps of estimates and true stems.

    Args:
      estimates, stems: (batch, sources, samples, channels) of songs whose stems are known.
    """
    values = []
    for judge in judges:
        _, true = judge.critic(stems[:, judge.source])
        _, guessed = judge.critic(estimates[:, judge.source])
        values.append(judge.weight * adversarial.feature_matching(true, guessed))
    return tf.add_n(values)


def critics_of(judges: Sequence[SourceCritic], pairs: Sequence[DependencyCritics]) -> list[Critic]:
    """The critics in the order in which they are saved."""
    return [judge.critic for judge in judges] + [
        critic for pair in pairs for critic in (pair.real, pair.generated)
    ]
