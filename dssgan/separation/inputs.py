"""Which songs to separate, where their stems go, and which exported separator to take."""

import os
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.audio_files import files_below
from common.cli import UsageError
from dssgan.separation.records import recorded_stems

STEM_CONTAINER = "stem.mp4"
STEMS = "stems of earlier separations"
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
) -> tuple[list[SongFile], list[str], list[str]]:
    """List files as they are and folders recursively, in a fixed order, each song once.

    In folders, hidden files and folders and those of the system are left out, and so is what an
    earlier separation wrote, by the records that it left (`dssgan.separation.records`).

    Returns:
      The songs; one line for every folder without audio; and one line for every folder in which
      something was skipped, with counts. A file that does not exist is listed; opening it says why.
    """
    songs: dict[Path, SongFile] = {}
    complaints, notes = [], []
    for given in inputs:
        top = Path(given)
        if not top.is_dir():
            songs.setdefault(top, SongFile(top, _without_extension(top.name)))
            continue
        skipped: Counter[str] = Counter()
        found = _songs_below(top, is_audio, skipped)
        for path in found:
            name = _without_extension(os.fspath(path.relative_to(top)))
            songs.setdefault(path, SongFile(path, name, found=True))
        counts = ", ".join(f"{count} {what}" for what, count in sorted(skipped.items()) if count)
        if counts:
            notes.append(f"{top}: {len(found)} songs; skipped: {counts}")
        if not found:
            why = "but stems of earlier separations " if skipped[STEMS] else ""
            complaints.append(f"{top}: no audio file {why}in this folder")
    return list(songs.values()), complaints, notes


def _songs_below(top: Path, is_audio: Callable[[Path], bool], skipped: Counter) -> list[Path]:
    """Audio files below a folder; counts the others."""
    found = []
    stems: dict[Path, set[Path]] = {}
    for path in files_below(top, skipped):
        if not is_audio(path):
            skipped["files that are not audio by name"] += 1
        elif path.exists() and not path.is_file():
            skipped["pipes or devices"] += 1
        else:
            if path.parent not in stems:
                stems[path.parent] = recorded_stems(path.parent)
            if path in stems[path.parent]:
                skipped[STEMS] += 1
            else:
                found.append(path)
    return found


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
