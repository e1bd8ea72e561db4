"""The scale of estimates that a separator leaves open."""

import tensorflow as tf

from dssgan.models.base import SeparatorModel


def scaled(model: SeparatorModel, estimates: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
    """The estimates of `model` at the level of their mixture; see `fitted`."""
    return fitted(estimates, mixture) if model.scale_free else estimates


def fitted(estimates: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
    """Scale estimates so that they add up to the mixture as well as gains alone can bring it about.

    Models that are trained with SI-SDR leave the scale of their estimates open, and its sign: a
    source may come out upside down throughout. Which way up it is follows from how it goes along
    with the mixture in the whole batch; the gains then are those of least squares, one per excerpt,
    source and channel, none against that. They count as constants for the gradient.

    Args:
      estimates: (batch, sources, samples, channels). mixture: (batch, samples, channels).
    """
    samples = tf.cast(tf.shape(mixture)[1], tf.float32)
    gram = tf.einsum("bstc,brtc->bcsr", estimates, estimates) / samples
    correlation = tf.einsum("bstc,btc->bcs", estimates, mixture) / samples
    # Estimates of unit power, so that none is too quiet to count.
    level = tf.sqrt(tf.linalg.diag_part(gram) + 1e-10)
    gram /= level[..., :, None] * level[..., None, :]
    # Estimates that say the same share the gain instead of getting huge opposite ones.
    gram += 1e-4 * tf.eye(estimates.shape[1])
    right = correlation / level
    upright = tf.where(tf.reduce_sum(right, (0, 1)) < 0.0, -1.0, 1.0)
    gains = tf.linalg.cholesky_solve(tf.linalg.cholesky(gram), right[..., None])[..., 0] / level
    gains = tf.stop_gradient(upright * tf.maximum(upright * gains, 0.0))
    return estimates * tf.transpose(gains, (0, 2, 1))[:, :, None, :]
