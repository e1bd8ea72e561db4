"""Songs named in a `dataset.pkl` of the original system.

Its paired songs are tracks of the splits train, valid and test. Its unpaired lists are tracks too,
with the option `part`: "mixtures", or a source such as "drums". Nothing in the file is run (see
`datasets.legacy.pickle_reader`).

The accompaniment files of the original are a third as loud as they should be (they were averaged,
not added up), so its recorded mixtures are not the sum of their stems.
"""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from datasets.legacy.lists import PAIRED, UNPAIRED, Entry, Lists, Sample, read
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen
from datasets.song_files.stem_file import StemFile
from datasets.track import AudioShape, Track

ORDER = ("accompaniment", "drums")  # of the sources, after the mixture
_SPLITS = dict(zip(PAIRED, ("train", "valid", "test")))
_PLAIN = ("mix", "mixture", "linear_mixture", "acc")  # such files are called by their folders
_SILENT_RATE = 44100  # Hz, of silence that is no file


@dataclass(frozen=True)
class LegacyOptions:
    """What of a `dataset.pkl` is read, and where its files lie now.

    Attributes:
      part: "paired", "mixtures" (unpaired), or a source (its unpaired solo recordings).
      sources: what stands after the mixture, in that order.
      prefix: how absolute paths begin on the machine that wrote the file, such as
        "/home/ubuntu/DSSGAN"; `folder` replaces it. Relative paths lie in `folder` too.
      folder: None: the folder of the file.
    """

    part: str = "paired"
    sources: Sequence[str] = ORDER
    prefix: str | None = None
    folder: str | os.PathLike | None = None


DEFAULTS = LegacyOptions()


