"""Runs of a source: stretches in which it plays without a break.

The rule by which the Wavenet for source separation (Lluís, Pons, Serra 2019) finds excerpts with a
voice in them: a chunk of 50 ms counts where its mean |x| is a tenth of that of the loudest chunk.
"""

from collections.abc import Sequence

import numpy as np

from datasets.activity.stretches import Stretch
from datasets.sources import read_sum
from datasets.track import Track

CHUNK = 0.05  # seconds; 800 samples at the Wavenet's 16 kHz
SHARE = 0.1  # of the loudest chunk
_BLOCK = 1024  # chunks that are read at a time


def voiced_runs(track: Track, source: str | Sequence[str]) -> list[Stretch]:
    """Find the runs of a source.

    Args:
      track: the song; it is read block by block, in constant memory.
      source: a stem, or names of stems whose sum is meant.

    Returns:
      (first sample, one past the last) of each run, ascending; none where the source is silent.

    Raises:
      ValueError: an unknown stem. OSError: as of `Track.read`.
    """
    stems = (source,) if isinstance(source, str) else tuple(source)
    size = max(1, round(CHUNK * track.sample_rate))
    levels = []
    for start in range(0, track.samples, _BLOCK * size):
        audio = read_sum(track, stems, start, min(start + _BLOCK * size, track.samples))
        loudness = np.mean(np.abs(audio), axis=1, dtype=np.float64)
        ends = np.arange(0, len(loudness), size)
        sums = np.add.reduceat(loudness, ends)
        levels.append(sums / np.minimum(size, len(loudness) - ends))
    levels = np.concatenate(levels) if levels else np.zeros(0)
    if not levels.any():
        return []
    playing = np.concatenate([[False], levels >= SHARE * levels.max(), [False]])
    edges = np.flatnonzero(np.diff(playing)).reshape(-1, 2) * size
    return [(int(start), min(int(stop), track.samples)) for start, stop in edges]


def draw_start(rng: np.random.Generator, runs: Sequence[Stretch], samples: int) -> int | None:
    """Draw a first sample from which `samples` lie within one run, each as likely as any other.

    Returns:
      None where no run is long enough.
    """
    starts = [(start, stop - samples + 1) for start, stop in runs if stop - start >= samples]
    if not starts:
        return None
    ends = np.cumsum([stop - start for start, stop in starts])
    place = int(rng.integers(ends[-1]))
    run = int(np.searchsorted(ends, place, side="right"))
    return starts[run][1] - int(ends[run]) + place
