"""One song of a cache: decoded block by block, resampled, written and summed up."""

import contextlib
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from common.audio_files import resampled_length
from common.cli import one_line
from common.digests import facts_digest
from common.files import atomic_path
from datasets.audio.writing import naming
from datasets.track import Track

BLOCK = 2**18  # samples
FULL_SCALE = 32767 / 32768
CLIPPED = 3  # equal samples in a row


class BrokenSong(ValueError):
    """A song whose audio cannot be read."""


def rows_of(track: Track, mixture: bool) -> list[str]:
    """Return what is stored of a song: a mixture that is not its stems' sum, and the stems."""
    own = ["mixture"] if track.own_mixture and (mixture or not track.stems) else []
    return own + list(track.stems)


def fingerprint(track: Track, mixture: bool) -> str:
    """Digest what the stored samples depend on."""
    return facts_digest(track.fingerprint(), rows_of(track, mixture))


def file_name(name: str) -> str:
    """Return a file name for a song that any file system allows, and no other song has."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]+", "_", name).strip(" .")[:80]
    return f"{plain}-{facts_digest(name)[:8]}"


def prepare_song(
    track: Track, rates: Sequence[int], out: str, mixture: bool, record: dict
) -> dict | BrokenSong:
    """Write a song at every rate.

    Args:
      track: the song.
      rates: in Hz.
      out: the cache's folder.
      mixture: whether a mixture of its own is stored.
      record: facts on the song so far; its files stay.

    Returns:
      The completed record: fingerprint, rows, levels, findings, files. Or what is wrong with the
      song; then none of its files has been written.

    Raises:
      OSError: the files cannot be written.
    """
    rows = rows_of(track, mixture)
    meters = {row: _Meter() for row in rows}
    with contextlib.ExitStack() as stack:
        files = {
            rate: stack.enter_context(_SongFile(Path(out), track, rate, len(rows)))
            for rate in rates
        }
        try:
            for row in rows:
                for rate, file in files.items():
                    file.begin_row(track.sample_rate, rate)
                blocks = track.blocks(row, BLOCK)
                while (block := _next(blocks)) is not None:
                    meters[row].add(block)
                    for file in files.values():
                        file.add(block)
                for file in files.values():
                    file.end_row()
        except BrokenSong as error:
            for file in files.values():
                file.drop()
            return error
    return {
        "name": track.name,
        "fingerprint": fingerprint(track, mixture),
        "rows": rows,
        "levels": {row: meter.levels() for row, meter in meters.items()},
        "findings": [f"{row} {found}" for row, meter in meters.items() for found in meter.found()],
        "files": record["files"] | {str(rate): file.entry for rate, file in files.items()},
    }


def _next(blocks) -> np.ndarray | None:
    """The next block; errors of reading become BrokenSong, errors of writing do not."""
    try:
        return next(blocks, None)
    except (OSError, ValueError) as error:
        raise BrokenSong(one_line(error)) from None


class _SongFile:
    """One .npy file that grows row by row; atomic."""

    def __init__(self, out: Path, track: Track, rate: int, rows: int):
        self.samples = resampled_length(track.samples, track.sample_rate, rate)
        self.channels = track.channels
        self.name = f"{rate}/{file_name(track.name)}.npy"
        self.path = out / self.name
        self.shape = (rows, self.samples, self.channels)
        self.entry: dict = {}
        self._dropped = False
        self._sum = hashlib.sha256()
        self._bytes = 0

    def __enter__(self) -> "_SongFile":
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        with naming(self.path):
            self._file = open(self._temporary, "wb", buffering=0)
            header = {"descr": "<f4", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(self, header)
        return self

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self._sum.update(view)
        self._bytes += view.nbytes
        with naming(self.path):
            while view:
                view = view[self._file.write(view) :]
        return len(data)

    def begin_row(self, from_rate: int, to_rate: int) -> None:
        self._left = self.samples
        self._resampler = None
        if from_rate != to_rate:
            self._resampler = soxr.ResampleStream(
                from_rate, to_rate, self.channels, dtype="float32", quality="HQ"
            )

    def add(self, block: np.ndarray, last: bool = False) -> None:
        if self._resampler is not None:
            block = self._resampler.resample_chunk(np.ascontiguousarray(block), last=last)
        block = np.ascontiguousarray(block[: self._left], "<f4")
        self._left -= len(block)
        if block.size:
            self.write(block.reshape(-1).view(np.uint8).data)

    def end_row(self) -> None:
        self.add(np.zeros((0, self.channels), np.float32), last=True)
        self.write(bytes(self._left * self.channels * 4))

    def drop(self) -> None:
        self._dropped = True

    def __exit__(self, kind, error, trace) -> None:
        self._file.close()
        if self._dropped and error is None:
            with contextlib.suppress(BrokenSong):
                self._stack.__exit__(BrokenSong, BrokenSong(), None)
            return
        self._stack.__exit__(kind, error, trace)
        self.entry = {
            "path": self.name,
            "samples": self.samples,
            "bytes": self._bytes,
            "sha256": self._sum.hexdigest(),
        }


class _Meter:
    """Level of a stem, block by block, and where it is clipped.

    Clipped are `CLIPPED` or more equal samples of a channel in a row at full scale. A single sample
    there is none, and neither is a stem that goes beyond full scale: nothing held it back.
    """

    def __init__(self):
        self.count = 0
        self.energy = 0.0
        self.peak = 0.0
        self.runs: list[int] = []  # lengths of those that have ended
        self._last: list[tuple[float, int]] = []  # of each channel: value and length of its run

    def add(self, block: np.ndarray) -> None:
        self.count += block.size
        self.energy += float(np.square(block, dtype=np.float64).sum())
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max(initial=0.0)))
        if not len(block) or self.peak > 1:
            return
        self._last = self._last or [(0.0, 0)] * block.shape[1]
        full = (magnitude >= FULL_SCALE).any(0)
        for channel, (value, length) in enumerate(self._last):
            if full[channel] or abs(value) >= FULL_SCALE:
                self._last[channel] = self._follow(block[:, channel], value, length)

    def _follow(self, samples: np.ndarray, value: float, length: int) -> tuple[float, int]:
        """Keep the runs at full scale that end in these samples; returns the one that does not."""
        starts = np.flatnonzero(np.diff(samples, prepend=np.float32(np.nan)))
        values = samples[starts].tolist()
        lengths = np.diff(starts, append=len(samples)).tolist()
        if values[0] == value:
            lengths[0] += length
        else:
            values.insert(0, value)
            lengths.insert(0, length)
        *ended, last = zip(values, lengths)
        self.runs += [n for level, n in ended if abs(level) >= FULL_SCALE and n >= CLIPPED]
        return last

    def levels(self) -> dict[str, float | None]:
        """RMS and peak in dBFS (0 is full scale; a full-scale sine has −3.01 RMS); None: silent."""
        rms = math.sqrt(self.energy / max(self.count, 1))
        return {"rms_dbfs": _decibels(rms), "peak_dbfs": _decibels(self.peak)}

    def found(self) -> list[str]:
        if not self.peak:
            return ["is silent"]
        still = [n for level, n in self._last if abs(level) >= FULL_SCALE and n >= CLIPPED]
        runs = [*self.runs, *still]
        if runs and self.peak <= 1:
            return [
                f"is clipped: {len(runs)} runs of {min(runs)} to {max(runs)} equal samples at "
                f"full scale, {sum(runs)} in all"
            ]
        return []


def _decibels(value: float) -> float | None:
    return round(20 * math.log10(value), 2) if value else None
