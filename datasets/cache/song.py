"""One song of a cache: decoded block by block, resampled, written and summed up."""

import contextlib
import hashlib
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
from datasets.song_files.levels import Meter
from datasets.track import Track

BLOCK = 2**18  # samples


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
    meters = {row: Meter() for row in rows}
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
