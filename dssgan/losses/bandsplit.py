"""The loss of Band-Split RNN; see dssgan.losses for how a loss is called."""

import tensorflow as tf

LEAST = 0.05  # of the mean magnitude of targets; a target that is silent counts as if it had it


def bandsplit(
    outputs,
    references,
    mixture,
    real: float = 1.0,
    imaginary: float = 1.0,
    waveform: float = 1.0,
    balance: float = 0.0,
):
    """Mean absolute errors of the targets' spectra and waveforms (arXiv 2209.15174).

    Args:
      outputs: with "spectra" (…, 2), real and imaginary parts as they are (not divided by a frame's
        length), "targets" (batch, targets, samples, channels), and both as "reference_…".
      real, imaginary, waveform: weights of the three errors.
      balance: 0 as in the paper, where loud targets count most; 1 where each counts alike, its
        errors divided by how loud it is in the batch (an extension). Between them, by powers.

    Raises:
      ValueError: the separator gives no spectra.
    """
    del references, mixture
    if "spectra" not in outputs:
        raise ValueError(
            "loss.name='bandsplit' is for separators of complex spectra (model.name=bandsplit); "
            "choose another loss"
        )
    errors = tf.abs(outputs["spectra"] - outputs["reference_spectra"])
    timed = tf.abs(outputs["targets"] - outputs["reference_targets"])
    if balance:
        weights = _weights(outputs["reference_targets"], balance)
        errors, timed = _weighted(errors, weights), _weighted(timed, weights)
    parts = {
        "real": tf.reduce_mean(errors[..., 0]),
        "imaginary": tf.reduce_mean(errors[..., 1]),
        "waveform": tf.reduce_mean(timed),
    }
    loss = real * parts["real"] + imaginary * parts["imaginary"] + waveform * parts["waveform"]
    return loss, parts


def _weights(references, balance: float):
    """What the errors of each target count, (targets,), by its mean magnitude."""
    levels = tf.reduce_mean(tf.abs(references), [0, 2, 3])
    mean = tf.reduce_mean(levels)
    return (mean / (levels + LEAST * mean + 1e-8)) ** balance


def _weighted(errors, weights):
    """Errors of (batch, targets, …) times the weights of targets."""
    return errors * tf.reshape(weights, (-1, *[1] * (errors.shape.rank - 2)))
