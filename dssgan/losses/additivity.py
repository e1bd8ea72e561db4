"""Additivity: estimates add up to their mixture (Stoller, Ewert and Dixon, ICASSP 2018)."""

import tensorflow as tf


def additivity(estimates: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
    """Mean square of what the estimates leave of the mixture, on the waveform.

    Args:
      estimates: (batch, sources, samples, channels). mixture: (batch, samples, channels).
    """
    return tf.reduce_mean(tf.square(mixture - tf.reduce_sum(estimates, 1)))


def spectral_additivity(magnitudes: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
    """Mean square of mixture magnitude minus the sum of the sources' magnitudes.

    The original's L_add (arXiv 1711.00048), on linear magnitudes: a separator of ln(1 + magnitude)
    is undone with expm1 first.

    Args:
      magnitudes: (batch, sources, …) ≥ 0. mixture: (batch, …) ≥ 0.
    """
    return tf.reduce_mean(tf.square(mixture - tf.reduce_sum(magnitudes, 1)))
