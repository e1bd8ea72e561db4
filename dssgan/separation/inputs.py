"""Which songs to separate, where their stems go, and which exported separator to take."""

import os
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.cli import UsageError

STEM_CONTAINER = "stem.mp4"
KEYS = ("song", "source", "format", "extension")


@dataclass(frozen=True)
class SongFile:
    """An audio file to separate.

    Attributes:
      path: the file.
      name: its name without extension; of a file found in a folder, the path in there.
      found: whether it was found in a folder, not named by the user.
    """

    path: Path
    name: str
    found: bool = False


def find_songs(
    inputs: Sequence[str], is_audio: Callable[[Path], bool]
) -> tuple[list[SongFile], list[str]]:
    """List files as they are and folders recursively, in a fixed order, each song once.

    Returns:
      The songs, and one line for every folder without audio. A file that does not exist is listed;
      opening it says why.
    """
    songs: dict[Path, SongFile] = {}
    complaints = []
    for given in inputs:
        top = Path(given)
        if not top.is_dir():
            songs.setdefault(top, SongFile(top, _without_extension(top.name)))
            continue
        found = 0
        for folder, folders, files in os.walk(top):
            folders.sort()
            for path in sorted(Path(folder, file) for file in files):
                if is_audio(path):
                    found += 1
                    name = _without_extension(os.fspath(path.relative_to(top)))
                    songs.setdefault(path, SongFile(path, name, found=True))
        if not found:
            complaints.append(f"{top}: no audio file in this folder")
    return list(songs.values()), complaints


def _without_extension(name: str) -> str:
    return os.path.splitext(name)[0].removesuffix(".stem")


def check_pattern(pattern: str, container: bool) -> None:
    """Check an output pattern before any work.

    Raises:
      UsageError: an unknown key, or no {source} where every source is a file of its own.
    """
    known = " ".join(f"{{{key}}}" for key in KEYS)
    try:
        keys = {key for _, key, _, _ in string.Formatter().parse(pattern) if key is not None}
        pattern.format(**dict.fromkeys(KEYS, "x"))
    except (ValueError, KeyError, IndexError, AttributeError):
        raise UsageError(f"--pattern {pattern!r}: expected text with {known}") from None
    if "source" not in keys and not container:
        raise UsageError(
            f"--pattern {pattern!r}: every source would be the same file; add {{source}}"
        )


def plan_outputs(
    songs: Iterable[SongFile], out: Path, pattern: str, format: str, sources: Sequence[str]
) -> tuple[dict[SongFile, dict[str, Path]], list[str]]:
    """Where the stems of every song go.

    Stems of an earlier run that lie in a folder among the inputs are no songs. A song whose stems
    would overwrite an input or another song's stems is left out with one line that says so.

    Returns:
      {song: {source: path}} (the same path for every source of a stem container), and the lines.
    """
    plans = {}
    for song in songs:
        keys = {"song": song.name, "format": format, "extension": song.path.suffix[1:]}
        plans[song] = {name: out / pattern.format(source=name, **keys) for name in sources}
    places = {song: {_real(path) for path in plan.values()} for song, plan in plans.items()}
    written = {place: song for song, paths in reversed(places.items()) for place in paths}
    complaints = []
    for song in list(plans):
        here = _real(song.path)
        owner = written.get(here)
        if owner is not None and owner != song:
            if not song.found:
                complaints.append(f"{song.path}: the stems of {owner.path} would overwrite it")
            del plans[song]
        elif here in places[song]:
            complaints.append(f"{song.path}: its stems would overwrite it; choose another -o")
            del plans[song]
        else:
            other = next((written[p] for p in places[song] if written[p] != song), None)
            if other is not None:
                complaints.append(
                    f"{song.path}: its stems would overwrite those of {other.path}; "
                    "add {extension} to --pattern, or rename it"
                )
                del plans[song]
    return plans, complaints


def _real(path: Path) -> str:
    return os.path.realpath(path)
