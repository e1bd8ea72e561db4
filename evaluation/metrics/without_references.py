"""What can be measured of estimates although nobody has the stems: plain functions, in dB.

Signals are float (samples, channels); energies are sums over all of it. What cannot be measured,
such as a silent signal, gives NaN. None of these figures is a score: estimates that are wrong in
the same way every time agree with themselves.
"""

import numpy as np

FRAME_S = 0.1  # of activity
ACTIVE_DB = 20.0  # below its loud frames a source counts as inactive
LOUD = 95  # percentile of frames that counts as loud
HOP_S = 0.01  # of onset detection
BEFORE_S, AFTER_S = 0.01, 0.09  # around an onset
APART_S = 0.05  # two onsets, at least
MOST_DB = 80.0  # that a figure says


def ratio_db(above: float, below: float) -> float:
    """10 log10 of a ratio of energies, within ±MOST_DB; NaN of two zeros."""
    if above <= 0 and below <= 0:
        return float("nan")
    with np.errstate(divide="ignore"):
        return float(np.clip(10 * np.log10(above) - 10 * np.log10(below), -MOST_DB, MOST_DB))


def energy(signal: np.ndarray) -> float:
    """The sum of all squares."""
    return float(np.square(signal, dtype=np.float64).sum())


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """How far two estimates of one source agree: their mean energy over that of the difference."""
    difference = np.asarray(one, np.float64) - other
    return ratio_db((energy(one) + energy(other)) / 2, energy(difference))


def residual(mixture: np.ndarray, estimates: np.ndarray) -> float:
    """What estimates (sources, samples, channels) leave of their mixture, over the mixture."""
    rest = np.asarray(mixture, np.float64) - np.sum(estimates, axis=0, dtype=np.float64)
    return ratio_db(energy(rest), energy(mixture)) if energy(mixture) > 0 else float("nan")


def frame_energies(signal: np.ndarray, sample_rate: int, seconds: float = FRAME_S) -> np.ndarray:
    """Energy of frames that follow one another; the last one may be shorter."""
    size = max(1, round(seconds * sample_rate))
    squares = np.square(signal, dtype=np.float64).sum(axis=1)
    return np.add.reduceat(squares, np.arange(0, len(squares), size))


def inactive_frames(estimates: list[np.ndarray], sample_rate: int) -> np.ndarray:
    """Frames in which a source does not play as far as all of several estimates of it tell."""
    found = []
    for estimate in estimates:
        energies = frame_energies(estimate, sample_rate)
        loud = np.percentile(energies, LOUD)
        found.append(energies < loud * 10 ** (-ACTIVE_DB / 10))
    return np.logical_and.reduce(found)


def leaked(estimate: np.ndarray, mixture: np.ndarray, quiet: np.ndarray, sample_rate: int) -> float:
    """Energy of an estimate in frames in which its source does not play, over the mixture's there.

    Args:
      quiet: of `inactive_frames`.
    """
    ours, whole = (frame_energies(audio, sample_rate)[quiet].sum() for audio in (estimate, mixture))
    return ratio_db(ours, whole) if whole > 0 else float("nan")


def onsets(mixture: np.ndarray, sample_rate: int) -> np.ndarray:
    """Samples at which something begins in a mixture: peaks of the flux of its log spectrum."""
    hop = max(1, round(HOP_S * sample_rate))
    mono = mixture.mean(axis=1)
    size = 4 * hop
    if len(mono) < 2 * size:
        return np.zeros(0, int)
    starts = np.arange(0, len(mono) - size, hop)
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[starts] * np.hanning(size)
    logs = np.log1p(100 * np.abs(np.fft.rfft(frames)))
    flux = np.maximum(np.diff(logs, axis=0), 0).mean(axis=1)
    side = round(APART_S / HOP_S)
    padded = np.pad(flux, side, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * side + 1)
    least = max(1.5 * np.median(flux), 0.1 * np.percentile(flux, 99), 1e-4)
    peaks = (flux == around.max(axis=1)) & (flux > least)
    return starts[1:][peaks] + size // 2


def contrast(estimate: np.ndarray, places: np.ndarray, sample_rate: int) -> float:
    """Mean power of an estimate around onsets, over that between them.

    Args:
      places: samples of onsets, as of `onsets`.
    """
    near = np.zeros(len(estimate), bool)
    before, after = round(BEFORE_S * sample_rate), round(AFTER_S * sample_rate)
    for place in places:
        near[max(0, place - before) : place + after] = True
    if not near.any() or near.all():
        return float("nan")
    return ratio_db(*(energy(estimate[part]) / part.sum() for part in (near, ~near)))
