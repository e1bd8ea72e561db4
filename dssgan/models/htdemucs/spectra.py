"""Short-time spectra with one frame per hop of audio, as Demucs pads them."""

import tensorflow as tf

from dssgan import signal

SHARE = 4  # hops in a frame


def spectrum(audio: tf.Tensor, nfft: int) -> tf.Tensor:
    """Real and imaginary parts of the spectrum, its topmost bin left out.

    Args:
      audio: (batch, samples, channels). nfft: length of a frame, four hops.

    Returns:
      float32 (batch, frames, nfft / 2, 2 · channels), real before imaginary part of each channel;
      frames = ⌈samples / hop⌉, scaled by 1 / √nfft.
    """
    hop, samples = nfft // SHARE, audio.shape[1]
    edge = 3 * hop // 2
    more = -samples % hop
    waves = reflected(tf.transpose(audio, (0, 2, 1)), edge, edge + more)
    parts = tf.stack(signal.parts_of(waves, nfft, hop, centred=False), -1)
    parts = tf.transpose(parts[..., :-1, :], (0, 2, 3, 1, 4)) * nfft**-0.5
    return tf.reshape(parts, (-1, *parts.shape[1:3], 2 * audio.shape[2]))


def waves(parts: tf.Tensor, nfft: int, samples: int) -> tf.Tensor:
    """The inverse: (batch, frames, nfft / 2, 2 · rows) → (batch, rows, samples)."""
    hop = nfft // SHARE
    frames, bins = parts.shape[1:3]
    parts = tf.reshape(parts, (-1, frames, bins, parts.shape[3] // 2, 2))
    parts = tf.transpose(parts, (4, 0, 3, 1, 2)) * nfft**0.5
    # Two empty frames at either end, and the topmost bin.
    parts = tf.pad(parts, [[0, 0], [0, 0], [0, 0], [2, 2], [0, 1]])
    edge = 3 * hop // 2
    found = signal.waves_of(parts[0], parts[1], nfft, hop, frames * hop + 2 * edge)
    return found[..., edge : edge + samples]


def reflected(rows: tf.Tensor, before: int, after: int) -> tf.Tensor:
    """Mirrored at either end along the last axis; what is too short gets zeros first."""
    longest, samples = max(before, after), rows.shape[-1]
    keep = [[0, 0]] * (rows.shape.rank - 1)
    missing = max(0, longest + 1 - samples)
    right = min(after, missing)
    left = missing - right
    if missing:
        rows = tf.pad(rows, [*keep, [left, right]])
    return tf.pad(rows, [*keep, [before - left, after - right]], mode="REFLECT")
