"""Songs whose stems are audio files, or tracks of one stem container."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from datasets.song_files.opening import assign, open_chosen, root_folder, song_folders
from datasets.song_files.stem_file import StemFile, StemFiles, agree, fit
from datasets.track import NOT_AUDIO, SOURCES, Track, digest

__all__ = ["FileTrack", "StemFile", "assign", "open_chosen", "root_folder", "song_folders"]


class FileTrack(Track):
    """A song read from its files.

    All files share one rate. A file that is shorter than the longest is filled up with silence, a
    mono file in a stereo song is heard in the middle; `warnings` say so.
    """

    def __init__(
        self,
        name: str,
        split: str,
        parts: Mapping[str, StemFile | StemFiles],
        *,
        standard: Sequence[str] = SOURCES,
        sums: Mapping[str, Sequence[str]] | None = None,
        warnings: Sequence[str] = (),
    ):
        """Probe the files.

        Args:
          parts: stem → where it lies; "mixture" may be among them.
          others: as of `Track`.

        Raises:
          OSError, ValueError: a file that cannot be read; files that do not fit together.
        """
        self.parts = {stem: part.probed() for stem, part in parts.items()}
        found = list(self.parts.values())
        agree(name, {stem: part.sample_rate for stem, part in self.parts.items()}, "Hz")
        channels = max(part.channels for part in found)
        if channels > 1:
            wide = {stem: part.channels for stem, part in self.parts.items() if part.channels > 1}
            agree(name, wide, "channels")
        samples = max(part.samples for part in found)
        if not samples:
            raise ValueError(f"{name}: its files hold no samples ({found[0].path})")
        super().__init__(
            name,
            split,
            found[0].sample_rate,
            channels,
            samples,
            [stem for stem in self.parts if stem != "mixture"],
            standard=standard,
            own_mixture="mixture" in self.parts,
            sums=sums,
        )
        self.warnings = (*warnings, *self._oddities())

    def _oddities(self) -> Iterator[str]:
        for stem in self.missing:
            yield f"{stem} is missing: silence"
        for stem in sorted(self.parts):
            part = self.parts[stem]
            for warning in part.warnings:
                yield f"{stem} {warning}"
            if part.samples < self.samples:
                end = part.samples / self.sample_rate
                yield f"{stem} ends at {end:.3f} s of {self.duration:.3f} s: filled with silence"
            if part.channels < self.channels:
                yield f"{stem} is mono in a song of {self.channels} channels: copied to all"

    def fingerprint(self) -> str:
        """By the lengths, beginnings and ends of the files, wherever they lie and however old."""
        facts = {
            key: value for key, value in vars(self).items() if key not in (*NOT_AUDIO, "parts")
        }
        parts = [(stem, part.track, part.digest()) for stem, part in sorted(self.parts.items())]
        return digest(sorted(facts.items()), parts)

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        part = self.parts[stem]
        end = max(min(stop, part.samples), 0)
        audio = part.read(min(start, end), end)
        return fit(audio, self.channels, stop - start)

    def _blocks(self, stem: str, block: int) -> Iterator[np.ndarray]:
        stream = self.parts[stem].blocks(block)
        for start in range(0, self.samples, block):
            audio = next(stream, None)
            if audio is None:
                audio = np.zeros((0, self.channels), np.float32)
            yield fit(audio, self.channels, min(block, self.samples - start))
