"""Distances of spectra, of the systems whose checkpoints can be imported; see dssgan.losses."""

import tensorflow as tf

from dssgan import signal

WINDOWS = (4096, 2048, 1024, 512, 256)  # samples


def multi_resolution(
    outputs, references, mixture, weight: float = 1.0, windows=WINDOWS, hop: int = 147
):
    """Mean absolute errors of waveforms and of spectra in several resolutions.

    Lu et al., arXiv 2309.02612, section 3.3: the errors of complex spectra are magnitudes of
    differences.

    Args:
      outputs: with "targets" and "reference_targets" (batch, targets, samples, channels).
      weight: of the spectra. windows: their lengths in samples; those that an excerpt is too short
        for are left out. hop: in samples.

    Raises:
      ValueError: the separator gives no targets.
    """
    del references, mixture
    found, wanted = _targets(outputs, "multi_resolution")
    difference = tf.transpose(found - wanted, (0, 1, 3, 2))
    waveform = tf.reduce_mean(tf.abs(difference))
    spectrum = tf.zeros(())
    for window in windows:
        if difference.shape[-1] > window // 2:  # the transform is linear: one of the difference
            parts = signal.parts_of(difference, window, hop)
            spectrum += tf.reduce_mean(_magnitude(*parts))
    return waveform + weight * spectrum, {"waveform": waveform, "spectrum": spectrum}


def spectrum_rmse(outputs, references, mixture, frame_length: int = 4096, hop: int = 1024):
    """Root mean square error of a target's spectrum, averaged over targets.

    Tong et al., arXiv 2401.13276, section 3.2; spectra without a window over √frame_length, as in
    the authors' program.

    Args:
      outputs: as of `multi_resolution`. frame_length, hop: in samples.

    Raises:
      ValueError: the separator gives no targets, or an excerpt is too short for a frame.
    """
    del references, mixture
    found, wanted = _targets(outputs, "spectrum_rmse")
    difference = tf.transpose(found - wanted, (0, 1, 3, 2))
    if difference.shape[-1] <= frame_length // 2:
        raise ValueError(
            f"loss.frame_length={frame_length}: excerpts have {difference.shape[-1]} samples; "
            "expected more than half of it: shorten it, or raise data.seconds"
        )
    parts = signal.parts_of(difference, frame_length, hop, window="rectangular")
    square = sum(tf.reduce_mean(tf.square(part), (2, 3, 4)) for part in parts) / 2
    value = tf.reduce_mean(tf.sqrt(square / frame_length + 1e-12))
    return value, {"spectrum": value}


def magnitudes(outputs, references, mixture):
    """Mean square error of the targets' magnitudes (Stöter et al., JOSS 4(41), 2019).

    Args:
      outputs: with "magnitudes" and "reference_magnitudes" of one shape.

    Raises:
      ValueError: the separator gives no magnitudes.
    """
    del references, mixture
    if "magnitudes" not in outputs:
        raise ValueError(
            "loss.name='magnitudes' is for separators of magnitudes (model.name=openunmix); choose "
            "another loss"
        )
    value = tf.reduce_mean(tf.square(outputs["magnitudes"] - outputs["reference_magnitudes"]))
    return value, {"magnitudes": value}


def _targets(outputs, name: str):
    if "reference_targets" not in outputs:
        raise ValueError(
            f"loss.name={name!r} is for separators that name targets (bandsplit, bs_roformer, "
            "mel_band_roformer, mdx23c, scnet); choose another loss"
        )
    return outputs["targets"], outputs["reference_targets"]


def _magnitude(real, imaginary):
    # The gradient of a root is infinite at 0.
    return tf.sqrt(tf.square(real) + tf.square(imaginary) + 1e-16)
