"""Hits of a drum in its stem: when and how hard, from audio that comes in blocks.

The curve is that of Böck and Widmer ("Maximum filter vibrato suppression for onset detection", DAFx
2013): how much the logarithmic magnitudes of bands rise above a frame shortly before. Peaks are
chosen as by Böck, Krebs and Schedl (ISMIR 2012). Memory grows by 23 kB per second of audio.
"""

from typing import NamedTuple

import numpy as np

from dssgan.kit.curve import RiseCurve

#: Hits so much fainter than the loudest ones of a song are taken for what leaks of other drums, dB.
RANGE_DB = {"kick": 24.0, "snare": 30.0, "toms": 22.0, "hats": 30.0, "cymbals": 24.0}
USUAL_RANGE_DB = 26.0
FLOOR_DB = -66.0  # of full scale; nothing fainter is a hit
#: How far above its mean the curve must be, as a share of its loudest peaks; cymbals beat.
THRESHOLDS = {"cymbals": 0.4}
USUAL_THRESHOLD = 0.12
AROUND_S = 0.03  # a hit is the highest place of the curve within this
MEAN_S = 0.1  # its threshold is above the mean within this
APART_S = 0.05  # least distance of two hits of a drum
AFTER_S = 0.04  # how loud a hit is: the loudest frame within this
LOUD_SHARE = 95.0  # percentile of hits that is the loudest one, so that a single accident is not


class Hit(NamedTuple):
    """A hit.

    Attributes:
      time: in seconds. velocity: 1 to 127, 127 the loudest of the song; half of it is 12 dB less.
      level: dBFS of the loudest 12 ms after it.
      fall: how many dB it has lost 0.15 s later, or at the next hit.
      centre: of its spectrum, Hz.
    """

    time: float
    velocity: int
    level: float
    fall: float
    centre: float


class HitDetector:
    """Collects what a stem does, and tells its hits in the end.

    Args:
      rate: in Hz. piece: what drum it is, for how faint its hits may be.
    """

    def __init__(self, rate: int, piece: str = ""):
        self._curve = RiseCurve(rate)
        self._range = RANGE_DB.get(piece, USUAL_RANGE_DB)
        self._threshold = THRESHOLDS.get(piece, USUAL_THRESHOLD)

    def push(self, block: np.ndarray) -> None:
        """The next samples, float (samples, channels)."""
        self._curve.push(block)

    def hits(self) -> list[Hit]:
        """All hits by time; none of silence."""
        rise, level, centre = self._curve.finish()
        if not len(rise) or level.max() < FLOOR_DB:
            return []
        step = self._curve.step
        peaks = picked(rise, step, self._threshold)
        loudness = highest(level, 0, round(AFTER_S / step))[peaks]
        audible = loudness > FLOOR_DB
        if not audible.any():
            return []
        loudest = np.percentile(loudness[audible], LOUD_SHARE)
        peaks, loudness = (
            x[loudness > max(FLOOR_DB, loudest - self._range)] for x in (peaks, loudness)
        )
        ends = np.minimum(np.append(peaks[1:] - 2, len(level) - 1), peaks + round(0.15 / step))
        found = []
        for peak, loud, end in zip(peaks, loudness, np.maximum(ends, 0)):
            velocity = int(np.clip(round(127 * 10 ** ((loud - loudest) / 40)), 1, 127))
            fall = float(loud - level[end])
            time = max(0.0, peak * step + self._curve.shift)
            found.append(Hit(time, velocity, float(loud), fall, float(centre[peak])))
        return found


def picked(rise: np.ndarray, step: float, threshold: float) -> np.ndarray:
    """Frames of the curve's peaks: highest of their surroundings, and well above their mean.

    Args:
      rise: float (frames,). step: seconds from one frame to the next.
      threshold: see `THRESHOLDS`.
    """
    around, wide = round(AROUND_S / step), round(MEAN_S / step)
    sums = np.concatenate([[0.0], np.cumsum(rise)])
    places = np.arange(len(rise))
    low, high = np.maximum(places - wide, 0), np.minimum(places + wide + 1, len(rise))
    mean = (sums[high] - sums[low]) / (high - low)
    peaks = np.flatnonzero((rise == highest(rise, around, around)) & (rise > 0))
    if not len(peaks):
        return peaks
    most = np.percentile(rise[peaks], LOUD_SHARE)
    peaks = peaks[rise[peaks] > mean[peaks] + threshold * most]
    kept: list[int] = []
    for peak in peaks:
        if not kept or (peak - kept[-1]) * step >= APART_S:
            kept.append(int(peak))
        elif rise[peak] > rise[kept[-1]]:
            kept[-1] = int(peak)
    return np.array(kept, np.int64)


def highest(values: np.ndarray, before: int, after: int) -> np.ndarray:
    """The highest of every value's surroundings, itself included."""
    padded = np.pad(values, (before, after), constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(padded, before + after + 1).max(-1)
