"""Distance of log magnitudes, the supervised loss of Stoller et al. (2018)."""

import tensorflow as tf


def log_magnitudes(outputs, references, mixture):
    """Mean square error of ln(1 + |STFT|), summed over the sources: L_s of arXiv 1711.00048.

    Raises:
      ValueError: the separator does not estimate log magnitudes.
    """
    del references, mixture
    if "log_magnitudes" not in outputs:
        raise ValueError(
            "loss.name='log_magnitudes' is for separators of log magnitudes (model.name=unet); "
            "choose another loss"
        )
    errors = tf.square(outputs["log_magnitudes"] - outputs["reference_log_magnitudes"])
    value = tf.reduce_sum(tf.reduce_mean(errors, [0, 2, 3, 4]))
    return value, {"log_mse": value}
