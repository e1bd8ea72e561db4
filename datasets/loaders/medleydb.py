"""MedleyDB 1 and 2: stems of a song in its own folder, their instruments in a YAML file.

    [Audio/ or V1/, V2/]SONG/{SONG_MIX.wav,SONG_METADATA.yaml,SONG_STEMS/SONG_STEM_01.wav …}

Bittner et al.: MedleyDB: A multitrack dataset for annotation-intensive MIR research, ISMIR 2014.
The metadata of MedleyDB 2 come apart from the audio, in the repository marl/medleydb.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.files import inside
from datasets.song_files.file_track import FileTrack
from datasets.song_files.metadata import Grouping, read, value
from datasets.song_files.opening import open_chosen, root_folder
from datasets.song_files.stem_file import StemFile
from datasets.track import Track

MAPPING = {
    "drums": (
        "drum set", "drum machine", "kick drum", "snare drum", "bass drum", "toms", "high hat",
        "cymbal", "gong", "timpani", "auxiliary percussion", "bongo", "cabasa", "castanet", "claps",
        "conga", "cowbell", "darbuka", "doumbek", "gu", "guiro", "maracas", "rattle", "shaker",
        "sleigh bells", "snaps", "tabla", "tambourine", "triangle",
    ),
    "bass": ("electric bass", "double bass"),
    "vocals": (
        "male singer", "female singer", "vocalists", "choir", "male rapper", "female rapper",
        "male speaker", "female speaker", "male screamer", "female screamer", "beatboxing",
    ),
}  # fmt: skip
DEPTH = 3  # folders between the root and a song, at most


@dataclass(frozen=True)
class MedleyDBOptions:
    """What is made of the songs of MedleyDB.

    Attributes:
      mapping: stem → instruments, in place of `MAPPING`; all other instruments are "other", but for
        stems whose component is "bass", where there is a stem of that name.
      metadata: a folder of SONG_METADATA.yaml files, for songs that have none of their own.
      own_mixture: read SONG_MIX.wav as the mixture. It is mastered: not quite the sum of the stems,
        which is the mixture otherwise.
      bleed: keep songs whose stems contain one another.
    """

    mapping: Mapping[str, Sequence[str]] | None = None
    metadata: str | os.PathLike | None = None
    own_mixture: bool = True
    bleed: bool = True


DEFAULTS = MedleyDBOptions()


def load(
    root: str | os.PathLike,
    options: MedleyDBOptions = DEFAULTS,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of MedleyDB.

    Args:
      root: a folder with songs in it, or in Audio, V1 or V2 in it.
      options: see `MedleyDBOptions`; each field is an option of the dataset.
      songs: names of the songs to keep, such as "LizNelson_Rainfall"; None keeps all.
      valid, test: names of songs to put into these splits; the rest is train.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name, 44.1 kHz stereo. A stem is the sum of its files, each of
      which counts once, read excerpt by excerpt.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read, without
        metadata or without a file that they name.
    """
    root = root_folder(root)
    grouping = Grouping(MAPPING if options.mapping is None else options.mapping)
    patterns = ["/".join(["*"] * depth + ["*_STEMS"]) for depth in range(DEPTH + 1)]
    found = sorted(
        stems.parent
        for pattern in patterns
        for stems in root.glob(pattern)
        if stems.name == f"{stems.parent.resolve().name}_STEMS"
    )
    if not found:
        raise ValueError(
            f"{root}: no songs; expected SONG/SONG_STEMS/SONG_STEM_01.wav in it, or in Audio, V1 "
            "or V2 in it"
        )
    places = [root, root / "Metadata"]
    if options.metadata:
        places = [Path(options.metadata).expanduser()]
    given = {"places": places, "grouping": grouping, "own_mixture": options.own_mixture}
    tracks = open_chosen(
        ((_name(song), "train", partial(_open_song, song, **given)) for song in found),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )
    return tracks if options.bleed else [track for track in tracks if not track.has_bleed]


def _name(folder: Path) -> str:
    return folder.resolve().name


def _open_song(
    folder: Path, split: str, places: Sequence[Path], grouping: Grouping, own_mixture: bool
) -> FileTrack:
    name = _name(folder)
    path = _metadata(folder, name, places)
    facts = read(path)
    stem_folder = folder / f"{name}_STEMS"
    pairs = []
    stems = value(path, facts, "stems", dict)
    for key, stem in sorted(stems.items(), key=lambda item: str(item[0])):
        file = inside(stem_folder, value(path, stem, "filename", str, f"stem {key}"), path)
        if not file.is_file():
            raise ValueError(f"{file}: no such stem, {path.name} names it; fetch the song again")
        pairs.append((_stem(stem, grouping), file))
    if not pairs:
        raise ValueError(f"{path}: names no stems")
    stem_files = grouping.stem_files(pairs)
    mixture = folder / f"{name}_MIX.wav"
    if own_mixture and mixture.is_file():
        stem_files["mixture"] = StemFile(str(mixture))
    track = FileTrack(name, split, stem_files, standard=grouping.stems, sums=grouping.sums)
    track.has_bleed = facts.get("has_bleed") in ("yes", True)
    return track


def _stem(facts: dict, grouping: Grouping) -> str:
    """Which stem a file belongs to, by its instruments and its component."""
    named = facts.get("instrument")
    found = {grouping(label) for label in (named if isinstance(named, list) else [named])}
    if found <= {"other"} and facts.get("component") == "bass" and "bass" in grouping.stems:
        return "bass"
    return found.pop() if len(found) == 1 else grouping("")


def _metadata(folder: Path, name: str, places: Sequence[Path]) -> Path:
    for place in (folder, *places):
        path = place / f"{name}_METADATA.yaml"
        if path.is_file():
            return path
    raise ValueError(
        f"{folder}: no {name}_METADATA.yaml in it; name the folder of the metadata with the "
        "option metadata"
    )
