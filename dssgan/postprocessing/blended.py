"""Several separators of one song, their stems averaged."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dssgan.postprocessing.copies import Copies
from dssgan.postprocessing.processed import shared_out
from dssgan.postprocessing.several import SeveralSeparators
from dssgan.postprocessing.spectral_blocks import SpectralBlocks
from dssgan.separation.buffers import Fifo
from dssgan.separation.stream import Report, checked_song
from dssgan.steps import DOMAINS


class BlendedSeparator(SeveralSeparators):
    """Separates as `ChunkedSeparator.stream` does.

    Args:
      separators: two or more, of any rates; sources as of `SeveralSeparators`.
      domain: "time": the mean of the waveforms. "spectrum": the mean of the magnitudes, with the
        phase of the mean, which keeps the level where separators disagree in phase.

    Raises:
      ValueError: fewer than two; one cannot give a source of the first.
    """

    def __init__(self, separators: Sequence[Any], domain: str = "time"):
        if domain not in DOMAINS:
            raise ValueError(f"no blend {domain!r}: there are {', '.join(DOMAINS)}")
        super().__init__(separators)
        self.domain = domain

    def temporary_bytes(self, samples: int, sample_rate: int, channels: int) -> int:
        """Size in bytes of all temporary files."""
        each = [one.temporary_bytes(samples, sample_rate, channels) for one in self.separators]
        return sum(each) + (4 * samples * channels if any(each) else 0)

    def _stream(self, blocks, rate, asked, how) -> Iterator[dict[str, np.ndarray]]:
        name, report, progress = how
        channels, blocks = checked_song(blocks, rate, name)
        if not channels:
            return
        waits = any(one.temporary_bytes(1, rate, 1) for one in self.separators)
        folder = self.temporary_folder if waits else None
        share = len(self.separators)
        reports = [Report() for _ in self.separators]

        def advanced(seconds: float) -> None:
            if progress is not None:
                progress(seconds / share)

        with contextlib.ExitStack() as files:
            copies = files.enter_context(Copies(blocks, channels, share + 1, folder))
            original, *queues = copies.queues
            streams = [
                self._stacked(
                    one.stream(
                        copies.blocks(queue), rate, name=name, report=own, progress=advanced
                    ),
                    one,
                )
                for one, queue, own in zip(self.separators, queues, reports, strict=True)
            ]
            found = abreast(streams, len(self.sources), channels)
            found = self._means(found, rate, channels)
            yield from shared_out(self, found, original, asked, (reports[0], report))

    def _stacked(self, blocks, one) -> Iterator[np.ndarray]:
        """Blocks of a separator as (samples, sources, channels)."""
        for block in blocks:
            yield np.stack(list(self.as_first(one, block, self.sources).values()), 1)

    def _means(self, found, rate: int, channels: int) -> Iterator[np.ndarray]:
        """(samples, separators, sources, channels) → (samples, sources, channels)."""
        if self.domain == "time":
            for each in found:
                yield each.mean(1)
            return
        rows = len(self.separators), len(self.sources)

        def change(spectra: np.ndarray, before: int, after: int) -> np.ndarray:
            each = spectra.reshape(*spectra.shape[:2], *rows, channels)
            mean, size = each.mean(2), np.abs(each).mean(2)
            return mean * (size / np.maximum(np.abs(mean), np.float32(1e-12)))

        spectral = SpectralBlocks(change, rate, rows[0] * rows[1], channels)
        for each in found:
            yield from spectral.push(each.reshape(len(each), -1, channels))
        yield from spectral.finish()


def abreast(
    streams: Sequence[Iterator[np.ndarray]], sources: int, channels: int
) -> Iterator[np.ndarray]:
    """Blocks (samples, streams, sources, channels); the stream that is behind goes on."""
    ready = [Fifo(sources, channels) for _ in streams]
    running = set(range(len(streams)))
    while running:
        behind = min(running, key=lambda number: len(ready[number]))
        block = next(streams[behind], None)
        if block is None:
            running.remove(behind)
            continue
        ready[behind].append(block)
        length = min(map(len, ready))
        if length:
            yield np.stack([one.pop(length) for one in ready], 1)
