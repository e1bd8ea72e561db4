"""Distances of waveforms."""

import tensorflow as tf


def mean_absolute(outputs, references, mixture):
    """Mean absolute error of the waveforms."""
    del mixture
    value = tf.reduce_mean(tf.abs(outputs["estimates"] - references))
    return value, {"l1": value}


def mean_square(outputs, references, mixture):
    """Mean square error of the waveforms."""
    del mixture
    value = tf.reduce_mean(tf.square(outputs["estimates"] - references))
    return value, {"mse": value}
