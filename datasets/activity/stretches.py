"""Where in a song excerpts are taken from: stretches in which a source plays."""

from collections.abc import Callable, Sequence

import numpy as np

from datasets.track import Track

Span = tuple[int, int]  # first sample, one past the last
# (track, stems) → stretches in which their sum plays; see datasets.activity.windows and activity_lists.
Intervals = Callable[[Track, Sequence[str]], Sequence[Span]]


class Spans:
    """The stretches of stems in songs, found when they are first needed."""

    def __init__(self, intervals: Intervals):
        """See `Intervals`."""
        self._intervals = intervals
        self._found: dict[tuple[int, tuple[str, ...]], list[Span]] = {}

    def draw(
        self, rng: np.random.Generator, track: Track, stems: Sequence[str], samples: int
    ) -> int | None:
        """First sample of an excerpt of `samples` samples in which the stems play; None: nowhere.

        A song that is not longer than the excerpt is taken from its beginning.
        """
        key = (id(track), tuple(stems))  # names repeat from one dataset to the next
        if key not in self._found:
            self._found[key] = list(self._intervals(track, key[1])) if stems else []
        spans = self._found[key]
        if not spans:
            return None
        return start_within(rng, spans, samples, track.samples) if track.samples > samples else 0


def start_within(rng: np.random.Generator, spans: Sequence[Span], wanted: int, samples: int) -> int:
    """First sample of an excerpt within one of the spans, or around one that is shorter."""
    ends = np.cumsum([stop - start for start, stop in spans])
    place = int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))
    start, stop = spans[place]
    if stop - start >= wanted:
        return int(rng.integers(start, stop - wanted + 1))
    return int(rng.integers(max(0, stop - wanted), min(start, samples - wanted) + 1))
