"""MoisesDB (`[moisesdb_v0.1/]ID/{data.json,STEM/TRACK.wav}`): 240 songs in up to eleven stems.

Pereira et al.: Moisesdb: A dataset for source separation beyond 4-stems, ISMIR 2023.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from common.files import inside
from datasets.song_files import metadata
from datasets.song_files.file_track import FileTrack
from datasets.song_files.metadata import Grouping
from datasets.song_files.opening import open_chosen, root_folder
from datasets.track import Track

DATA = "data.json"
#: As the authors group eleven stems into four; percussion belongs to the rest.
MAPPING = {stem: (stem,) for stem in ("drums", "bass", "vocals")}


def load(
    root: str | os.PathLike,
    *,
    mapping: Mapping[str, Sequence[str]] | None = None,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of MoisesDB.

    Args:
      root: the folder with moisesdb_v0.1 in it, that folder, or one song.
      mapping: stem → stems of the dataset (vocals, bass, drums, percussion, guitar, other_plucked,
        piano, other_keys, bowed_strings, wind, other), in place of `MAPPING`; all others are
        "other".
      songs: names of the songs to keep, "ARTIST - SONG" (of two of one name, with the beginning of
        their folders' names behind); None keeps all.
      valid, test: names of songs to put into these splits; the rest is train.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name. A stem is the sum of its files, read excerpt by excerpt; the
      mixture is the sum of the stems.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read or lacks a
        file that its data.json names.
    """
    root = root_folder(root)
    grouping = Grouping(MAPPING if mapping is None else mapping)
    folders = sorted(
        {path.parent for pattern in ("", "*/", "*/*/") for path in root.glob(f"{pattern}{DATA}")}
    )
    if not folders:
        raise ValueError(f"{root}: no songs; expected moisesdb_v0.1/ID/{DATA} or ID/{DATA} in it")
    found: dict[Path, tuple[str, dict]] = {}
    unread: list[str] = []
    for folder in folders:
        try:
            facts = metadata.read(folder / DATA)
            found[folder] = f"{facts.get('artist', '')} - {facts.get('song', 'untitled')}", facts
        except (OSError, ValueError) as error:
            if broken is None:
                raise
            unread.append(str(error))
    if broken is not None:
        broken += unread
    count = Counter(name for name, _ in found.values())
    names = {
        folder: name if count[name] == 1 else f"{name} ({folder.resolve().name[:8]})"
        for folder, (name, _) in found.items()
    }
    return open_chosen(
        (
            (
                name,
                "train",
                partial(_open_song, folder, name, facts=found[folder][1], grouping=grouping),
            )
            for folder, name in names.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def _open_song(folder: Path, name: str, split: str, facts: dict, grouping: Grouping) -> FileTrack:
    path = folder / DATA
    pairs = []
    for place, stem in enumerate(metadata.value(path, facts, "stems", list)):
        label = metadata.value(path, stem, "stemName", str, f"stem {place}")
        for recording in metadata.value(path, stem, "tracks", list, label):
            name_of = partial(metadata.value, path, recording, kind=str, what=label)
            file = f"{label}/{name_of(key='id')}.{name_of(key='extension')}"
            audio = inside(folder, file, path)
            if not audio.is_file():
                raise ValueError(f"{audio}: no such file, {DATA} names it; fetch the song again")
            pairs.append((grouping(label), audio))
    if not pairs:
        raise ValueError(f"{path}: names no stems")
    stem_files = grouping.stem_files(pairs)
    return FileTrack(name, split, stem_files, standard=grouping.stems, sums=grouping.sums)
