"""Hits of a drum in its stem: when and how hard, from audio that comes in blocks.

The curve is that of Böck and Widmer ("Maximum filter vibrato suppression for onset detection", DAFx
2013): how much the logarithmic magnitudes of bands rise above a frame shortly before. Peaks are
chosen as by Böck, Krebs and Schedl (ISMIR 2012). Memory grows by about 1 kB per second of audio.
"""

from typing import NamedTuple

import numpy as np

from dssgan.kit.curve import RiseCurve
from dssgan.kit.peaks import Found, Peaks

#: Hits so much fainter than the loudest ones of a song are taken for what leaks of other drums, dB.
RANGE_DB = {"kick": 24.0, "snare": 30.0, "toms": 22.0, "hats": 30.0, "cymbals": 24.0}
USUAL_RANGE_DB = 26.0
FLOOR_DB = -66.0  # of full scale; nothing fainter is a hit
#: How far above its mean the curve must be, as a share of its loudest peaks; cymbals beat.
THRESHOLDS = {"cymbals": 0.4}
USUAL_THRESHOLD = 0.12
APART_S = 0.05  # least distance of two hits of a drum
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
        self._peaks = Peaks(self._curve.step)
        self._range = RANGE_DB.get(piece, USUAL_RANGE_DB)
        self._threshold = THRESHOLDS.get(piece, USUAL_THRESHOLD)

    def push(self, block: np.ndarray) -> None:
        """The next samples, float (samples, channels)."""
        self._peaks.push(*self._curve.push(block))

    def hits(self) -> list[Hit]:
        """All hits by time; none of silence."""
        found, levels = self._peaks.finish()
        chosen = picked(found, self._curve.step, self._threshold)
        audible = chosen.loudness > FLOOR_DB
        if not audible.any():
            return []
        loudest = np.percentile(chosen.loudness[audible], LOUD_SHARE)
        chosen = _those(chosen, chosen.loudness > max(FLOOR_DB, loudest - self._range))
        last, short = len(levels) - 1, round(0.15 / self._curve.step)
        ends = np.minimum(np.append(chosen.place[1:] - 2, last), chosen.place + short)
        hits = []
        for place, _, _, loud, centre, end in zip(*chosen, np.clip(ends, 0, last), strict=True):
            velocity = int(np.clip(round(127 * 10 ** ((loud - loudest) / 40)), 1, 127))
            time = max(0.0, float(place) * self._curve.step + self._curve.shift)
            fall = float(loud - levels[end])
            hits.append(Hit(time, velocity, float(loud), fall, float(centre)))
        return hits


def picked(found: Found, step: float, threshold: float) -> Found:
    """Those of a curve's peaks that are well above its mean, no two of them too near.

    Args:
      step: seconds from one frame to the next. threshold: see `THRESHOLDS`.
    """
    if not len(found.place):
        return found
    most = np.percentile(found.rise, LOUD_SHARE)
    found = _those(found, found.rise > found.mean + threshold * most)
    kept: list[int] = []
    for number, (place, rise) in enumerate(zip(found.place, found.rise)):
        if not kept or (place - found.place[kept[-1]]) * step >= APART_S:
            kept.append(number)
        elif rise > found.rise[kept[-1]]:
            kept[-1] = number
    return _those(found, np.array(kept, np.int64))


def _those(found: Found, which: np.ndarray) -> Found:
    """Some of the peaks, by their numbers or by truths."""
    return Found(*(each[which] for each in found))
