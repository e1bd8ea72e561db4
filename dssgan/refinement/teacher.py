"""New songs with known answers, made of a teacher's estimates and of solo recordings.

Self-training as Band-Split RNN does it (Luo and Yu, arXiv 2209.15174, section on semi-supervised
fine-tuning): what a teacher separated is drawn anew, source by source, scaled and mixed, so that
the student gets mixtures whose stems are known even though the songs they come from have none.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from dssgan.losses.adversarial import random_order
from dssgan.models.base import SeparatorModel
from dssgan.refinement.scale import scaled


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """How a teacher's labels become songs, and how these count.

    Attributes:
      weight: of the loss on these songs, beside 1 for that on paired songs.
      threshold_db: a source that much below its mixture counts as silent.
      drop: share of these songs, those with the highest losses, that is left out.
      solo_share: chance that a source is an exact solo instead of an estimate.
      gain_db: lowest and highest gain of a stem.
    """

    weight: float = 1.0
    threshold_db: float = 30.0
    drop: float = 0.0
    solo_share: float = 0.5
    gain_db: tuple[float, float] = (-10.0, 10.0)

    def remix(self, teacher: SeparatorModel, batch: Any, seed: tf.Tensor) -> tf.Tensor:
        """New songs: stems (batch, sources, samples, channels), constants for any gradient.

        Args:
          teacher: labels batch["mixtures"]. batch: with "solos" as well, see `remixed`.
          seed: int32 (2,).
        """
        mixtures = batch["mixtures"]
        estimates = scaled(teacher, teacher(mixtures, training=False), mixtures)
        stems = remixed(
            pseudo_labels(estimates, mixtures, self.threshold_db),
            {teacher.sources.index(name): solo for name, solo in batch["solos"].items()},
            seed,
            solo_share=self.solo_share,
            gain_db=self.gain_db,
        )
        return tf.stop_gradient(stems)

    def weights(self, losses: tf.Tensor) -> tf.Tensor:
        """(batch,): 0 for songs that are left out, the others raised so that the mean stays.

        Args:
          losses: (batch,), that of each song alone.
        """
        kept = keep_lowest(losses, self.drop)
        return self.weight * kept / tf.reduce_mean(kept)


def pseudo_labels(
    estimates: tf.Tensor, mixture: tf.Tensor, threshold_db: float = 30.0
) -> tf.Tensor:
    """Stems that add up to the mixture, from a teacher's estimates.

    What the estimates lack of the mixture is shared among them. A source whose energy is
    `threshold_db` or more below that of the mixture counts as silent, and what it had goes to the
    others: with two sources the mixture is then a clean stem of the other one.

    Args:
      estimates: (batch, sources, samples, channels). mixture: (batch, samples, channels).

    Returns:
      (batch, sources, samples, channels).
    """
    estimates += (mixture - tf.reduce_sum(estimates, 1))[:, None] / estimates.shape[1]
    energies = tf.reduce_sum(tf.square(estimates), (2, 3))
    whole = tf.reduce_sum(tf.square(mixture), (1, 2))[:, None]
    active = tf.cast(energies > 10.0 ** (-threshold_db / 10.0) * whole, tf.float32)
    count = tf.reduce_sum(active, 1, keepdims=True)
    active = tf.where(count > 0.0, active, tf.ones_like(active))  # a silent mixture stays silent
    count = tf.reduce_sum(active, 1, keepdims=True)
    kept = estimates * active[:, :, None, None]
    rest = mixture - tf.reduce_sum(kept, 1)
    return kept + rest[:, None] * (active / count)[:, :, None, None]


def remixed(
    stems: tf.Tensor,
    solos: Mapping[int, tf.Tensor],
    seed: tf.Tensor,
    *,
    solo_share: float = 0.0,
    gain_db: Sequence[float] = (-10.0, 10.0),
) -> tf.Tensor:
    """Stems drawn anew: every source from an excerpt of its own, at a level of its own.

    Args:
      stems: (batch, sources, samples, channels), what is drawn from.
      solos: {index of a source: (count, samples, channels)}, exact stems beside what is drawn from.
      seed: int32 (2,); the same seed draws the same.
      solo_share: chance that a source comes from its solos, where it has any.
      gain_db: lowest and highest gain of a stem in dB, drawn uniformly.

    Returns:
      (batch, sources, samples, channels); their sum is the new mixture.
    """
    batch, sources = stems.shape[0], stems.shape[1]
    seeds = tf.random.split(seed, 4 * sources)
    drawn = []
    for source in range(sources):
        first, second, third, fourth = (seeds[4 * source + place] for place in range(4))
        stem = tf.gather(stems[:, source], random_order(batch, first))
        if source in solos and solo_share > 0.0:
            count = solos[source].shape[0]
            order = tf.random.stateless_uniform((batch,), second, 0, count, tf.int32)
            solo = tf.random.stateless_uniform((batch, 1, 1), third) < solo_share
            stem = tf.where(solo, tf.gather(solos[source], order), stem)
        low, high = gain_db
        gain = tf.random.stateless_uniform((batch, 1, 1), fourth, low, high)
        drawn.append(stem * 10.0 ** (gain / 20.0))
    return tf.stack(drawn, 1)


def keep_lowest(errors: tf.Tensor, drop: float) -> tf.Tensor:
    """1 for the excerpts that are kept and 0 for the share `drop` with the highest errors.

    Args:
      errors: (batch,). The number of dropped ones is drop · batch, rounded down.
    """
    batch = errors.shape[0]
    kept = batch - int(drop * batch)
    ranks = tf.argsort(tf.argsort(errors, stable=True), stable=True)
    return tf.cast(ranks < kept, tf.float32)
