"""Encoder and decoder of one Meta-TasNet stage: waveform ↔ latent, shared by all sources.

arXiv 2002.07016, section 2.3: parallel filter banks of rising length beside a spectrogram branch.
All convolutions are matrix products over frames, which the CPU's matrix units run at full speed.
"""

import keras
import numpy as np
import tensorflow as tf

from dssgan import signal
from dssgan.models.layers import fused
from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.products import matmul


class Encoder(keras.layers.Layer):
    """Waveform (batch, samples) → signed latent (batch, frames, width).

    Args:
      width: latent channels N. filter_length: samples L of the shortest bank. stride: W.
      banks: parallel filter banks of lengths L, 2 L, 4 L …
      mels: channels of the spectrogram branch; 0 leaves the branch out (plain Conv-TasNet).
      fft_length, hop: of the spectrogram branch, in samples.
    """

    def __init__(self, width, filter_length, stride, banks, mels, fft_length, hop, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.width, self.stride, self.mels = width, stride, mels
        self.fft_length, self.hop = fft_length, hop
        self.lengths = [filter_length * 2**bank for bank in range(banks)]
        self.filters = [
            self.add_weight(
                shape=(length, width // 4),
                initializer=uniform_fan_in(length),
                name=f"filters_{bank}",
            )
            for bank, length in enumerate(self.lengths)
        ]
        inputs = banks * (width // 4) + mels
        self.bottleneck_0 = self.add_weight(
            shape=(inputs, width), initializer=uniform_fan_in(inputs), name="bottleneck_0"
        )
        self.bottleneck_1 = self.add_weight(
            shape=(width, width), initializer=uniform_fan_in(width), name="bottleneck_1"
        )
        if mels:
            bins = fft_length // 2 + 1
            self.mean = self.add_weight(
                shape=(bins,), initializer="zeros", trainable=False, name="mean"
            )
            self.std = self.add_weight(
                shape=(bins,), initializer="ones", trainable=False, name="std"
            )
            self.scale = self.add_weight(shape=(bins,), initializer="ones", name="scale")
            self.shift = self.add_weight(shape=(bins,), initializer="zeros", name="shift")
            self.mel_kernel = self.add_weight(
                shape=(bins, mels), initializer=uniform_fan_in(bins), name="mel_kernel"
            )
            self.mel_bias = self.add_weight(
                shape=(mels,), initializer=uniform_fan_in(bins), name="mel_bias"
            )
        self.built = True

    def frames(self, audio):
        """Overlapping frames of the longest bank, centred like the strided convolution's."""
        longest, samples = self.lengths[-1], audio.shape[-1]
        side = (longest - self.stride) // 2
        padded = tf.pad(audio, [[0, 0], [side, longest]])
        count = samples // self.stride
        if longest % self.stride:
            return tf.signal.frame(padded, longest, self.stride)[:, :count]
        pieces = longest // self.stride
        rows = tf.reshape(
            padded[:, : (count + pieces - 1) * self.stride], (-1, count + pieces - 1, self.stride)
        )
        return tf.concat([rows[:, piece : piece + count] for piece in range(pieces)], -1)

    def log_spectrum(self, audio):
        """The spectrogram branch's input before normalisation: (batch, frames, bins)."""
        return signal.log_power(audio, self.fft_length, self.hop)

    def call(self, audio, dtype=tf.float32):
        """Encode (batch, samples); samples a multiple of the stride, longer than fft_length / 2."""
        y = self.filtered(self.frames(audio), dtype)
        if self.mels:
            slow = self.mel_part(self.log_spectrum(audio))
            stretch = signal.interpolation_matrix(slow.shape[-2], y.shape[-2])
            y += matmul(tf.cast(stretch, dtype), tf.cast(slow, dtype))
        return matmul(tf.nn.relu(y), tf.cast(self.bottleneck_1, dtype))

    def filtered(self, frames, dtype):
        """The filter banks' part of the bottleneck's sum, from frames of the longest bank."""
        longest = self.lengths[-1]
        banks = []
        for length, kernel in zip(self.lengths, self.filters):
            start = (longest - length) // 2
            banks.append(matmul(frames[..., start : start + length], tf.convert_to_tensor(kernel)))
        hidden = tf.cast(tf.nn.relu(tf.concat(banks, -1)), dtype)
        kernel = tf.convert_to_tensor(self.bottleneck_0)[: hidden.shape[-1]]
        return matmul(hidden, tf.cast(kernel, dtype))

    def mel_part(self, log_spectrum):
        """The spectrogram branch's part of that sum, float32, per frame of the spectrum.

        The branch is linear after its logarithm, so the bottleneck comes before the interpolation,
        where there are eight times fewer frames.
        """
        spectrum = (log_spectrum - self.mean) / self.std
        mel = matmul(spectrum * self.scale + self.shift, self.mel_kernel) + self.mel_bias
        return matmul(mel, tf.convert_to_tensor(self.bottleneck_0)[-self.mels :])


class Decoder(keras.layers.Layer):
    """Latent (…, frames, width) → waveform (…, samples): the encoder's mirror without spectra.

    Args:
      width, filter_length, stride, banks: as the encoder's; bank l has width / 2^(l+1) channels.
    """

    def __init__(self, width, filter_length, stride, banks, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.stride = stride
        self.lengths = [filter_length * 2**bank for bank in range(banks)]
        self.channels = [width // 2 ** (bank + 1) for bank in range(banks)]
        total = sum(self.channels)
        self.bottleneck = self.add_weight(
            shape=(width, total), initializer=uniform_fan_in(total), name="bottleneck"
        )
        self.filters = [
            self.add_weight(
                shape=(channels, length), initializer=uniform_fan_in(length), name=f"filters_{bank}"
            )
            for bank, (channels, length) in enumerate(zip(self.channels, self.lengths))
        ]
        self.built = True

    def call(self, latent):
        """Decode to float32 (…, frames · stride)."""
        frames = latent.shape[-2]
        hidden = matmul(latent, tf.cast(self.bottleneck, latent.dtype))
        hidden = fused.relu_piece(hidden)
        audio, start = 0.0, 0
        for channels, length, kernel in zip(self.channels, self.lengths, self.filters):
            part = hidden[..., start : start + channels]
            rows = matmul(part, tf.cast(kernel, part.dtype))
            audio += self.overlap_add(tf.cast(rows, tf.float32), length, frames)
            start += channels
        return audio

    def overlap_add(self, rows, length, frames):
        """Add frames at the stride and crop what a transposed convolution's padding crops."""
        crop = (length - self.stride) // 2
        if length == self.stride:
            whole = tf.reshape(rows, tf.concat([tf.shape(rows)[:-2], [frames * length]], 0))
        else:
            whole = tf.signal.overlap_and_add(rows, self.stride)
        return whole[..., crop : crop + frames * self.stride]


def frame_sums(values) -> tuple[int, np.ndarray, np.ndarray]:
    """(frames, sum, sum of squares) per bin of (batch, time, bins), in double precision."""
    values = np.asarray(values, np.float64)
    frames = values.shape[0] * values.shape[1]
    return frames, values.sum((0, 1)), np.square(values).sum((0, 1))


def unbiased_moments(sums) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased standard deviation per bin from a list of `frame_sums`."""
    count = sum(frames for frames, _, _ in sums)
    if count < 2:
        raise ValueError("calibrate: expected at least two spectrogram frames of training mixtures")
    mean = sum(total for _, total, _ in sums) / count
    square = sum(square for _, _, square in sums)
    variance = np.maximum(square - count * mean**2, 0.0) / (count - 1)
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)
