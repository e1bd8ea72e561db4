"""Band-Split RNN in real numbers: what `BandSplit.separate` does, for formats without complex ones.

A spectrum is float32 (items, channels, 2, frames, bins), its real and its imaginary part.
"""

import tensorflow as tf

from dssgan import signal


def waves(model, audio):
    """Targets of a chunk; for "authors", items are channels, and each has one of its own.

    Args:
      model: of `BandSplit`.
      audio: (items, channels, samples).

    Returns:
      float32 (items, targets, channels, samples).
    """
    spectrum = tf.stack(signal.real_stft(audio, model.frame_length, model.hop), 2)
    separate = _standardised if model.amanteur else _masked
    real, imaginary = tf.unstack(separate(model, spectrum), axis=3)
    samples = audio.shape[-1]
    return signal.real_istft(real, imaginary, model.frame_length, model.hop, samples)


def _masked(model, spectrum):
    """The network: (items, channels, 2, frames, bins) → (items, targets, channels, 2, …)."""
    _, channels, _, frames, bins = spectrum.shape
    masks = model.mask_parts(tf.reshape(spectrum, (-1, 2 * channels, frames, bins)))
    masks = tf.reshape(masks, (-1, len(model.targets), channels, 2, frames, bins))
    real, imaginary = tf.unstack(masks, axis=3)
    own_real, own_imaginary = (part[:, None] for part in tf.unstack(spectrum, axis=2))
    return tf.stack(
        [
            real * own_real - imaginary * own_imaginary,
            real * own_imaginary + imaginary * own_real,
        ],
        3,
    )


def _standardised(model, spectrum):
    """`_masked` for a spectrum of zero mean and unit variance, and back."""
    count = spectrum.shape[1] * spectrum.shape[3] * spectrum.shape[4]
    mean = spectrum
    for axis in (4, 3, 1):  # one after another: other runtimes lose two digits in one sum
        mean = tf.reduce_mean(mean, axis, keepdims=True)
    centred = spectrum - mean
    power = tf.square(centred)
    for axis in (4, 3, 2, 1):
        power = tf.reduce_sum(power, axis, keepdims=True)
    deviation = tf.sqrt(tf.maximum(power / (count - 1), 1e-24))
    found = _masked(model, centred / (deviation + 1e-5))
    return found * deviation[:, None] + mean[:, None]
