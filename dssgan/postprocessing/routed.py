"""One of several separators for each song: the one whose training songs are most like it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from dssgan.postprocessing.several import SeveralSeparators
from dssgan.postprocessing.style import HEARD_S, Style, figures
from dssgan.separation.stream import Report, checked_song


class RoutedSeparator(SeveralSeparators):
    """Separates as `ChunkedSeparator.stream` does; stems are those of the chosen separator alone.

    The first `HEARD_S` seconds of a song are kept in memory until one is chosen.

    Args:
      separators: {name: separator}, two or more, of any rates; sources as of `SeveralSeparators`.
      styles: of the training songs of each, in the same order.

    Raises:
      ValueError: fewer than two; one cannot give a source of the first.
    """

    def __init__(self, separators: Mapping[str, Any], styles: Sequence[Style]):
        super().__init__(list(separators.values()))
        self.names, self.styles = tuple(separators), tuple(styles)

    @property
    def complete(self) -> bool:
        """Whether the sources of each are all that is in a song."""
        return all(one.complete for one in self.separators)

    @property
    def consistent(self) -> bool:
        """Whether the stems of each add up to the song."""
        return all(one.consistent for one in self.separators)

    def temporary_bytes(self, samples: int, sample_rate: int, channels: int) -> int:
        """Size in bytes of the largest temporary file."""
        return max(one.temporary_bytes(samples, sample_rate, channels) for one in self.separators)

    def distances(self, beginning: np.ndarray, sample_rate: int) -> dict[str, float]:
        """How unlike the training songs of each separator a song is; {} of silence.

        Args:
          beginning: float32 (samples, channels), `HEARD_S` of it or all. sample_rate: in Hz.
        """
        found = figures(beginning, sample_rate)
        if not found:
            return {}
        each = zip(self.names, self.styles, strict=True)
        return {name: style.distance(found) for name, style in each}

    def _stream(self, blocks, rate, asked, how) -> Iterator[dict[str, np.ndarray]]:
        name, report, progress = how
        channels, blocks = checked_song(blocks, rate, name)
        if not channels:
            return
        kept, samples = [], 0
        for block in blocks:
            kept.append(block)
            samples += len(block)
            if samples >= HEARD_S * rate:
                break
        heard = np.concatenate(kept)[: int(HEARD_S * rate)] if kept else np.zeros((0, channels))
        distances, own = self.distances(heard, rate), Report()
        del heard
        chosen = min(distances, key=distances.get, default=self.names[0])
        one = self.separators[self.names.index(chosen)]
        wanted = dict.fromkeys(part for source in asked for part in self.made_of(one, source))
        song = chain(_given(kept), blocks)
        for block in one.stream(
            song, rate, tuple(wanted), name=name, report=own, progress=progress
        ):
            report.__dict__.update(vars(own), distances=distances)
            yield self.as_first(one, block, asked)


def _given(kept: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks, each forgotten as it goes."""
    while kept:
        yield kept.pop(0)
