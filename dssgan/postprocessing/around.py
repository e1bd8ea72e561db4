"""What separators around others have in common: names and sums are those of the one inside."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dssgan.separation.stream import Report


class AroundSeparator:
    """Separates as `ChunkedSeparator.stream` does; `_stream` says how.

    Args:
      inner: the separator whose sources these are.
    """

    def __init__(self, inner: Any):
        self.inner, self.temporary_folder = inner, inner.temporary_folder

    @property
    def sources(self) -> tuple[str, ...]:
        """Those of the separator."""
        return tuple(self.inner.sources)

    @property
    def sample_rate(self) -> int:
        """That of the separator, in Hz."""
        return self.inner.sample_rate

    @property
    def complete(self) -> bool:
        """Whether the sources are all that is in a song."""
        return self.inner.complete

    @property
    def consistent(self) -> bool:
        """Whether the stems add up to the song."""
        return self.inner.consistent

    def asked(self, sources: Sequence[str] | None) -> tuple[str, ...]:
        """As of `ChunkedSeparator`."""
        return self.inner.asked(sources)

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

        A separator that waits for the whole song makes what is around it wait on disk as well. The
        residual of the report is that of the separator inside.
        """
        asked = self.asked(sources)
        report = Report() if report is None else report
        return self._stream(blocks, int(sample_rate), asked, (name, report, progress))

    def _stream(self, blocks, rate, asked, how) -> Iterator[dict[str, np.ndarray]]:
        """Blocks of what was asked for; `how` is name, report and progress."""
        raise NotImplementedError
