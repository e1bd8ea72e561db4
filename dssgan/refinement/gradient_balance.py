"""Weights of the terms of a loss, plain or as shares of the gradient."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from dssgan.optimisers.update import assign

TERMS = ("supervised", "adversarial", "additivity")
NORM_DECAY = 0.99
TINY = 1e-20


class GradientBalance:
    """Running norms of the terms' gradients at the separator's output, and what follows from them.

    With them every term but the supervised one is divided by its norm and multiplied by the
    supervised one, so that a weight of 1 counts as much as the paired songs do: the balancer of
    EnCodec (Défossez et al., arXiv 2210.13438, section 3.4), with the supervised loss as the
    reference instead of a fixed norm, and with geometric means of the norms. Norms of SI-SDR and of
    critics have long tails: a quiet excerpt or a young critic can weigh a thousand times as much as
    usual, and an arithmetic mean then speaks of that one update for hundreds of others.

    Attributes:
      norms: of each of `TERMS`, geometric means. counted: updates in them.
    """

    def __init__(self):
        self.norms = [tf.Variable(0.0, trainable=False) for _ in TERMS]
        self.counted = tf.Variable(0.0, trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a resume needs."""
        return [*self.norms, self.counted]

    def factors(
        self, weights: Mapping[str, float], norms: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """What each term's gradient is multiplied by.

        Args:
          weights: of all terms, 1 for the supervised one.
          norms: term → norm of its gradient in this update, the same on every replica. If one is
            not finite, nothing is learnt from them.
        """
        finite = tf.reduce_all(tf.math.is_finite(list(norms.values())))
        counted = tf.convert_to_tensor(self.counted)
        follow = 1.0 - tf.minimum(NORM_DECAY, counted / (1.0 + counted))
        changes, smooth = [], {}
        for name, variable in zip(TERMS, self.norms):
            if name not in norms:
                continue
            old = tf.convert_to_tensor(variable)
            norm = tf.cast(norms[name], tf.float32)
            before = tf.math.log(tf.maximum(old, TINY))
            mean = tf.exp(before + follow * (tf.math.log(tf.maximum(norm, TINY)) - before))
            mean = tf.where(old > 0.0, mean, norm)
            # A term without a gradient at the moment says nothing about its usual norm.
            smooth[name] = tf.where(finite & (norm > TINY), mean, old)
            changes.append((variable, smooth[name]))
        assign([*changes, (self.counted, counted + tf.cast(finite, tf.float32))])
        return {
            name: weights[name] * smooth["supervised"] / (smooth[name] + 1e-12)
            if name != "supervised"
            else tf.constant(weights[name], tf.float32)
            for name in norms
        }


def weighed(
    gradients: Mapping[str, Sequence[tf.Tensor]], factors: Mapping[str, tf.Tensor]
) -> list[tf.Tensor]:
    """The sum of all terms' gradients, each multiplied by its factor.

    Args:
      gradients: term → gradients at the same tensors. factors: term → scalar.
    """
    return [
        tf.add_n(
            [tf.cast(factors[name], part.dtype) * part for name, part in zip(gradients, parts)]
        )
        for parts in zip(*gradients.values())
    ]
