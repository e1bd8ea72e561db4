"""References and estimates in folders: one folder per song, one audio file per stem."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from common.audio_files import require_file
from common.digests import facts_digest
from evaluation.protocols import ACCOMPANIMENT, Protocol, members
from evaluation.scoring.listing import SUFFIXES, Files, mixture_file, song_folders
from evaluation.scoring.names import STANDARD, Containers, StemTrack
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.tasks import ScoringTask
from evaluation.scoring.unmatched import unmatched

LIBSNDFILE = (
    ".wav", ".wave", ".flac", ".aiff", ".aif", ".aifc", ".w64", ".rf64", ".bwf", ".au", ".snd",
    ".ogg", ".oga", ".opus", ".mp3",
)  # fmt: skip
USUAL = 16  # samples of all channels per byte; a file of more is looked at before it is believed

Reader = Callable[[Path], tuple[np.ndarray, int]]


def read_file(path: Path | StemTrack, other: Reader | None = None) -> tuple[np.ndarray, int]:
    """Read an audio file: float32 (samples, channels) and its rate in Hz.

    Args:
      path: the file, or the track of a container.
      other: reads what libsndfile does not; None: it is tried all the same.

    Raises:
      ValueError: not audio, damaged, or shorter than it promises; names the file.
      OSError: it cannot be opened.
    """
    if isinstance(path, StemTrack):
        return path.read()
    require_file(path)
    with open(path, "rb"):  # the system's own message when it cannot be opened
        pass
    if other is not None and path.suffix.lower() not in LIBSNDFILE:
        return other(path)
    try:
        # As bytes, so that names that are not UTF-8 work.
        with soundfile.SoundFile(os.fsencode(path)) as file:
            if file.frames * file.channels > USUAL * path.stat().st_size:
                file.seek(file.frames - 1)  # raises where a header promises what is not there
        return soundfile.read(os.fsencode(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(error).rsplit(": ", 1)[-1].strip()
        raise ValueError(
            f"{path}: cannot be read as audio ({reason}); expected one of {', '.join(SUFFIXES)}"
        ) from error


def pair_songs(
    references: str | os.PathLike,
    estimates: str | os.PathLike,
    protocol: Protocol,
    *,
    targets: Sequence[str] | None = None,
    split: str = "test",
    read: Reader | None = None,
    containers: Containers | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[list[ScoringTask], int]:
    """Find the songs that have estimates, and their references.

    Both folders hold song folders (at any depth, such as test/SONG) or are one song themselves; or
    files that are named after song and stem, such as SONG-voice.wav, or stems in SONG.stem.mp4.
    Estimates may be named as other programs name them (`names.RULES`). Songs are matched by their
    path below the folder, or else by their name.

    Args:
      references, estimates: the two folders.
      protocol: decides which stems are read.
      targets: what to score; None: every stem that any estimated song has.
      split: folder name of the scores of songs that are not in a split folder.
      read: reads files of those formats of `AUDIO_EXTENSIONS` that libsndfile does not know:
        (samples, channels) and the rate in Hz; can be pickled.
      containers: reads the stems in a .stem.mp4; None: such files are not used.
      report: called with a line on files that are not used, and on the rule of their names.

    Returns:
      (songs, number of reference songs without estimates).

    Raises:
      ValueError: no such folder, no audio in it, or two estimates of one stem.
    """
    stems = song_folders(references, report, (), containers)
    known = {path.name or Path(os.path.abspath(references)).name for path in stems}
    found = song_folders(estimates, report, known, containers)
    if targets is None:
        targets = tuple(dict.fromkeys(name for files in found.values() for name in files))
        order = {name: place for place, name in enumerate(STANDARD)}
        targets = tuple(sorted(targets, key=lambda name: order.get(name, len(order))))
    if not targets:
        raise ValueError(f"{estimates}: only mixtures in it; expected drums.wav and the like")
    by_name: dict[str, list[Path]] = {}
    for path in stems:
        by_name.setdefault(path.name, []).append(path)
    songs, matched = [], set()
    for path, files in found.items():
        same = [path] if path in stems else by_name.get(path.name, [])
        if len(stems) == len(found) == 1:
            same = list(stems)
        match = same[0] if len(same) == 1 else None
        matched.add(match)
        name = path.name or getattr(match, "name", "") or Path(os.path.abspath(references)).name
        parents = path.parts[:-1] or (match or path).parts[:-1]
        mixture = None
        if protocol.needs_mixture() and match is not None:
            mixture = mixture_file(Path(references, match))
        lacking = "" if match is not None else unmatched(Path(references), path, same, stems)
        pair = _Pair(stems.get(match, {}), files, tuple(targets), protocol, mixture, read, lacking)
        songs.append(
            ScoringTask(
                name,
                parents[-1] if parents else split,
                pair.identity(),
                pair.read,
                portable=True,
                references=os.path.join(os.path.abspath(references), match or path),
            )
        )
    return songs, len(set(stems) - matched)


@dataclass(frozen=True)
class _Pair:
    """The files of one song."""

    references: Files
    estimates: Files
    targets: tuple[str, ...]
    protocol: Protocol
    mixture: Path | None = None
    other: Reader | None = None
    lacking: str = ""

    def identity(self) -> str:
        """Digest of the names, sizes and times of the files."""
        facts = list(self.targets)
        mixture = [self.mixture] if self.mixture else []
        for file in (*self.references.values(), *self.estimates.values(), *mixture):
            status = file.stat()
            facts.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
        return facts_digest(*facts)

    def read(self) -> SongAudio:
        """Read what the targets need; errors as of `score_song`."""
        if not self.references:
            raise ValueError(self.lacking)
        absent = [
            target
            for target in self.targets
            if target in STANDARD and target not in (*self.references, *self.estimates)
        ]
        targets = [target for target in self.targets if target not in absent]
        if self.protocol.adds_accompaniment and ACCOMPANIMENT not in self.estimates:
            targets = [target for target in targets if target != ACCOMPANIMENT]  # becomes a sum
        missing = [target for target in targets if target not in self.estimates]
        if missing and not self.protocol.silence_counts:
            folder, known = _content(self.estimates)
            raise ValueError(f"{folder}: no estimate of {missing[0]}, only {known}")
        names = self.protocol.names(targets)
        needed = [stem for name in names for stem in members(name, names, tuple(self.references))]
        unknown = [stem for stem in needed if stem not in (*self.references, *STANDARD)]
        if unknown:
            folder, known = _content(self.references)
            raise ValueError(f"{folder}: no reference of {unknown[0]}, only {known}")
        here = [stem for stem in dict.fromkeys(needed) if stem in self.references]
        stems, rate = _read_all(self.references, here, self.other)
        given = [target for target in targets if target not in missing]
        estimates, estimates_rate = _read_all(self.estimates, given, self.other)
        song = SongAudio(stems, estimates, rate, estimates_rate or rate)
        if self.mixture:
            song.mixture, mixture_rate = read_file(self.mixture, self.other)
            if mixture_rate != rate:
                raise ValueError(
                    f"{self.mixture}: at {mixture_rate} Hz, references at {rate} Hz: resample it"
                )
        song.warnings += [f"no estimate of {target}: counts as silence" for target in missing]
        song.warnings += [f"neither reference nor estimate of {target}" for target in absent]
        for stem in dict.fromkeys(needed):
            if stem not in stems and stems:
                song.warnings.append(f"no reference of {stem}: taken for silence")
                stems[stem] = np.zeros_like(next(iter(stems.values())))
        longest = max(stems.values(), key=len, default=np.zeros((0, 1)))
        estimates |= {target: np.zeros_like(longest) for target in missing}
        return song


def _content(files: Files) -> tuple[Path, str]:
    return next(iter(files.values())).parent, ", ".join(files)


def _read_all(
    files: Files, stems: Sequence[str], other: Reader | None
) -> tuple[dict[str, np.ndarray], int]:
    """Read some stems of one rate."""
    audio, rates = {}, {}
    for stem in stems:
        audio[stem], rate = read_file(files[stem], other)
        rates.setdefault(rate, files[stem].name)
    if len(rates) > 1:
        named = ", ".join(f"{name} at {rate} Hz" for rate, name in rates.items())
        raise ValueError(f"{_content(files)[0]}: files of different rates ({named}): resample them")
    return audio, next(iter(rates), 0)
