"""Scores that need no filters, one plain function each, and the checks that all scores share.

References and estimates are `(sources, samples, channels)`, any real type, computed in float64;
every ratio is in dB. Channels are scored together, as one long signal.
"""

from collections.abc import Sequence

import numpy as np


def validate(references: np.ndarray, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check that estimates can be scored against references.

    Args:
      references, estimates: (sources, samples, channels).

    Returns:
      Both as arrays of their own real type (integers become float64).

    Raises:
      ValueError: not three axes, different shapes, nothing inside, complex, NaN or infinite.
    """
    references, [estimates] = validate_all(references, [estimates])
    return references, estimates


def validate_all(
    references: np.ndarray, sets: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """`validate` for several separators' estimates; the references are looked at once."""
    references = _checked("references", references)
    sets = [_checked("estimates", estimates) for estimates in sets]
    for estimates in sets:
        if references.shape != estimates.shape:
            raise ValueError(
                f"references {references.shape} and estimates {estimates.shape}: expected equal "
                "shapes (sources, samples, channels)"
            )
    return references, sets


def _checked(role: str, audio: np.ndarray) -> np.ndarray:
    """An array of floating point, finite, (sources, samples, channels)."""
    audio = np.asarray(audio)
    if audio.ndim != 3:
        raise ValueError(f"{role} have shape {audio.shape}: expected (sources, samples, channels)")
    if audio.size == 0:
        raise ValueError(f"{role} are empty: shape {audio.shape}")
    if audio.dtype.kind not in "fiu":
        raise ValueError(f"{role} are of type {audio.dtype}: expected real numbers")
    if audio.dtype.kind != "f" or audio.dtype == np.float16:
        audio = audio.astype(np.float64)
    # A sum is not finite when a sample is not, and needs no array of flags.
    if not np.isfinite(audio.sum(dtype=np.float64)):
        bad = [i for i, source in enumerate(audio) if not np.isfinite(source).all()]
        if bad:
            raise ValueError(f"{role} contain NaN or infinite samples in source {bad[0]}")
    return audio


def decibels(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """10 log10 of a ratio of energies; +inf where the denominator is zero, as museval has it."""
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, np.inf, 10 * np.log10(numerator / denominator))


def _energy(audio: np.ndarray) -> np.ndarray:
    """Sum of squares per source of (sources, samples, channels), in float64."""
    audio = audio.astype(np.float64, copy=False)
    return np.einsum("snc,snc->s", audio, audio)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.subtract(first, second, dtype=np.float64)


def sdr(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Signal-to-distortion ratio without filters: ‖s‖² / ‖s − ŝ‖² over the whole signal.

    Equals BSS Eval's image SDR on a single frame.

    Returns:
      (sources,) in dB; +inf for a perfect estimate, −inf for a silent reference, and NaN where
      reference and estimate are both silent.
    """
    references, estimates = validate(references, estimates)
    signal, error = _energy(references), _energy(_difference(references, estimates))
    return np.where((signal == 0) & (error == 0), np.nan, decibels(signal, error))


def usdr(references: np.ndarray, estimates: np.ndarray, delta: float = 1e-7) -> np.ndarray:
    """Utterance-level SDR of the Music Demixing Challenge 2021 (Mitsufuji et al., 2022, eq. 1).

    10 log10((‖s‖² + δ) / (‖s − ŝ‖² + δ)) over the whole song; finite for silent sources and
    perfect estimates. BandSplitRNN's uSDR; a song's score is the mean over its sources.

    Returns:
      (sources,) in dB.
    """
    references, estimates = validate(references, estimates)
    if not delta > 0:
        raise ValueError(f"delta {delta}: expected a positive number")
    error = _energy(_difference(references, estimates))
    return decibels(_energy(references) + delta, error + delta)


def scaled_snr(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Signal-to-noise ratio with the estimate at its best level: ‖s‖² / ‖s − αŝ‖².

    α = ⟨ŝ, s⟩ / ‖ŝ‖² minimises the error. The SNR of Stoller, Ewert and Dixon (ICASSP 2018) and of
    the original DSSGAN. `si_sdr` scales the reference instead: 10^(snr/10) = 10^(si_sdr/10) + 1.

    Returns:
      (sources,) in dB, never negative; +inf for a perfect estimate at any level, NaN where the
      reference or the estimate is silent.
    """
    references, estimates = validate(references, estimates)
    power, estimated = _energy(references), _energy(estimates)
    silent = (power == 0) | (estimated == 0)
    inner = np.einsum("snc,snc->s", references, estimates, dtype=np.float64)
    gain = inner / np.where(silent, 1, estimated)
    error = _difference(references, gain[:, None, None] * estimates)
    return np.where(silent, np.nan, decibels(power, _energy(error)))


def si_sdr(references: np.ndarray, estimates: np.ndarray, *, zero_mean: bool = False) -> np.ndarray:
    """Scale-invariant SDR (Le Roux, Wisdom, Erdogan and Hershey, ICASSP 2019, eq. 4).

    ‖αs‖² / ‖αs − ŝ‖² with α = ⟨ŝ, s⟩ / ‖s‖²: the estimate may have any gain, one for all channels.

    Args:
      references, estimates: (sources, samples, channels).
      zero_mean: subtract every channel's mean first.

    Returns:
      (sources,) in dB; −inf for an estimate that is orthogonal to its reference, NaN where the
      reference or the estimate is silent.
    """
    references, estimates = validate(references, estimates)
    if zero_mean:
        references, estimates = (
            _difference(audio, audio.mean(axis=1, keepdims=True, dtype=np.float64))
            for audio in (references, estimates)
        )
    references = references.astype(np.float64, copy=False)
    estimates = estimates.astype(np.float64, copy=False)
    power = _energy(references)
    silent = (power == 0) | (_energy(estimates) == 0)
    gain = np.einsum("snc,snc->s", references, estimates) / np.where(silent, 1, power)
    target = gain[:, None, None] * references
    result = decibels(_energy(target), _energy(target - estimates))
    return np.where(silent, np.nan, result)
