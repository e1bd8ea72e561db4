"""Tone curves, low-pass filters and rooms, applied by FFT; audio is float32 (channels, samples)."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import fft

from common.audio_files import files_below
from datasets.audio.reading import read, resample

_PERIODS = (0.6, 1.2, 1.8)  # of the sines of a tone curve, within ten octaves from 20 Hz
_WEIGHTS = np.array([3.0, 2.0, 1.5]) / 6.5  # most of each sine, of the whole range in dB
_MARGIN_S = 0.1  # of silence that a filter without delay may ring into
_ORDER = 24  # of low-pass filters: −6 dB at the cut-off, −90 dB at 1.6 of it
_LONGEST_S = 10.0  # of a measured response

Responses = Sequence[np.ndarray]


def draw_tone(rng: np.random.Generator, db: float, frequencies: np.ndarray) -> np.ndarray:
    """Draw a tone curve: float32 factors, within ± `db`, at frequencies in Hz.

    Three sines over the logarithm of the frequency with amplitudes and phases of their own.
    """
    octaves = np.log2(np.maximum(frequencies, 20.0) / 20.0) / 10.0
    sizes = db * _WEIGHTS * rng.uniform(-1.0, 1.0, 3)
    phases = rng.uniform(0.0, 2.0 * np.pi, 3)
    curve = np.zeros(len(octaves), np.float32)
    for size, phase, periods in zip(sizes, phases, _PERIODS):
        curve += np.float32(size) * np.sin(
            (2.0 * np.pi * periods * octaves + phase).astype(np.float32)
        )
    return np.exp(curve * np.float32(np.log(10.0) / 20.0))


def lowpass(audio: np.ndarray, rate: int, cutoff: float) -> np.ndarray:
    """Return (…, samples) without what lies above a frequency in Hz, without delay."""
    samples = audio.shape[-1]
    length = transform_length(samples, rate)
    ratio = fft.rfftfreq(length, 1.0 / rate) / cutoff
    gains = (1.0 / (1.0 + np.minimum(ratio, 8.0) ** _ORDER)).astype(np.float32)
    return fft.irfft(fft.rfft(audio, length) * gains, length)[..., :samples]


def transform_length(samples: int, rate: int, tail: int = 0) -> int:
    """Return a length for FFTs that holds an excerpt and what rings on behind it."""
    return fft.next_fast_len(samples + max(tail, int(_MARGIN_S * rate)), real=True)


def draw_noise_tail(
    rng: np.random.Generator, shape: tuple[int, int], decay: float, rate: int
) -> np.ndarray:
    """Draw reverberation as decaying noise: float32 (channels, samples) of energy 1 per channel.

    Args:
      shape: channels, and samples at most; what would come later is left out.
      decay: seconds in which it falls by 60 dB.
    """
    channels, most = shape
    samples = max(1, min(round(decay * rate), most))
    tail = rng.standard_normal((channels, samples), np.float32)
    tail *= np.exp(np.arange(samples, dtype=np.float32) * np.float32(-6.9078 / (decay * rate)))
    return unit_energy(tail)


def unit_energy(tail: np.ndarray) -> np.ndarray:
    """Return (channels, samples) with energy 1 per channel; silence stays silent."""
    return tail / np.maximum(np.linalg.norm(tail, axis=1, keepdims=True), 1e-9)


def reverberated(spectrum: np.ndarray, tail: np.ndarray, wet: float, length: int) -> np.ndarray:
    """Add reverberation to a spectrum: the direct sound, and `wet` times the tail behind it.

    Args:
      spectrum: of (channels, samples) at `length`.
      tail: (1 or channels, samples); its first sample sounds one sample after the direct sound.
    """
    behind = np.pad(tail, ((0, 0), (1, 0)))
    return spectrum * (1.0 + np.float32(wet) * fft.rfft(behind, length))


@functools.lru_cache(maxsize=8)
def measured_tails(folder: str, rate: int) -> Responses:
    """Read impulse responses: what each has behind its direct sound, energy 1 per channel.

    Args:
      folder: its WAV files, those in folders below it included, are read; up to ten seconds each.
      rate: in Hz, to which they are resampled.

    Raises:
      OSError, ValueError: no WAV file, one that cannot be read, or one without reverberation.
    """
    files = [file for file in files_below(folder) if file.suffix.lower() == ".wav"]
    if not files:
        raise ValueError(f"room.folder={folder}: no WAV files there; name a folder of responses")
    return tuple(_tail(file, rate) for file in files)


def _tail(file: Path, rate: int) -> np.ndarray:
    audio, original = read(file)
    audio = resample(audio[: round(_LONGEST_S * original), :2], original, rate).T
    if not audio.size or not np.any(audio):
        raise ValueError(f"room.folder: {file} is silent; leave it out")
    direct = int(np.argmax(np.max(np.abs(audio), axis=0)))
    tail = audio[:, direct + 1 :]
    if not np.any(tail):
        raise ValueError(f"room.folder: {file} has nothing behind its peak; leave it out")
    return unit_energy(np.ascontiguousarray(tail))
