"""Two separators in a row: one source of the first is what the second separates further.

    song ─ first ─ drums ─ second ─ kick, snare, toms, hats, cymbals
                 └ accompaniment, which waits for them

Both share out what they leave, so the pieces add up to the drums, and all stems to the song.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from dssgan.kit.naming import chained
from dssgan.separation.buffers import Fifo
from dssgan.separation.chunked import ChunkedSeparator
from dssgan.separation.stream import Report


class ChainedSeparator:
    """Separates as `ChunkedSeparator.stream` does; in memory is what the second one lags behind.

    Args:
      first: separates songs.
      second: separates one of its sources; any rate, its own.
      source: which.
      pieces: whether `sources` names those of the second one, or those of the first as they are;
        `stream` gives all of both.

    Raises:
      ValueError: the first has no such source, or both have one of the same name.
    """

    def __init__(
        self, first: ChunkedSeparator, second: ChunkedSeparator, source: str, pieces: bool = True
    ):
        chained(first.sources, None, source)
        self.first, self.second, self.source, self.pieces = first, second, source, pieces
        for name in second.sources:
            if name in first.sources:
                raise ValueError(f"both separators have a source {name!r}: stems of one name")

    @property
    def sources(self) -> tuple[str, ...]:
        """Those of the second one, then what else the first one has; see `pieces`."""
        return chained(
            self.first.sources, self.second.sources if self.pieces else None, self.source
        )

    @property
    def complete(self) -> bool:
        """Whether the sources are all that is in a song."""
        return self.first.complete and (self.second.complete or not self.pieces)

    @property
    def consistent(self) -> bool:
        """Whether the stems add up to the song."""
        return self.first.consistent and (self.second.consistent or not self.pieces)

    def temporary_bytes(self, samples: int, sample_rate: int, channels: int) -> int:
        """Size in bytes of both temporary files."""
        both = (self.first, self.second)
        return sum(one.temporary_bytes(samples, sample_rate, channels) for one in both)

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: int,
        sources: Sequence[str] | None = None,
        *,
        name: str = "mixture",
        report: Report | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Iterator[dict[str, np.ndarray]]:
        """Arguments, blocks and errors as of `ChunkedSeparator.stream`.

        The report has the residual of the first separator, and what both leave in the end.
        """
        asked = self.sources if sources is None else tuple(dict.fromkeys(sources))
        every = (*self.second.sources, *self.first.sources)
        unknown = [one for one in asked if one not in every]
        if unknown or not asked:
            known = ", ".join(every)
            raise ValueError(f"no source {', '.join(unknown) or 'asked for'}: there are {known}")
        report = Report() if report is None else report
        kept = tuple(one for one in self.first.sources if one in asked)
        return self._stream(blocks, sample_rate, (asked, kept), (name, report, progress))

    def _stream(self, blocks, rate, wanted, how):
        (asked, kept), (name, report, progress) = wanted, how
        waiting: dict[str, Fifo] = {}
        inner = Report()

        def source() -> Iterator[np.ndarray]:
            names = tuple(dict.fromkeys((self.source, *kept)))
            for stems in self.first.stream(blocks, rate, names, name=name, report=report):
                for one in kept:
                    waiting.setdefault(one, Fifo(stems[one].shape[1])).append(stems[one])
                yield stems[self.source]

        for pieces in self.second.stream(
            source(), rate, name=name, report=inner, progress=progress
        ):
            length = len(next(iter(pieces.values())))
            pieces |= {one: waiting[one].pop(length) for one in kept}
            yield {one: pieces[one] for one in asked}
        if not self.pieces:
            return
        powers = [10.0 ** (each.remaining_db / 10) for each in (report, inner)]
        with np.errstate(divide="ignore"):
            report.remaining_db = float(10 * np.log10(sum(powers)))
        report.peaks = inner.peaks | {one: report.peaks[one] for one in kept if one in report.peaks}
