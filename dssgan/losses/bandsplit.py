"""The loss of Band-Split RNN; see dssgan.losses for how a loss is called."""

import tensorflow as tf


def bandsplit(
    outputs,
    references,
    mixture,
    real: float = 1.0,
    imaginary: float = 1.0,
    waveform: float = 1.0,
):
    """Mean absolute errors of the targets' spectra and waveforms (arXiv 2209.15174).

    Args:
      outputs: with "spectra" (…, 2), real and imaginary parts as they are (not divided by a frame's
        length), "targets" (batch, targets, samples, channels), and both as "reference_…".
      real, imaginary, waveform: weights of the three errors.

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
    parts = {
        "real": tf.reduce_mean(errors[..., 0]),
        "imaginary": tf.reduce_mean(errors[..., 1]),
        "waveform": tf.reduce_mean(tf.abs(outputs["targets"] - outputs["reference_targets"])),
    }
    loss = real * parts["real"] + imaginary * parts["imaginary"] + waveform * parts["waveform"]
    return loss, parts
