"""Harmonic and percussive parts of a spectrum by median filters.

FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010, with its soft masks.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

KERNEL = 31  # frames and bins that medians are taken of
SIDE = KERNEL // 2
LEAST = 1e-20


def percussive_mask(magnitudes: np.ndarray, before: int, after: int) -> np.ndarray:
    """The share of every bin that is percussive, 0 to 1.

    Args:
      magnitudes: float (before + frames + after, bins); up to `SIDE` frames are context at either
        end, fewer at a song's ends, which are mirrored.

    Returns:
      float32 (frames, bins).
    """
    frames = len(magnitudes) - before - after
    missing = (SIDE - before, SIDE - after)
    along = np.pad(magnitudes, (missing, (0, 0)), "symmetric")
    harmonic = np.empty((frames, magnitudes.shape[1]), np.float32)
    windows = sliding_window_view(along, KERNEL, 0)
    for start in range(0, frames, 32):  # a few frames at a time: medians copy what they sort
        harmonic[start : start + 32] = np.median(windows[start : start + 32], -1)
    own = magnitudes[before : before + frames]
    across = np.pad(own, ((0, 0), (SIDE, SIDE)), "symmetric")
    percussive = np.empty_like(harmonic)
    windows = sliding_window_view(across, KERNEL, 1)
    for start in range(0, frames, 32):
        percussive[start : start + 32] = np.median(windows[start : start + 32], -1)
    harmonic, percussive = harmonic**2, percussive**2
    total = harmonic + percussive
    return np.where(total > LEAST, percussive / np.maximum(total, LEAST), 0.5).astype(np.float32)
