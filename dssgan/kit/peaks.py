"""Peaks of a curve that comes in blocks, and what the hits there are told by."""

from typing import NamedTuple

import numpy as np

AROUND_S = 0.03  # a peak is the highest place of the curve within this
MEAN_S = 0.1  # its threshold is above the mean within this
AFTER_S = 0.04  # how loud it is: the loudest frame within this
BLOCK = 4096  # frames that are looked through at once


class Found(NamedTuple):
    """Peaks, each with a value in every array.

    Attributes:
      place: frame. rise: of the curve. mean: of the curve around it.
      loudness: the highest level soon after it. centre: of its spectrum.
    """

    place: np.ndarray
    rise: np.ndarray
    mean: np.ndarray
    loudness: np.ndarray
    centre: np.ndarray


class Peaks:
    """Collects peaks; memory grows by what it keeps of them, and by 2 bytes per frame.

    Args:
      step: seconds from one frame to the next.
    """

    def __init__(self, step: float):
        self._around, self._wide, self._after = (
            round(seconds / step) for seconds in (AROUND_S, MEAN_S, AFTER_S)
        )
        self._reach = max(self._around, self._wide, self._after)
        self._start = 0  # frame of the first one that was not looked through
        self._rows = _outside(self._reach)  # rise, level, centre; frames from `_start` - `_reach`
        self._found: list[Found] = []
        self._levels: list[np.ndarray] = []

    def push(self, rise: np.ndarray, level: np.ndarray, centre: np.ndarray) -> None:
        """The next frames, float (frames,) each."""
        if len(rise):
            self._levels.append(level.astype(np.float16))
            self._rows = np.concatenate([self._rows, [rise, level, centre]], 1)
        while self._rows.shape[1] >= 2 * self._reach + BLOCK:
            self._found.append(self._look(self._rows, BLOCK))
            self._start += BLOCK
            self._rows = self._rows[:, BLOCK:].copy()

    def finish(self) -> tuple[Found, np.ndarray]:
        """All peaks by their place, and the level of every frame."""
        count = self._rows.shape[1] - self._reach + 1  # one outside, for a signal without frames
        rows = np.concatenate([self._rows, _outside(self._reach + 1)], 1)
        found = [*self._found, self._look(rows, count)]
        every = [np.concatenate(each) for each in zip(*found, strict=True)]
        levels = np.concatenate(self._levels) if self._levels else np.zeros(0, np.float16)
        return Found(*every), levels.astype(np.float64)

    def _look(self, rows: np.ndarray, count: int) -> Found:
        """The peaks of the first frames of rows, which have `_reach` more on both sides."""
        rise, level, centre = rows[:, : count + 2 * self._reach]
        own = rise[self._reach : self._reach + count]
        places = np.flatnonzero((own == self._highest(rise, count, self._around)) & (own > 0))
        middle = places + self._reach
        around = np.lib.stride_tricks.sliding_window_view(rise, 2 * self._wide + 1)
        sums = around[middle - self._wide].sum(-1)
        # Frames that are outside have a level that no other has.
        inside = np.isfinite(level)
        counts = np.lib.stride_tricks.sliding_window_view(inside, 2 * self._wide + 1)
        later = np.lib.stride_tricks.sliding_window_view(level, self._after + 1)
        return Found(
            places + self._start,
            own[places],
            sums / counts[middle - self._wide].sum(-1),
            later[middle].max(-1, initial=-np.inf),
            centre[middle],
        )

    def _highest(self, values: np.ndarray, count: int, around: int) -> np.ndarray:
        """The highest of the surroundings of `count` frames."""
        first = self._reach - around
        windows = np.lib.stride_tricks.sliding_window_view(values, 2 * around + 1)
        return windows[first : first + count].max(-1, initial=-np.inf)


def _outside(count: int) -> np.ndarray:
    """Frames before or after the signal: nothing rises there, and they have no level."""
    return np.tile([[0.0], [-np.inf], [0.0]], count)
