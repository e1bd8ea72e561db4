"""The songs in a folder of references or estimates: which files and tracks hold which stems."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from common.audio_files import AUDIO_EXTENSIONS, files_below, is_audio, some
from evaluation.protocols import ACCOMPANIMENT
from evaluation.scoring.names import (
    FOLDER,
    MIXTURE,
    STANDARD,
    Containers,
    StemTrack,
    song_and_stem,
    stem_name,
)

SUFFIXES = (".wav", ".flac", ".aiff", ".ogg", ".opus", ".mp3", ".m4a")  # for messages
CONTAINER = ".stem.mp4"  # holds stems under names of its own

Files = dict[str, Path | StemTrack]


def song_folders(
    root: str | os.PathLike,
    report: Callable[[str], None] = lambda line: None,
    known: Collection[str] = (),
    containers: Containers | None = None,
) -> dict[Path, Files]:
    """List the songs at or below `root`: {path below root: {stem: file}}.

    Of several files of one name the first in the order of AUDIO_EXTENSIONS is taken. `report` is
    called with one line on the others, on stem containers and on stems that are no audio by name,
    and with one on names that follow the rules of other programs.

    Args:
      known: names of songs, for those rules.
      containers: reads stems in containers.

    Raises:
      ValueError: no such folder, no songs in it, or two files of different names for one stem.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    found: dict[Path, dict[str, list[Path]]] = {}
    unused, unknown, packed = [], [], []
    rules: Counter[str] = Counter()
    for file in files_below(root):
        if file.name.lower().endswith(CONTAINER):
            packed.append(file)
        elif is_audio(file):
            song, stem, rule = song_and_stem(file, known)
            rules[rule] += 1
            found.setdefault(song.relative_to(root), {}).setdefault(stem, []).append(file)
        else:
            unknown.append(file)
    names = {MIXTURE, *STANDARD, ACCOMPANIMENT, *(stem for song in found.values() for stem in song)}
    unused += [file for file in unknown if song_and_stem(file, known)[1] in names]
    songs = {}
    for song, stems in found.items():
        files = {}
        for stem, given in stems.items():
            files[stem], *others = sorted(given, key=_preference)
            _check_one(root, song, stem, [files[stem], *others])
            unused += others
        files.pop(MIXTURE, None)
        if files:
            songs[song] = files
    unused += _unpack(root, packed, containers, songs, rules)
    _report_files(root, unused, rules, report)
    if not songs:
        raise ValueError(
            f"{root}: no songs; expected SONG/drums.wav and the like in it ({', '.join(SUFFIXES)})"
        )
    return songs


def _check_one(root: Path, song: Path, stem: str, files: Sequence[Path]) -> None:
    """Raise ValueError where files of different names hold one stem by the rules of names."""
    if stem == MIXTURE:
        return
    other = next((file for file in files if file.stem.lower() != files[0].stem.lower()), None)
    if other is not None:
        first, second = (os.fspath(file.relative_to(root)) for file in (files[0], other))
        raise ValueError(
            f"{root}: {first} and {second} are both {stem} of {song.name or root.name} by their "
            "names; remove or rename one of them"
        )


def _unpack(
    root: Path,
    packed: Sequence[Path],
    containers: Containers | None,
    songs: dict[Path, Files],
    rules: Counter[str],
) -> list[Path]:
    """Add the stems in containers to songs that have no files of their own; return the rest."""
    unused = []
    for file in packed:
        name = file.name[: -len(CONTAINER)]
        place = file.parent if file.parent.name == name else file.parent / name
        song = place.relative_to(root)
        stems = containers.names(file) if containers and song not in songs else ()
        if not stems:
            unused.append(file)
            continue
        tracks = enumerate(stems, start=1)
        songs[song] = {
            stem_name(f"{stem}.wav"): StemTrack(file, track, containers.read)
            for track, stem in tracks
        }
        rules[f"SONG{CONTAINER}"] += 1
    return unused


def _report_files(
    root: Path, unused: Sequence[Path], rules: Counter[str], report: Callable[[str], None]
) -> None:
    if set(rules) - {FOLDER}:
        counts = ", ".join(f"{rule}: {count}" for rule, count in sorted(rules.items()))
        report(f"{root}: songs and stems by the names of files ({counts} files)")
    if unused:
        report(
            f"{root}: {len(unused)} files are not used (a second file of a stem, a format that is "
            f"not read): {some(os.fspath(file.relative_to(root)) for file in sorted(unused))}"
        )


def _preference(file: Path) -> int:
    return AUDIO_EXTENSIONS.index(file.suffix.lower())


def mixture_file(folder: Path) -> Path | None:
    """Return the file of the mixture in a song's folder, if there is one."""
    if not folder.is_dir():  # songs of flat folders have none
        return None
    found = [
        file for file in folder.iterdir() if is_audio(file) and stem_name(file.name) == MIXTURE
    ]
    return min(found, key=_preference, default=None)
