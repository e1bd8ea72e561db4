"""A song: named stems and a mixture that can be read excerpt by excerpt.

Every loader returns a list of `Track`s; only loaders know how a song is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.digests import facts_digest

SOURCES = ("drums", "bass", "other", "vocals")
SPLITS = ("train", "valid", "test")
# Attributes of a track that its samples do not depend on.
NOT_AUDIO = ("split", "warnings", "identities")


@dataclass(frozen=True)
class AudioShape:
    """Rate in Hz, number of channels and length in samples of a song."""

    sample_rate: int
    channels: int
    samples: int


class Track:
    """One song. Loaders derive from it and fill in `_read`.

        Track("song", "train", AudioShape(44100, 2, 441000), ["drums", "bass"], standard=SOURCES)

    Attributes:
      name: unique within its dataset.
      split: "train", "valid" or "test".
      sample_rate: in Hz.
      channels: 1 or 2 (as many as the files have).
      samples: length per channel.
      stems: names of the stems that are really there, in the order of `standard`.
      standard: names of the stems the dataset promises. One that is promised and missing is silent:
        it reads as zeros.
      own_mixture: whether the mixture was recorded; otherwise it is the sum of the stems. (A
        mastered mixture is not that sum.)
      sums: stems that are sums of others, such as {"accompaniment": ("drums", "bass", "other")}.
      warnings: what differs from a whole song (missing stems, padded stems), one line each.
    """

    def __init__(
        self,
        name: str,
        split: str,
        audio: AudioShape,
        stems: Sequence[str],
        *,
        standard: Sequence[str] = SOURCES,
        own_mixture: bool = False,
        sums: Mapping[str, Sequence[str]] | None = None,
        warnings: Sequence[str] = (),
    ):
        if split not in SPLITS:
            raise ValueError(f"{name}: split {split!r} is none of {', '.join(SPLITS)}")
        self.name = name
        self.split = split
        self.sample_rate = int(audio.sample_rate)
        self.channels = int(audio.channels)
        self.samples = int(audio.samples)
        order = {stem: place for place, stem in enumerate(standard)}
        self.stems = tuple(sorted(stems, key=lambda stem: (order.get(stem, len(order)), stem)))
        self.standard = tuple(standard)
        self.own_mixture = own_mixture
        self.sums = {stem: tuple(summands) for stem, summands in (sums or {}).items()}
        self.warnings = tuple(warnings)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate

    @property
    def missing(self) -> tuple[str, ...]:
        """Stems the dataset promises and this song does not have; they read as zeros."""
        return tuple(stem for stem in self.standard if stem not in self.stems)

    def read(self, stem: str = "mixture", start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read an excerpt of the mixture or of one stem.

        Args:
          stem: "mixture", one of `stems`, one of `sums`, or one of `missing` (zeros).
          start: first sample, 0 ≤ start ≤ samples.
          stop: one past the last sample; None or a larger number than `samples` means the end.

        Returns:
          float32 (samples, channels), full scale ±1.

        Raises:
          ValueError: unknown stem, an excerpt outside the song, or a broken file.
          OSError: a file cannot be opened.
        """
        start, stop = bounds(start, stop, self.samples, self.name)
        stems = self.stems_of(stem)
        if stems == (stem,):
            return self._read(stem, start, stop)
        # Always in the same order, so that the result is always the same bits.
        total = np.zeros((stop - start, self.channels), np.float32)
        for one in stems:
            total += self._read(one, start, stop)
        return total

    def blocks(self, stem: str = "mixture", block: int = 65536) -> Iterator[np.ndarray]:
        """Read a stem from beginning to end in constant memory; arguments and errors as of `read`.

        Yields:
          float32 (block, channels); the last may be shorter.
        """
        stems = self.stems_of(stem)
        if stems == (stem,):
            yield from self._blocks(stem, block)
            return
        streams = [self._blocks(one, block) for one in stems]
        for start in range(0, self.samples, block):
            total = np.zeros((min(block, self.samples - start), self.channels), np.float32)
            for stream in streams:
                total += next(stream)
            yield total

    def stems_of(self, stem: str) -> tuple[str, ...]:
        """Return what is added up to read `stem`: itself, several stems, or nothing (zeros).

        What "accompaniment" is beside other sources, `datasets.sources.stems_of` says.

        Raises:
          ValueError: unknown stem.
        """
        if stem in self.stems or (stem == "mixture" and self.own_mixture):
            return (stem,)
        if stem == "mixture":
            return self.stems
        if stem in self.sums:
            return tuple(one for one in self.sums[stem] if one in self.stems)
        if stem in self.standard:
            return ()
        known = ("mixture", *self.stems, *self.sums, *self.missing)
        hint = "; read_sources adds up what the others leave" if stem == "accompaniment" else ""
        raise ValueError(f"{self.name}: no stem {stem!r}, only {', '.join(known)}{hint}")

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        """Read a stem of `stems`, or a mixture of its own, within checked bounds."""
        raise NotImplementedError

    def _blocks(self, stem: str, block: int) -> Iterator[np.ndarray]:
        """As `_read`, from beginning to end; for formats in which seeking is slow."""
        for start in range(0, self.samples, block):
            yield self._read(stem, start, min(start + block, self.samples))

    def fingerprint(self) -> str:
        """A digest of what the audio depends on: while it is the same, a prepared copy is valid."""
        facts = {key: value for key, value in vars(self).items() if key not in NOT_AUDIO}
        return facts_digest(type(self).__name__, sorted(facts.items()))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r} {self.split} {self.duration:.1f} s "
            f"{self.sample_rate} Hz {self.channels} ch: {', '.join(self.stems) or 'no stems'}>"
        )


def bounds(start: int, stop: int | None, samples: int, name: str) -> tuple[int, int]:
    """Check an excerpt against a length and fill in its end.

    Raises:
      ValueError: unless 0 ≤ start ≤ stop and start ≤ samples.
    """
    stop = samples if stop is None else min(int(stop), samples)
    start = int(start)
    if not 0 <= start <= samples or stop < start:
        raise ValueError(
            f"{name}: excerpt {start} to {stop} is not within its {samples} samples; "
            "expected 0 ≤ start ≤ stop"
        )
    return start, stop