def load(
    root: str | os.PathLike,
    options: LegacyOptions = DEFAULTS,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs that a `dataset.pkl` names.

    Args:
      root: the file.
      options: see `LegacyOptions`; each field is an option of the dataset.
      songs: names of the songs to keep; None keeps all. A song is called by its mixture's file, or
        by the folder of a file called mix, acc or by a source.
      valid, test: names of songs to put into these splits instead of their own.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name. A source that is silent in the file is a missing stem; a
      silent unpaired entry is a track of zeros.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is no `dataset.pkl`; files that are missing (the first, and how many).
    """
    part, sources = options.part, tuple(options.sources)
    if part not in ("paired", "mixtures", *sources):
        raise ValueError(f"part={part!r}: expected paired, mixtures, {', '.join(sources)}")
    if root is None:
        raise ValueError("needs the path of a dataset.pkl")
    root = Path(root).expanduser()
    rows = _rows(root, read(root), part, sources)
    where = _where(root, rows, options.prefix, options.folder)
    if broken is None:
        _refuse_missing(root, where)
    names = _names(root, [entries for _, entries in rows], sources)
    given = {"sources": sources, "where": where}
    return open_chosen(
        (
            (name, split, partial(_open, name, entries=entries, **given))
            for name, (split, entries) in zip(names, rows)
            if any(not isinstance(entry, float) or entry for entry in entries.values())
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def listed(
    tracks: Iterable[Track],
    unpaired: Mapping[str, Iterable[Track]] | None = None,
    sources: Sequence[str] = ORDER,
) -> Lists:
    """Return lists for `lists.write`: of songs, and of unpaired recordings.

    Args:
      tracks: paired songs.
      unpaired: "mixtures" and each source → recordings; None: none.
      sources: what stands after the mixture, in that order.

    Raises:
      ValueError: a mixture or a source that is not an audio file of its own.
    """
    lists: Lists = {key: [] for key in PAIRED}
    keys = {split: key for key, split in _SPLITS.items()}
    for track in tracks:
        row = tuple(_entry(track, stem) for stem in ("mixture", *sources))
        lists[keys[track.split]].append(row)
    lists[UNPAIRED] = [
        [_entry(track, stem) for track in (unpaired or {}).get(role, ())]
        for role, stem in zip(("mixtures", *sources), ("mixture", *sources))
    ]
    return lists


def _entry(track: Track, stem: str) -> Entry:
    file = getattr(track, "stem_files", {}).get(stem)
    if file is not None and file.whole_file:
        path = os.path.abspath(file.path)
        return Sample(path, file.sample_rate, file.channels, file.samples / file.sample_rate)
    if stem in track.missing:
        return track.duration
    raise ValueError(f"{track.name}: its {stem} is not an audio file of its own; write it as one")


Row = tuple[str, dict[str, Entry]]  # split, stem → entry


def _rows(root: Path, lists: Lists, part: str, sources: Sequence[str]) -> list[Row]:
    stems = ("mixture", *sources)
    if len(lists[UNPAIRED]) != len(stems):
        raise ValueError(
            f"{root}: has {len(lists[UNPAIRED])} entries side by side, not a mixture and "
            f"{len(sources)} sources ({', '.join(sources)}); name them with the option sources"
        )
    if part == "paired":
        return [
            (split, dict(zip(stems, row))) for key, split in _SPLITS.items() for row in lists[key]
        ]
    place = 0 if part == "mixtures" else stems.index(part)
    return [("train", {stems[place]: entry}) for entry in lists[UNPAIRED][place]]


def _where(
    root: Path, rows: Sequence[Row], prefix: str | None, folder: str | os.PathLike | None
) -> dict[Sample, Path]:
    """Where every file lies here."""
    base = root.parent if folder is None else Path(folder).expanduser()
    found = {}
    for _, entries in rows:
        for sample in entries.values():
            if isinstance(sample, Sample):
                path = PurePosixPath(sample.path)
                if prefix is not None and path.is_absolute():
                    if not path.is_relative_to(prefix):
                        raise ValueError(f"{root}: {path} does not lie in prefix={prefix!r}")
                    path = path.relative_to(prefix)
                found[sample] = _below(base, path, root)
    return found


def _below(base: Path, path: PurePosixPath, root: Path) -> Path:
    """Where a file lies; ValueError where it is not below `base` but there, or leads out of it."""
    place = base / path
    outside = not Path(os.path.abspath(place)).is_relative_to(os.path.abspath(base))
    if ".." in path.parts or (outside and os.path.lexists(place)):
        raise ValueError(
            f"{root}: names the file {str(path)[:200]!r}, which is not below {base}: refused; name "
            "the folder that all of them lie in with the option folder"
        )
    return place


def _refuse_missing(root: Path, where: Mapping[Sample, Path]) -> None:
    missing = {str(path): sample.path for sample, path in where.items() if not path.is_file()}
    if missing:
        paths = list(missing.values())
        hint = "; name the folder that they lie in with the option folder"
        if all(map(os.path.isabs, paths)):
            common = os.path.commonpath([os.path.dirname(path) for path in paths])
            hint = f"; say where {common} lies now: prefix={common} folder=…"
        raise ValueError(
            f"{root}: {len(missing)} of {len(where)} files are missing, the first: "
            f"{next(iter(missing))}{hint}"
        )


def _names(root: Path, rows: Sequence[Mapping[str, Entry]], sources: Sequence[str]) -> list[str]:
    """A name for every song, each once: the second of one name is called "name (2)".

    ValueError names the file where one cannot be a song's.
    """
    names: dict[str, None] = {}
    for entries in rows:
        samples = [entry for entry in entries.values() if isinstance(entry, Sample)]
        path = PurePosixPath(samples[0].path if samples else "silence")
        name = path.stem
        if name.lower() in (*_PLAIN, *sources) and path.parent.name:
            name = path.parent.name
        choices = itertools.chain([name], (f"{name} ({count})" for count in itertools.count(2)))
        strange = any(sign < " " or sign == "\x7f" for sign in name)
        if name.startswith(".") or strange or len(name) > 200:
            raise ValueError(f"{root}: {name[:100]!r} cannot be the name of a song: refused")
        names[next(choice for choice in choices if choice not in names)] = None
    return list(names)


def _open(
    name: str,
    split: str,
    entries: Mapping[str, Entry],
    sources: Sequence[str],
    where: Mapping[Sample, Path],
) -> Track:
    """Open one song, or one recording; errors as of `FileTrack`."""
    samples = {stem: entry for stem, entry in entries.items() if isinstance(entry, Sample)}
    standard = [stem for stem in sources if stem in entries]
    if not samples:
        count = round(max(entries.values()) * _SILENT_RATE)
        return Track(name, split, AudioShape(_SILENT_RATE, 1, count), (), standard=standard)
    stem_files = {stem: StemFile(str(where[sample])) for stem, sample in samples.items()}
    track = FileTrack(name, split, stem_files, standard=standard)
    for stem, sample in samples.items():
        file = track.stem_files[stem]
        for what in ("sample_rate", "channels"):
            if getattr(file, what) != getattr(sample, what):
                both = f"{getattr(file, what)}, the list says {getattr(sample, what)}"
                track.warnings += (f"{stem} has {what.replace('_', ' ')} {both}",)
    return track
