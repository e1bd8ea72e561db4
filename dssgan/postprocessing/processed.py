"""A separator with something before it and something behind it, and its own interface.

    blocks ─ before: the percussive part ─ separator ─ after: Wiener filter, transients ─ stems

What is taken away before or after goes to the source that holds the rest; where the separator's
stems add up to the song, so do these.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from dssgan.postprocessing import wiener
from dssgan.postprocessing.around import AroundSeparator
from dssgan.postprocessing.copies import Copies, Queue
from dssgan.postprocessing.harmonic_percussive import SIDE, percussive_mask
from dssgan.postprocessing.spectral_blocks import SHARE, Change, SpectralBlocks, frame_length
from dssgan.postprocessing.transients import Transients
from dssgan.separation.buffers import DiskBuffer, Fifo
from dssgan.separation.stream import Report, checked_song
from dssgan.steps import AFTER, BEFORE

REST = ("accompaniment", "other")  # who gets what is taken away
DRUMS = "drums"


class ProcessedSeparator(AroundSeparator):
    """Separates as `ChunkedSeparator.stream` does.

    Args:
      inner: the separator.
      before: of `BEFORE`, or None: "hpss" gives it the percussive part of the song alone.
      after: of `AFTER`, in the order in which they are applied.

    Raises:
      ValueError: there is no stem of the rest, or none of drums, where one is needed.
    """

    def __init__(self, inner: Any, before: str | None = None, after: Sequence[str] = ()):
        super().__init__(inner)
        self.before, self.after = before, tuple(after)
        self._rest = next((name for name in REST if name in inner.sources), None)
        for name in self.after:
            if name not in AFTER:
                raise ValueError(f"no step {name!r} after it: there are {', '.join(AFTER)}")
        if before not in (None, *BEFORE):
            raise ValueError(f"no step {before!r} before it: there are {', '.join(BEFORE)}")
        if (before or "transients" in self.after) and self._rest is None:
            raise ValueError(
                f"sources {', '.join(inner.sources)}: expected one of {' or '.join(REST)}, which "
                "gets what is taken away"
            )
        if "transients" in self.after and DRUMS not in inner.sources:
            raise ValueError(f"transients: sources {', '.join(inner.sources)}, expected drums")

    def temporary_bytes(self, samples: int, sample_rate: int, channels: int) -> int:
        """Size in bytes of the temporary files."""
        found = self.inner.temporary_bytes(samples, sample_rate, channels)
        return found + (4 * samples * channels * (2 if self.before else 1) if found else 0)

    def _stream(self, blocks, rate, asked, how) -> Iterator[dict[str, np.ndarray]]:
        name, report, progress = how
        channels, blocks = checked_song(blocks, rate, name)
        if not channels:
            return
        folder = self.inner.temporary_folder if self.inner.temporary_bytes(1, rate, 1) else None
        own = Report()
        with contextlib.ExitStack() as files:
            copies = files.enter_context(Copies(blocks, channels, len(self.after) + 2, folder))
            song, original = copies.blocks(copies.queues.pop()), copies.queues.pop()
            kept = None
            if self.before:
                parts = _Parts(song, rate, channels, folder)
                kept, song = files.enter_context(parts), parts.percussive()
            found = self.inner.stream(song, rate, name=name, report=own, progress=progress)
            found = (np.stack([block[one] for one in self.sources], 1) for block in found)
            if kept is not None:
                found = self._with_kept(found, kept)
            for step in self.after:
                found = self._changed(step, found, rate, copies.queues.pop())
            yield from shared_out(self, found, original, asked, (own, report))

    def _with_kept(self, found: Iterable[np.ndarray], kept: Any) -> Iterator[np.ndarray]:
        """What was kept from the separator goes to the rest."""
        rest = self.sources.index(self._rest)
        for stems in found:
            stems[:, rest] += kept.pop(len(stems))
            yield stems

    def _changed(
        self, step: str, found: Iterable[np.ndarray], rate: int, mixture: Any
    ) -> Iterator[np.ndarray]:
        """Stems after a step, which lags behind."""
        spectral = None
        for stems in found:
            together = np.concatenate([mixture.pop(len(stems))[:, None], stems], 1)
            if spectral is None:
                change = self._filtered if step == "wiener" else self._without_tails(rate)
                spectral = SpectralBlocks(change, rate, *together.shape[1:])
            yield from spectral.push(together)
        if spectral is not None:
            yield from spectral.finish()

    def _filtered(self, spectra: np.ndarray, before: int, after: int) -> np.ndarray:
        """The Wiener filter; what incomplete stems leave is one more source of it."""
        mixture, stems = spectra[:, :, 0], spectra[:, :, 1:]
        if self.complete:
            return wiener.filtered(mixture, stems)
        rest = mixture - stems.sum(2)
        return wiener.filtered(mixture, np.concatenate([stems, rest[:, :, None]], 2))[:, :, :-1]

    def _without_tails(self, rate: int) -> Change:
        """What dies away too slowly goes from the drums to the rest."""
        drums, rest = self.sources.index(DRUMS), self.sources.index(self._rest)
        transients = Transients(rate * SHARE / frame_length(rate))

        def change(spectra: np.ndarray, before: int, after: int) -> np.ndarray:
            stems = spectra[:, :, 1:].copy()
            gains = transients.gains((np.abs(stems[:, :, drums]) ** 2).sum(-1))
            kept = stems[:, :, drums] * gains[..., None]
            stems[:, :, rest] += stems[:, :, drums] - kept
            stems[:, :, drums] = kept
            return stems

        return change


class _Parts:
    """The percussive part of a song, while the harmonic part waits in a queue."""

    def __init__(self, blocks: Iterable[np.ndarray], rate: int, channels: int, folder: Any):
        self._blocks = blocks
        self._spectral = SpectralBlocks(_both_parts, rate, 1, channels, context=SIDE)
        self._store = Fifo(channels) if folder is None else DiskBuffer(channels, folder=folder)

    def __enter__(self) -> Queue:
        return self._store if isinstance(self._store, Fifo) else self._store.reader()

    def __exit__(self, *_) -> None:
        if isinstance(self._store, DiskBuffer):
            self._store.__exit__()

    def percussive(self) -> Iterator[np.ndarray]:
        """Block by block."""
        pushed = (self._spectral.push(block[:, None]) for block in self._blocks)
        for found in chain(chain.from_iterable(pushed), self._spectral.finish()):
            self._store.append(found[:, 0])
            yield found[:, 1]


def _both_parts(spectra: np.ndarray, before: int, after: int) -> np.ndarray:
    """The harmonic and the percussive part of a song's spectra."""
    mask = percussive_mask(np.sqrt((np.abs(spectra[:, :, 0]) ** 2).sum(-1)), before, after)
    own = spectra[before : len(spectra) - after, :, 0]
    return np.stack([own * (1 - mask[..., None]), own * mask[..., None]], 2)


def shared_out(
    separator: Any,
    found: Iterable[np.ndarray],
    mixture: Queue,
    asked: Sequence[str],
    reports: tuple[Report, Report],
) -> Iterator[dict[str, np.ndarray]]:
    """What stems leave of the song is shared between them, where the separator is consistent.

    Args:
      separator: has `sources` and `consistent`.
      found: stems (samples, sources, channels). mixture: the song.
      asked: what to yield.
      reports: of the separator inside, and the one to fill in.
    """
    inner, report = reports
    power, count, peaks = 0.0, 0, {}
    for stems in found:
        original = mixture.pop(len(stems))
        residual = original - stems.sum(1)
        if separator.consistent:
            stems = stems + residual[:, None] / np.float32(len(separator.sources))
            residual = original - stems.sum(1)
        power += float(np.square(residual, dtype=np.float64).sum())
        count += residual.size
        block = {one: stems[:, separator.sources.index(one)] for one in asked}
        for one, stem in block.items():
            peaks[one] = max(peaks.get(one, 0.0), float(np.abs(stem).max(initial=0.0)))
        left = 10 * float(np.log10(power / count)) if power else -np.inf
        report.__dict__.update(vars(inner), peaks=peaks, remaining_db=left)
        yield block
