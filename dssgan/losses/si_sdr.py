"""Scale-invariant signal-to-distortion ratio (Le Roux et al., ICASSP 2019) as a loss."""

import tensorflow as tf

EPSILON = 1e-8


def decibels(power: tf.Tensor) -> tf.Tensor:
    """10 log10(power), the power floored at 1e-8."""
    return 10.0 / 2.302585092994046 * tf.math.log(tf.maximum(power, EPSILON))


def si_sdr(estimate: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis, means kept.

    Le Roux et al., "SDR – half-baked or well done?", 2019, equation 4; energies are floored at
    1e-8 as in Meta-TasNet, so that silence stays finite.
    """
    scale = tf.reduce_sum(estimate * target, -1, keepdims=True) / (
        tf.reduce_sum(tf.square(target), -1, keepdims=True) + EPSILON
    )
    projected = scale * target
    residual = estimate - projected
    return decibels(tf.reduce_sum(tf.square(projected), -1)) - decibels(
        tf.reduce_sum(tf.square(residual), -1)
    )


def activity(references: tf.Tensor) -> tf.Tensor:
    """1 where a source has any non-zero sample in the excerpt: (…, samples) → (…)."""
    return tf.cast(tf.reduce_any(tf.not_equal(references, 0.0), -1), tf.float32)


def negative_si_sdr(outputs, references, mixture):
    """Minus the mean SI-SDR of the active sources at full rate, in dB."""
    del mixture
    estimates = tf.transpose(outputs["estimates"], (0, 1, 3, 2))
    targets = tf.transpose(references, (0, 1, 3, 2))
    active = activity(targets)
    value = tf.reduce_sum(si_sdr(estimates, targets) * active)
    value /= tf.maximum(tf.reduce_sum(active), 1.0)
    return -value, {"si_sdr": value}
