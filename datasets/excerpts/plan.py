"""The segments of songs that a batch is made of, and what is done to each."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.sources import read_sum
from datasets.track import Track


@dataclass(frozen=True)
class Segment:
    """One source of one excerpt, or a summand of it.

    Attributes:
      track: the song.
      stems: names of the stems that are added up; none is silence.
      start: first sample.
      channels: for each channel of the excerpt, the channel of the song it is read from.
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
        """Add the segment to (samples, channels); a song that ends early adds nothing there."""
        stop = min(self.start + len(into), self.track.samples)
        if not self.stems or stop <= self.start:
            return
        audio = read_sum(self.track, self.stems, self.start, stop)
        gains = self.gains or (self.gain,) * len(self.channels)
        for channel, (original, gain) in enumerate(zip(self.channels, gains)):
            into[: len(audio), channel] += np.float32(gain) * audio[:, original]


@dataclass(frozen=True)
class Plan:
    """A batch before anything is read: segments[item][source] are to be added up."""

    segments: list[list[list[Segment]]]
    names: list[str]

    def files(self, width: int) -> dict[str, Any]:
        """Return the same plan for a reader of plain files (see `PairedExcerpts.files`).

        Args:
          width: how many files are added up at most. Where there are fewer, others fill the place
            with a gain of 0.
        """
        shape = (len(self.segments), len(self.segments[0]), width)
        wanted = len(self.segments[0][0][0].channels)
        paths = np.full(shape, b"", object)
        starts = np.zeros(shape, np.int64)
        channels = np.zeros((*shape, wanted), np.int64)
        gains = np.zeros(shape, np.float32)
        for item, sources in enumerate(self.segments):
            for source, segments in enumerate(sources):
                rows = ((segment, stem) for segment in segments for stem in segment.stems)
                for row, (segment, stem) in enumerate(rows):
                    file = file_of(segment.track, stem)
                    if file is None:
                        continue  # a stem that the song lacks: silence
                    where = (item, source, row)
                    paths[where] = os.fsencode(file.path)
                    starts[where] = segment.start
                    channels[where] = np.minimum(segment.channels, file.channels - 1)
                    gains[where] = segment.gain
        if not all(paths.flat):
            paths[paths == b""] = self._any_path()
        names = {"names": self.names}
        return {"paths": paths, "starts": starts, "channels": channels, "gains": gains, **names}

    def _any_path(self) -> bytes:
        segments = (one for item in self.segments for source in item for one in source)
        return next(os.fsencode(path) for one in segments for path in files_of([one.track]) or ())


def file_of(track: Track, stem: str) -> Any | None:
    """Return the audio file (path, channels, samples) that holds a stem and nothing else, or None.

    A stem that is the sum of several files, a track of a container or one channel of a file has no
    such file.
    """
    file = getattr(track, "stem_files", {}).get(stem)
    return file if file is not None and file.whole_file else None


def files_of(tracks: Iterable[Track]) -> list[str] | None:
    """Return the paths of all stems of some songs; None unless each is a file of its own."""
    paths = []
    for track in tracks:
        for stem in track.stems:
            file = file_of(track, stem)
            if file is None:
                return None
            paths.append(file.path)
    return paths
