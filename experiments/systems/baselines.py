"""Separations that need no training: what a trained separator is measured against.

Every method takes (mixture, references, sample_rate) with the mixture as (samples, channels) and
the references as {source: (samples, channels)}, and returns {source: (samples, channels)}.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import librosa
import numpy as np

from evaluation.protocols import ACCOMPANIMENT

HPSS_FFT, HPSS_HOP, HPSS_KERNEL = 2048, 512, 31
MASK_FFT, MASK_HOP = 4096, 1024

Audio = dict[str, np.ndarray]


@dataclass(frozen=True)
class Baseline:
    """A method with the words that name it in a table."""

    label: str
    description: str
    separate: Callable[[np.ndarray, Mapping[str, np.ndarray], int], Audio]


def mixture(mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int) -> Audio:
    """Take the mixture itself for the estimate of every source: no separation."""
    del sample_rate
    return dict.fromkeys(references, mixture)


def hpss(mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int) -> Audio:
    """Percussive part = drums, harmonic part = accompaniment (Fitzgerald, DAFx 2010; librosa).

    Median filters over 31 frames and 31 bins of a 2048-point STFT, soft masks of power 2, channel
    by channel.

    Raises:
      ValueError: other sources than drums and accompaniment.
    """
    del sample_rate
    if set(references) != {"drums", ACCOMPANIMENT}:
        raise ValueError(
            f"HPSS gives drums and {ACCOMPANIMENT}, not {', '.join(references)}: "
            f"use --sources drums,{ACCOMPANIMENT}, or leave hpss out of --methods"
        )
    parts = {name: np.empty_like(mixture) for name in references}
    for channel in range(mixture.shape[1]):
        harmonic, percussive = librosa.effects.hpss(
            np.ascontiguousarray(mixture[:, channel]),
            n_fft=HPSS_FFT,
            hop_length=HPSS_HOP,
            kernel_size=HPSS_KERNEL,
            power=2.0,
            margin=1.0,
        )
        parts["drums"][:, channel] = percussive
        parts[ACCOMPANIMENT][:, channel] = harmonic
    return parts


def ideal_ratio_mask(
    mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int
) -> Audio:
    """Share the mixture's STFT out by the references' power: an upper bound for such masks.

    Mask of source j: |S_j|² / Σ_k |S_k|², 4096-point Hann STFT, hop 1024, channel by channel
    (IRM2 of SiSEC 2018).
    """
    del sample_rate
    estimates = {name: np.empty_like(mixture) for name in references}
    samples = len(mixture)
    for channel in range(mixture.shape[1]):
        mixed = _stft(mixture[:, channel])
        powers = {name: np.abs(_stft(audio[:, channel])) ** 2 for name, audio in references.items()}
        total = sum(powers.values()) + np.finfo(np.float32).tiny
        for name, power in powers.items():
            estimates[name][:, channel] = librosa.istft(
                mixed * (power / total), n_fft=MASK_FFT, hop_length=MASK_HOP, length=samples
            )
    return estimates


def _stft(audio: np.ndarray) -> np.ndarray:
    return librosa.stft(np.ascontiguousarray(audio), n_fft=MASK_FFT, hop_length=MASK_HOP)


BASELINES = {
    "mixture": Baseline("mixture", "the mixture as the estimate of each source", mixture),
    "hpss": Baseline(
        "HPSS",
        f"librosa.effects.hpss: STFT {HPSS_FFT}/{HPSS_HOP}, median filters of {HPSS_KERNEL}, "
        "power 2, margin 1; percussive = drums, harmonic = accompaniment",
        hpss,
    ),
    "irm": Baseline(
        "ideal ratio mask",
        f"power ratio of the references, STFT {MASK_FFT}/{MASK_HOP} Hann (an oracle)",
        ideal_ratio_mask,
    ),
}
