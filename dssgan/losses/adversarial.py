"""Losses between critics and separator: pure functions from logits and audio to scalars.

Logits are float32 (batch, n), high for what a critic takes for real. "fake" is what the separator
made. Random numbers come from the `seed` argument alone, int32 of shape (2,), so that a resumed
run repeats them bit by bit.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

EPSILON = 1e-8


@dataclasses.dataclass(frozen=True)
class Objective:
    """What a critic and the separator it scores minimise.

    Attributes:
      critic: (real logits, fake logits) → scalar.
      separator: fake logits → scalar.
    """

    critic: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    separator: Callable[[tf.Tensor], tf.Tensor]


def wasserstein_critic(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Minus the estimated Wasserstein distance: Arjovsky et al., 2017, equation 3."""
    return -distance(real, fake)


def hinge_critic(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """mean max(0, 1 − real) + mean max(0, 1 + fake): Lim, Ye, "Geometric GAN", 2017."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def least_squares_critic(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Mao et al., "Least squares GAN", 2017, equation 9, without its halves: targets 1 and 0."""
    return tf.reduce_mean(tf.square(real - 1.0)) + tf.reduce_mean(tf.square(fake))


def logistic_critic(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Goodfellow et al., 2014, equation 1: at its best a logit is log p(real) / p(fake)."""
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


def raise_score(fake: tf.Tensor) -> tf.Tensor:
    """Minus the mean logit; of log-ratios it is the divergence KL(fake ‖ real)."""
    return -tf.reduce_mean(fake)


def reach_one(fake: tf.Tensor) -> tf.Tensor:
    """Mao et al., 2017, equation 9, without its half."""
    return tf.reduce_mean(tf.square(fake - 1.0))


def pass_for_real(fake: tf.Tensor) -> tf.Tensor:
    """−log of the probability to be real, the non-saturating form of Goodfellow et al., 2014."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


OBJECTIVES: dict[str, Objective] = {
    "wasserstein": Objective(wasserstein_critic, raise_score),
    "hinge": Objective(hinge_critic, raise_score),
    "least_squares": Objective(least_squares_critic, reach_one),
    "logistic": Objective(logistic_critic, pass_for_real),
}


def distance(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Mean logit of real minus mean logit of fake: the Wasserstein distance as a critic sees it."""
    return tf.reduce_mean(real) - tf.reduce_mean(fake)


def accuracy(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Share of the pairs of a real and a fake excerpt that the critic ranks rightly, 0 to 1.

    0.5 is chance. An excerpt counts with its mean logit, ties count half: the Mann–Whitney
    statistic over the number of pairs. It needs no threshold, so it means the same for every
    objective.
    """
    real, fake = tf.reduce_mean(real, 1)[:, None], tf.reduce_mean(fake, 1)[None, :]
    return tf.reduce_mean(
        tf.cast(real > fake, tf.float32) + 0.5 * tf.cast(real == fake, tf.float32)
    )


def gradient_penalty(critic: Any, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One-sided penalty on steep critics, in float32 whatever the critic's precision.

    mean(max(‖∇D(x)‖₂ − 1, 0)²) at x = r + e (f − r), e ~ U(0, 1) per excerpt, r the real excerpts
    shuffled along the batch: Gulrajani et al., 2017, equation 3, one-sided as in arXiv 1711.00048.
    x and the gradient live where `critic.represent` leads; the norm goes over everything but the
    batch. D is an excerpt's mean logit. A critic that is `independent` is held to it logit by
    logit, as the original is patch by patch.

    Args:
      critic: with `represent` and `logits_of` of `dssgan.critics.Critic`.
      real, fake: audio of equal shape (batch, samples, channels).
      seed: int32 (2,).
    """
    order_seed, share_seed = tf.unstack(tf.random.split(seed, 2))
    real, fake = critic.represent(real), critic.represent(fake)
    batch = tf.shape(tf.nest.flatten(real)[0])[0]
    order = random_order(batch, order_seed)
    share = tf.random.stateless_uniform([batch], share_seed)

    def between(r: tf.Tensor, f: tf.Tensor) -> tf.Tensor:
        r, f = tf.gather(tf.cast(r, tf.float32), order), tf.cast(f, tf.float32)
        e = tf.reshape(share, [-1] + [1] * (r.shape.rank - 1))
        return tf.stop_gradient(r + e * (f - r))

    independent = getattr(critic, "independent", False)
    points = tf.nest.map_structure(between, real, fake)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        logits, _ = critic.logits_of(points, precise=True)
        scores = tf.reduce_sum(logits if independent else tf.reduce_mean(logits, 1))
    kept = 2 if independent else 1
    power = tf.add_n(
        [
            tf.reduce_sum(tf.square(gradient), list(range(kept, gradient.shape.rank)))
            for gradient in tf.nest.flatten(tape.gradient(scores, points))
        ]
    )
    # The root of zero has no derivative; where the power is tiny the penalty is zero anyway.
    norm = tf.sqrt(tf.maximum(power, EPSILON))
    return tf.reduce_mean(tf.square(tf.nn.relu(norm - 1.0)))


def feature_matching(real: Sequence[tf.Tensor], fake: Sequence[tf.Tensor]) -> tf.Tensor:
    """Mean over maps of mean |fake − real| over mean |real|: Larsen et al., 2016, with L1 norms.

    Only for pairs: estimates and references of the same excerpts, or pseudo-labelled ones. Real
    maps count as constants. The division makes deep and shallow maps weigh alike.
    """
    terms = []
    for r, f in zip(real, fake, strict=True):
        r, f = tf.stop_gradient(tf.cast(r, tf.float32)), tf.cast(f, tf.float32)
        terms.append(tf.reduce_mean(tf.abs(f - r)) / (tf.reduce_mean(tf.abs(r)) + EPSILON))
    return tf.add_n(terms) / float(len(terms))


def random_order(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A uniformly drawn permutation of 0 … count − 1."""
    return tf.argsort(tf.random.stateless_uniform([count], seed), stable=True)


def shuffled(stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Stems that belong to no mixture: every source permuted along the batch on its own.

    What remains are the sources' marginal distributions (FactorGAN, arXiv 1905.12660). Every
    permutation is one random cycle, so that with two excerpts or more no stem stays beside its own
    mixture.

    Args:
      stems: (batch, sources, …). seed: int32 (2,).
    """
    sources = stems.shape[1]
    seeds = tf.unstack(tf.random.split(seed, sources))
    columns = []
    for source, own_seed in enumerate(seeds):
        order = random_order(tf.shape(stems)[0], own_seed)
        successor = tf.gather(tf.roll(order, -1, 0), tf.argsort(order))
        columns.append(tf.gather(stems[:, source], successor))
    return tf.ensure_shape(tf.stack(columns, 1), stems.shape)


def combine(
    marginals: Sequence[tf.Tensor], real_pairs: tf.Tensor, generated_pairs: tf.Tensor
) -> tf.Tensor:
    """The logit of mixture and estimates together, from critics of the parts.

    FactorGAN (Stoller, Ewert, Dixon, ICLR 2020, arXiv 1905.12660): with c the joint density over
    the product of its marginals,

      log p(x)/q(x) = Σ_i log p(x_i)/q(x_i) + log c_p(x) − log c_q(x)

    where the critic of real against shuffled real pairs learns log c_p and that of generated
    against shuffled generated pairs log c_q. The mixture has no marginal term: it is the same in
    both. Logits are log-ratios under the "logistic" objective; with another one the sum is a
    heuristic.

    Args:
      marginals: logits (batch, n) of the estimates, one tensor per source's critic.
      real_pairs: logits of the estimates beside their mixture from critic p.
      generated_pairs: the same from critic q.

    Returns:
      (batch, 1).
    """
    scores = [tf.reduce_mean(logits, 1, keepdims=True) for logits in (*marginals, real_pairs)]
    return tf.add_n(scores) - tf.reduce_mean(generated_pairs, 1, keepdims=True)
