"""Conversions of audio before it is scored: one channel, another rate, another length."""

import math
from collections.abc import Callable

import numpy as np
import scipy.signal


def to_mono(audio: np.ndarray) -> np.ndarray:
    """Average the channels of (samples, channels) → float64 (samples, 1)."""
    return audio.mean(axis=1, keepdims=True, dtype=np.float64)


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Change the rate by polyphase filters.

    Args:
      audio: (samples, channels).
      from_rate, to_rate: in Hz.

    Returns:
      float64 (⌈samples · to_rate / from_rate⌉, channels).
    """
    if from_rate == to_rate:
        return np.asarray(audio, np.float64)
    common = math.gcd(from_rate, to_rate)
    return scipy.signal.resample_poly(
        np.asarray(audio, np.float64), to_rate // common, from_rate // common, axis=0
    )


def conversion(mono: bool, to_rate: int | None) -> Callable[[np.ndarray, int], np.ndarray]:
    """(audio, its rate in Hz) → audio as a protocol wants it; rate None keeps the rate."""

    def convert(audio: np.ndarray, rate: int) -> np.ndarray:
        if mono:
            audio = to_mono(audio)
        return audio if to_rate is None else resample(audio, rate, to_rate)

    return convert


def fit(audio: np.ndarray, samples: int, what: str, warnings: list[str]) -> np.ndarray:
    """Cut audio to a length, or pad it with silence at the end; add a line to `warnings`."""
    if len(audio) == samples:
        return audio
    done = "cut to" if len(audio) > samples else "padded with silence to"
    warnings.append(f"{what} has {len(audio)} samples: {done} {samples}")
    if len(audio) > samples:
        return audio[:samples]
    return np.pad(audio, ((0, samples - len(audio)), (0, 0)))


def as_channels(audio: np.ndarray, channels: int, what: str, warnings: list[str]) -> np.ndarray:
    """Double a mono estimate of a stereo song; ValueError for other differences."""
    if audio.shape[1] == channels:
        return audio
    if audio.shape[1] == 1:
        warnings.append(f"{what} is mono: the same in all {channels} channels")
        return np.repeat(audio, channels, axis=1)
    raise ValueError(
        f"{what} has {audio.shape[1]} channels, its reference {channels}: mix it down first"
    )
