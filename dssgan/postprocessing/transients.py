"""What sounds on in a stem of drums goes back to the rest: drums begin at once and die away.

In every bin the energy of a hit may fall by `DECAY_DB` per second and no more slowly, until the
next hit. An instrument that leaked into the stem and holds its notes falls more slowly.
"""

import numpy as np

DECAY_DB = 40.0  # per second, at which the slowest drums die away; cymbals too
RISE_DB = 6.0  # from one frame to the next but one, that begins a hit
LEAST = 1e-12


class Transients:
    """Takes from a stem of drums what dies away too slowly, group by group of frames.

    Args:
      frames_per_second: of the spectra.
    """

    def __init__(self, frames_per_second: float):
        self._fall = np.float32(10 ** (-DECAY_DB / 10 / frames_per_second))
        self._rise = np.float32(10 ** (RISE_DB / 10))
        self._allowed: np.ndarray | None = None
        self._last: list[np.ndarray] = []

    def gains(self, power: np.ndarray) -> np.ndarray:
        """Gains, 0 to 1, of a group that follows the ones before it.

        Args:
          power: float (frames, bins), of the stem, all channels together.

        Returns:
          float32, the same shape.
        """
        power = _smooth(power)
        if self._allowed is None:
            self._allowed = power[0].copy()
            self._last = [power[0], power[0]]
        found = np.empty(power.shape, np.float32)
        for place, now in enumerate(power):
            allowed = self._allowed * self._fall
            hit = now > self._rise * np.maximum(self._last[0], LEAST)
            self._allowed = np.where(hit, np.maximum(now, allowed), np.minimum(allowed, now))
            # The frames of a hit's rise count as the hit.
            found[place] = np.sqrt(np.minimum(1.0, self._allowed / np.maximum(now, LEAST)))
            self._last = [self._last[1], now]
        return found


def _smooth(power: np.ndarray) -> np.ndarray:
    """The mean over three neighbouring bins."""
    padded = np.pad(power, ((0, 0), (1, 1)), "edge")
    return ((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3).astype(np.float32)
