"""Where a stem lies: a file, one track or one channel of a file, or several files that add up."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from common.digests import facts_digest
from datasets import audio
from datasets.audio import pyav, stem_mp4
from datasets.audio.reading import fit_length, is_counted

BLOCK = 65536  # bytes


@dataclass(frozen=True)
class StemFile:
    """A file; for a stem container which of its tracks, for one channel of a file which."""

    path: str
    track: int | None = None
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    warnings: tuple[str, ...] = ()
    channel: int | None = None

    @property
    def whole_file(self) -> bool:
        """Whether the file holds this stem and nothing else."""
        return self.track is None and self.channel is None

    def probed(self) -> "StemFile":
        """Fill in rate, channels and length (errors as of `audio.probe`)."""
        if self.track is None:
            info = audio.probe(self.path)
        else:
            info = pyav.describe(self.path)[self.track]
        if self.channel is not None and info.channels <= self.channel:
            raise ValueError(
                f"{self.path}: has {info.channels} channels, expected {self.channel + 1} or more"
            )
        return replace(
            self,
            sample_rate=info.sample_rate,
            channels=info.channels if self.channel is None else 1,
            samples=info.samples,
            warnings=getattr(info, "warnings", ()),
        )

    def digest(self) -> str:
        """A digest of the file's size, first and last bytes, and of how its samples are placed.

        What was prepared when time stamps placed them is prepared again.
        """
        with open(self.path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BLOCK))
            end = file.read(BLOCK)
            file.seek(0)
            facts = (size, file.read(BLOCK), end)
        if is_counted(self.path):
            facts = (*facts, "counted")
        return facts_digest(*facts) if self.channel is None else facts_digest(*facts, self.channel)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` within the file: float32 (samples, channels)."""
        if self.track is None:
            found = audio.read(self.path, start, stop)[0]
        else:
            found = stem_mp4.read(self.path, self.track, start, stop)[0]
        return self._channel(found)

    def blocks(self, block: int) -> Iterator[np.ndarray]:
        """From beginning to end: float32 (block, channels), the last may be shorter."""
        if self.track is None:
            return map(self._channel, audio.blocks(self.path, block))
        return map(self._channel, stem_mp4.blocks(self.path, self.track, block))

    def _channel(self, found: np.ndarray) -> np.ndarray:
        return found if self.channel is None else found[:, self.channel : self.channel + 1]


@dataclass(frozen=True)
class StemFiles:
    """Several files that add up to one stem; read excerpt by excerpt like a file.

    A file that is shorter than the longest is filled up with silence, a mono file beside stereo
    ones is copied to both channels; `warnings` name each.
    """

    files: tuple[StemFile, ...]
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    warnings: tuple[str, ...] = ()

    track: ClassVar[None] = None
    whole_file: ClassVar[bool] = False

    @property
    def path(self) -> str:
        """The first file."""
        return self.files[0].path

    def probed(self) -> "StemFiles":
        """Fill in rate, channels and length; ValueError where rates or channels differ."""
        files = tuple(file.probed() for file in self.files)
        agree(self.path, {Path(file.path).name: file.sample_rate for file in files}, "Hz")
        wide = [file for file in files if file.channels > 1]
        agree(self.path, {Path(file.path).name: file.channels for file in wide}, "channels")
        samples = max(file.samples for file in files)
        channels = max(file.channels for file in files)
        warnings = []
        for file in files:
            name = f"({Path(file.path).name})"
            warnings += [f"{name} {warning}" for warning in file.warnings]
            if file.samples < samples:
                end, whole = (count / file.sample_rate for count in (file.samples, samples))
                warnings.append(f"{name} ends at {end:.3f} s of {whole:.3f} s: filled with silence")
            if file.channels < channels:
                warnings.append(f"{name} is mono beside {channels} channels: copied to all")
        return replace(
            self,
            files=files,
            sample_rate=files[0].sample_rate,
            channels=channels,
            samples=samples,
            warnings=tuple(warnings),
        )

    def digest(self) -> str:
        """A digest of all files."""
        return facts_digest(*(file.digest() for file in self.files))

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop`: float32 (samples, channels), files added in their order."""
        total = np.zeros((stop - start, self.channels), np.float32)
        for file in self.files:
            end = min(stop, file.samples)
            if start < end:
                total[: end - start] += file.read(start, end)
        return total

    def blocks(self, block: int) -> Iterator[np.ndarray]:
        """From beginning to end in constant memory: float32 (block, channels)."""
        streams = [file.blocks(block) for file in self.files]
        for start in range(0, self.samples, block):
            total = np.zeros((min(block, self.samples - start), self.channels), np.float32)
            for stream in streams:
                found = next(stream, None)
                if found is not None:
                    total[: len(found)] += found
            yield total


def summed(paths: Sequence[str | os.PathLike]) -> StemFile | StemFiles:
    """Return the stem that one or several files make."""
    files = tuple(StemFile(str(path)) for path in paths)
    return files[0] if len(files) == 1 else StemFiles(files)


def agree(name: str, values: dict[str, int], unit: str) -> None:
    """Raise ValueError where values of files that belong together differ."""
    if len(set(values.values())) > 1:
        listed = ", ".join(f"{stem} {value}" for stem, value in values.items())
        raise ValueError(f"{name}: its files differ ({listed} {unit}); convert them to one")


def fit(found: np.ndarray, channels: int, samples: int) -> np.ndarray:
    """Bring (samples, channels) to a length and, from mono, to a number of channels."""
    if found.shape[1] < channels:
        found = np.repeat(found, channels, axis=1)
    return fit_length(found, samples)
