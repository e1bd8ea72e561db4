"""Songs whose stems are audio files, or tracks of one stem container."""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from common.shell import one_line
from datasets import audio
from datasets.parts import Part, SumPart, agree, fit
from datasets.track import NOT_AUDIO, SOURCES, SPLITS, Track, digest

__all__ = ["FileTrack", "Part", "assign", "open_chosen", "root_folder", "song_folders"]


class FileTrack(Track):
    """A song read from its files.

    All files share one rate. A file that is shorter than the longest is filled up with silence, a
    mono file in a stereo song is heard in the middle; `warnings` say so.
    """

    def __init__(
        self,
        name: str,
        split: str,
        parts: Mapping[str, Part | SumPart],
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


def open_chosen(
    found: Iterable[tuple[str, str, Callable[..., Track]]],
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """Open the songs that are asked for, in the splits that are asked for.

    Args:
      found: (name, split, opening) of every song there is; `opening(split=…)` opens it.
      songs, valid, test: names, see `assign`.
      broken: see `open_songs`.

    Raises:
      ValueError: as of `assign` and `open_songs`; OSError, ValueError: what an opening raises.
    """
    found = list(found)
    kept, moved = assign((name for name, _, _ in found), songs=songs, valid=valid, test=test)
    openings = (
        partial(opening, split=moved.get(name, split))
        for name, split, opening in found
        if name in kept
    )
    return open_songs(openings, broken)


def open_songs(openings: Iterable[Callable[[], Track]], broken: list[str] | None) -> list[Track]:
    """Open songs one by one, sorted by split and name.

    Args:
      openings: functions that open one song each.
      broken: None: the first song that cannot be read is an error. A list: what is wrong with such
        songs is put into it, one line each, and the others are returned.

    Raises:
      ValueError: two songs of one name, which may mean that a song is both trained and tested on.
    """
    tracks: dict[str, Track] = {}
    for opening in openings:
        try:
            track = opening()
        except (OSError, ValueError) as error:
            if broken is None:
                raise
            broken.append(one_line(error))
            continue
        if track.name in tracks:
            splits = f"{tracks[track.name].split} and {track.split}"
            raise ValueError(f"two songs are called {track.name!r} (in {splits}); rename one")
        tracks[track.name] = track
    return sorted(tracks.values(), key=lambda track: (SPLITS.index(track.split), track.name))


def assign(
    names: Iterable[str],
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
) -> tuple[set[str], dict[str, str]]:
    """Check a choice of songs against the songs there are.

    Args:
      names: of all songs.
      songs: the ones to keep; None keeps all.
      valid, test: the ones to move to these splits.

    Returns:
      The names to keep, and name → split for those that move.

    Raises:
      ValueError: a name that is not there, or that is to be in two splits.
    """
    names = set(names)
    for name in (*(songs or ()), *valid, *test):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"there is no song {name!r}{hint}")
    both = sorted(set(valid) & set(test))
    if both:
        raise ValueError(f"song {both[0]!r} cannot be both in valid and in test")
    moved = dict.fromkeys(valid, "valid") | dict.fromkeys(test, "test")
    return (names if songs is None else set(songs)), moved


def root_folder(root: str | os.PathLike | None) -> Path:
    """The dataset's folder.

    Raises:
      ValueError: none was given. FileNotFoundError, NotADirectoryError: it is not there.
    """
    if root is None or os.fspath(root) == "":
        raise ValueError("needs the path of its folder")
    root = Path(root).expanduser()
    with os.scandir(root):
        return root


def song_folders(folder: Path) -> list[Path]:
    """The folders with audio files in a folder, sorted, but no hidden ones and no `__MACOSX`."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir()
        and not entry.name.startswith((".", "__MACOSX"))
        and any(map(audio.is_audio, entry.iterdir()))
    )
