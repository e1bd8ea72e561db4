"""Songs whose stems are audio files, or tracks of one stem container."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from common.digests import facts_digest
from datasets.song_files.stem_file import StemFile, StemFiles, agree, fit
from datasets.track import NOT_AUDIO, SOURCES, AudioShape, Track


class FileTrack(Track):
    """A song read from its files.

    All files share one rate. A file that is shorter than the longest is filled up with silence, a
    mono file in a stereo song is copied to both channels; `warnings` name each.
    """

    def __init__(
        self,
        name: str,
        split: str,
        stem_files: Mapping[str, StemFile | StemFiles],
        *,
        standard: Sequence[str] = SOURCES,
        sums: Mapping[str, Sequence[str]] | None = None,
        warnings: Sequence[str] = (),
    ):
        """Probe the files.

        Args:
          stem_files: stem → where it lies; "mixture" may be among them.
          others: as of `Track`.

        Raises:
          OSError, ValueError: a file that cannot be read; files that do not fit together.
        """
        self.stem_files = {stem: file.probed() for stem, file in stem_files.items()}
        found = list(self.stem_files.values())
        agree(name, {stem: file.sample_rate for stem, file in self.stem_files.items()}, "Hz")
        channels = max(file.channels for file in found)
        if channels > 1:
            wide = {
                stem: file.channels for stem, file in self.stem_files.items() if file.channels > 1
            }
            agree(name, wide, "channels")
        samples = max(file.samples for file in found)
        if not samples:
            raise ValueError(f"{name}: its files hold no samples ({found[0].path})")
        super().__init__(
            name,
            split,
            AudioShape(found[0].sample_rate, channels, samples),
            [stem for stem in self.stem_files if stem != "mixture"],
            standard=standard,
            own_mixture="mixture" in self.stem_files,
            sums=sums,
        )
        self.warnings = (*warnings, *self._differences())

    def _differences(self) -> Iterator[str]:
        for stem in self.missing:
            yield f"{stem} is missing: silence"
        for stem in sorted(self.stem_files):
            file = self.stem_files[stem]
            for warning in file.warnings:
                yield f"{stem} {warning}"
            if file.samples < self.samples:
                end = file.samples / self.sample_rate
                yield f"{stem} ends at {end:.3f} s of {self.duration:.3f} s: filled with silence"
            if file.channels < self.channels:
                yield f"{stem} is mono in a song of {self.channels} channels: copied to all"

    def fingerprint(self) -> str:
        """By the lengths, beginnings and ends of the files, wherever they lie and however old."""
        facts = {
            key: value for key, value in vars(self).items() if key not in (*NOT_AUDIO, "stem_files")
        }
        digests = [
            (stem, file.track, file.digest()) for stem, file in sorted(self.stem_files.items())
        ]
        return facts_digest(sorted(facts.items()), digests)

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        file = self.stem_files[stem]
        end = max(min(stop, file.samples), 0)
        audio = file.read(min(start, end), end)
        return fit(audio, self.channels, stop - start)

    def _blocks(self, stem: str, block: int) -> Iterator[np.ndarray]:
        stream = self.stem_files[stem].blocks(block)
        for start in range(0, self.samples, block):
            audio = next(stream, None)
            if audio is None:
                audio = np.zeros((0, self.channels), np.float32)
            yield fit(audio, self.channels, min(block, self.samples - start))
