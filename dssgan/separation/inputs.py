"""Which songs to separate, where their stems go, and which exported separator to take."""

import argparse
import math
import os
import stat
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.audio_files import OUTPUT_FORMATS, files_below, some
from common.cli import UsageError
from common.object_store import address_of
from dssgan.separation.records import recorded_stems

STANDARD_STREAM = "-"  # standard input as an input, standard output as the folder
STEMS = "stems of earlier separations"
KEYS = ("song", "source", "format", "extension")


@dataclass(frozen=True)
class SongFile:
    """An audio file to separate.

    Attributes:
      path: the file; "-" is standard input.
      name: its name without extension; of a file found in a folder, the path in there.
      found: whether it was found in a folder, not named by the user.
      label: what messages call it, where that is not its path.
    """

    path: Path
    name: str
    found: bool = False
    label: str = ""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return "standard input" if self.is_stdin else self.label or address_of(self.path)

    @property
    def is_stdin(self) -> bool:
        return not self.found and os.fspath(self.path) == STANDARD_STREAM

    @property
    def is_pipe(self) -> bool:
        """Whether it is read once, from beginning to end: standard input, or a named pipe."""
        return self.is_stdin or (not self.found and self.path.is_fifo())


def find_songs(
    inputs: Sequence[Path], is_audio: Callable[[Path], bool]
) -> tuple[list[SongFile], list[str], list[str]]:
    """List files as they are and folders recursively, in a fixed order, each song once.

    In folders, hidden files and folders and those of the system are left out, and so is what an
    earlier separation wrote, by the records that it left (`dssgan.separation.records`).

    Returns:
      The songs; one line for every folder without audio and every file that is not there; and one
      line for every folder in which something was skipped, with counts.
    """
    songs: dict[Path, SongFile] = {}
    complaints, notes = [], []
    for given in inputs:
        top = Path(given)
        if os.fspath(top) == STANDARD_STREAM:
            songs.setdefault(top, SongFile(top, "stdin"))
            continue
        try:
            if not stat.S_ISDIR(os.stat(top).st_mode):
                songs.setdefault(top, SongFile(top, without_extension(top.name)))
                continue
        except OSError as error:
            complaints.append(f"{top}: {error.strerror}")
            continue
        skipped: Counter[str] = Counter()
        found = _songs_below(top, is_audio, skipped)
        for path in found:
            name = without_extension(os.fspath(path.relative_to(top)))
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


def without_extension(name: str) -> str:
    """The name of a song's file or object without its extension, nor that of a stem container."""
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
    ending = OUTPUT_FORMATS[format].extension if format in OUTPUT_FORMATS else format
    for song in songs:
        keys = {"song": song.name, "format": ending, "extension": song.path.suffix[1:]}
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


def _finished(paths: Iterable[Path]) -> set[Path]:
    """Those of some files that a separation has written and finished."""
    folders = {path.parent for path in paths}
    return set().union(*(recorded_stems(folder, unfinished=False) for folder in folders))


def without_existing(
    plans: Mapping[SongFile, dict[str, Path]], skip: bool, overwrite: bool
) -> tuple[dict[SongFile, dict[str, Path]], int, list[str]]:
    """Leave out songs whose stems are there already, or would overwrite what nobody separated.

    A file that a separation wrote, by its record, may be overwritten by another one.

    Args:
      plans: as of `plan_outputs`.
      skip: leave out songs all of whose stems are there and recorded.
      overwrite: whatever is there may be overwritten.

    Returns:
      The plans that are left, how many songs were skipped, and one line per song that would
      overwrite files of others.
    """
    known: dict[Path, set[Path]] = {}
    left, skipped, complaints = {}, 0, []
    for song, plan in plans.items():
        there = {path for path in plan.values() if os.path.lexists(path)}
        for folder in {path.parent for path in there} - set(known):
            known[folder] = recorded_stems(folder)
        others = sorted(path for path in there if path not in known[path.parent])
        if others and not overwrite:
            names = some(map(os.fspath, others))
            complaints.append(
                f"{song.shown}: would overwrite {names}, not written by this command or changed "
                "since; choose another -o, or --overwrite"
            )
        elif skip and there == set(plan.values()) and there <= _finished(there):
            skipped += 1
        else:
            left[song] = plan
    return left, skipped, complaints


def _real(path: Path) -> str:
    return os.path.realpath(path)


def excerpt(options: argparse.Namespace, name: str, samples: int, rate: int) -> tuple[int, int]:
    """First sample of the part to separate, and one past the last.

    Args:
      name: of the song, for messages. samples, rate: its length, and its rate in Hz.

    Raises:
      ValueError: the part begins behind the song's end.
    """
    start = math.floor(options.start * rate + 0.5)
    if start and start >= samples:
        raise ValueError(
            f"{name}: ends at {samples / rate:.3f} s, before --start {options.start:g} s"
        )
    if options.duration is None:
        return start, samples
    length = max(1, math.floor(options.duration * rate + 0.5))
    return start, min(samples, start + length)
