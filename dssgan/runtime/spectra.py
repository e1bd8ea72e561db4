"""Short-time spectra in NumPy: the transforms of `dssgan.signal`, without TensorFlow."""

import numpy as np


def hann_window(length: int) -> np.ndarray:
    """The periodic Hann window, float32 (length,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def stft(audio: np.ndarray, frame_length: int, hop: int) -> np.ndarray:
    """Centred short-time Fourier transform with reflected edges.

    Args:
      audio: float32 (rows, samples), samples > frame_length / 2.
      frame_length, hop: in samples.

    Returns:
      complex64 (rows, samples // hop + 1, frame_length // 2 + 1), un-normalised.
    """
    half = frame_length // 2
    padded = np.pad(audio, ((0, 0), (half, half)), "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame_length, 1)[:, ::hop]
    return np.fft.rfft(frames * hann_window(frame_length)).astype(np.complex64, copy=False)


def istft(spectra: np.ndarray, frame_length: int, hop: int, samples: int) -> np.ndarray:
    """The signal whose windowed frames come closest to those given (Griffin and Lim, 1984, eq. 6).

    Args:
      spectra: complex64 (rows, frames, frame_length // 2 + 1).
      frame_length, hop: as of `stft`; hop at most frame_length / 2.
      samples: of the result.

    Returns:
      float32 (rows, samples).
    """
    window = hann_window(frame_length)
    rows, frames, _ = spectra.shape
    half = frame_length // 2
    audio = np.zeros((rows, max((frames - 1) * hop + frame_length, half + samples)), np.float32)
    power = np.zeros(audio.shape[1])
    pieces = np.fft.irfft(spectra, frame_length).astype(np.float32, copy=False) * window
    for frame in range(frames):
        place = slice(frame * hop, frame * hop + frame_length)
        audio[:, place] += pieces[:, frame]
        power[place] += np.square(window, dtype=np.float64)
    # Where no window reaches, at the very end of some lengths, there is nothing to divide.
    audio /= np.maximum(power, 1e-8).astype(np.float32)
    return audio[:, half : half + samples]
