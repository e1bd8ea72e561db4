"""Stretches of a song in which a source plays, and excerpts drawn from within them."""

from collections.abc import Callable, Sequence

import numpy as np

from datasets.track import Track

Stretch = tuple[int, int]  # first sample, one past the last
# (track, stems) → stretches in which their sum plays; see `datasets.activity.lists.listed`.
Intervals = Callable[[Track, Sequence[str]], Sequence[Stretch]]


class Stretches:
    """The stretches of stems in songs, found when they are first needed."""

    def __init__(self, intervals: Intervals):
        """See `Intervals`."""
        self._intervals = intervals
        self._found: dict[tuple[int, tuple[str, ...]], list[Stretch]] = {}

    def draw(
        self, rng: np.random.Generator, track: Track, stems: Sequence[str], samples: int
    ) -> int | None:
        """Draw the first sample of an excerpt in which the stems play.

        Returns:
          0 for a song that is not longer than `samples`; None where the stems play nowhere.
        """
        key = (id(track), tuple(stems))  # names repeat from one dataset to the next
        if key not in self._found:
            self._found[key] = list(self._intervals(track, key[1])) if stems else []
        found = self._found[key]
        if not found:
            return None
        return start_within(rng, found, samples, track.samples) if track.samples > samples else 0


def start_within(
    rng: np.random.Generator, stretches: Sequence[Stretch], wanted: int, samples: int
) -> int:
    """Draw the first sample of an excerpt within a stretch, or around one that is shorter.

    Args:
      rng: each sample of the stretches is as likely as any other to choose its stretch.
      stretches: of the song, one at least.
      wanted: length of the excerpt in samples.
      samples: length of the song.
    """
    ends = np.cumsum([stop - start for start, stop in stretches])
    place = int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))
    start, stop = stretches[place]
    if stop - start >= wanted:
        return int(rng.integers(start, stop - wanted + 1))
    return int(rng.integers(max(0, stop - wanted), min(start, samples - wanted) + 1))
