"""Pieces that excerpts are made of: where a stem lies in a song, and what is done to it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.sources import read_sum
from datasets.track import Track


@dataclass(frozen=True)
class Piece:
    """One source of one excerpt, or a part of it.

    Attributes:
      track: the song.
      stems: names of the stems that are added up; none is silence.
      start: first sample.
      channels: for each channel of the excerpt, the channel of the song that it takes.
      gain: factor, negative where the polarity is inverted.
      gains: a factor for each channel of the excerpt in place of `gain`, or none.
    """

    track: Track
    stems: tuple[str, ...]
    start: int
    channels: tuple[int, ...]
    gain: float
    gains: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """The song and the position in seconds."""
        return f"{self.track.name}@{self.start / self.track.sample_rate:.1f}s"

    def read(self, into: np.ndarray) -> None:
        """Add the piece to (samples, channels); a song that ends early leaves the rest alone."""
        stop = min(self.start + len(into), self.track.samples)
        if not self.stems or stop <= self.start:
            return
        audio = read_sum(self.track, self.stems, self.start, stop)
        gains = self.gains or (self.gain,) * len(self.channels)
        for channel, (taken, gain) in enumerate(zip(self.channels, gains)):
            into[: len(audio), channel] += np.float32(gain) * audio[:, taken]


@dataclass(frozen=True)
class Plan:
    """A batch before anything is read: pieces[item][source] are to be added up."""

    pieces: list[list[list[Piece]]]
    names: list[str]

    def files(self, width: int) -> dict[str, Any]:
        """The same plan for a reader of plain files (see `PairedExcerpts.files`).

        Args:
          width: how many files are added up at most. Where there are fewer, others fill the place
            with a gain of 0.
        """
        shape = (len(self.pieces), len(self.pieces[0]), width)
        wanted = len(self.pieces[0][0][0].channels)
        paths = np.full(shape, b"", object)
        starts = np.zeros(shape, np.int64)
        channels = np.zeros((*shape, wanted), np.int64)
        gains = np.zeros(shape, np.float32)
        for item, sources in enumerate(self.pieces):
            for source, pieces in enumerate(sources):
                rows = ((piece, stem) for piece in pieces for stem in piece.stems)
                for row, (piece, stem) in enumerate(rows):
                    part = file_of(piece.track, stem)
                    if part is None:
                        continue  # a stem that the song lacks: silence
                    where = (item, source, row)
                    paths[where] = os.fsencode(part.path)
                    starts[where] = piece.start
                    channels[where] = np.minimum(piece.channels, part.channels - 1)
                    gains[where] = piece.gain
        if not all(paths.flat):
            paths[paths == b""] = self._any_path()
        names = {"names": self.names}
        return {"paths": paths, "starts": starts, "channels": channels, "gains": gains, **names}

    def _any_path(self) -> bytes:
        tracks = (piece.track for item in self.pieces for pieces in item for piece in pieces)
        return next(os.fsencode(path) for track in tracks for path in files_of([track]) or ())


def file_of(track: Track, stem: str) -> Any | None:
    """The audio file (path, channels, samples) that holds a stem and nothing else, or None."""
    part = getattr(track, "parts", {}).get(stem)
    return part if part is not None and part.track is None else None


def files_of(tracks: Iterable[Track]) -> list[str] | None:
    """Paths of all stems of some songs; None unless each is an audio file of its own."""
    paths = []
    for track in tracks:
        for stem in track.stems:
            part = file_of(track, stem)
            if part is None:
                return None
            paths.append(part.path)
    return paths
