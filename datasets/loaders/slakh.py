"""Slakh2100 (`{train,validation,test,omitted}/TrackXXXXX/{metadata.yaml,mix.flac,stems/S00.flac}`).

Manilow, Wichern, Seetharaman, Le Roux: Cutting music source separation some Slakh, WASPAA 2019.
Songs rendered from MIDI with sampled instruments; there are no voices. BabySlakh, which has no
splits and WAV files, is read as well.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from common.files import check_name
from datasets.song_files import metadata
from datasets.song_files.file_track import FileTrack
from datasets.song_files.metadata import Grouping
from datasets.song_files.opening import open_chosen, root_folder
from datasets.song_files.stem_file import StemFile
from datasets.track import Track

METADATA = "metadata.yaml"
SUFFIXES = (".flac", ".wav")
FOLDERS = {"train": "train", "validation": "valid", "test": "test"}
OMITTED = "omitted"
MAPPING = {"drums": ("Drums",), "bass": ("Bass",), "vocals": ()}


def load(
    root: str | os.PathLike,
    *,
    mapping: Mapping[str, Sequence[str]] | None = None,
    omitted: bool = False,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of Slakh2100.

    Args:
      root: the folder with train, validation and test in it, or with songs in it.
      mapping: stem → classes of instruments (inst_class), in place of `MAPPING`; all others are
        "other".
      omitted: also read the folder omitted, into train: songs that are in the dataset twice.
      songs: names of the songs to keep, such as "Track00001"; None keeps all.
      valid, test: names of songs to put into these splits instead of their own.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name, 44.1 kHz mono. A stem is the sum of its files, read excerpt
      by excerpt; files that were not rendered are left out. The MIDI file that a song was rendered
      from is its composition.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read or lacks a
        file that its metadata.yaml names.
    """
    root = root_folder(root)
    grouping = Grouping(MAPPING if mapping is None else mapping)
    splits = FOLDERS | ({OMITTED: "train"} if omitted else {})
    found = {
        path.parent: split
        for folder, split in splits.items()
        for path in sorted((root / folder).glob(f"*/{METADATA}"))
    }
    if not found:
        found = {path.parent: "train" for path in sorted(root.glob(f"*/{METADATA}"))}
    if not found:
        raise ValueError(
            f"{root}: no songs; expected {{train,validation,test}}/Track00001/{METADATA} "
            f"or Track00001/{METADATA} in it"
        )
    return open_chosen(
        (
            (song.name, split, partial(_open_song, song, grouping=grouping))
            for song, split in found.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def _open_song(folder: Path, split: str, grouping: Grouping) -> FileTrack:
    path = folder / METADATA
    facts = metadata.read(path)
    pairs = []
    stems = metadata.value(path, facts, "stems", dict)
    for key, stem in sorted(stems.items(), key=lambda item: str(item[0])):
        label = metadata.value(path, stem, "inst_class", str, f"stem {key}")
        check_name(key, f"{path}: stems")
        if stem.get("audio_rendered") is False:
            continue
        file = _audio(folder / "stems", key)
        if file is None:
            expected = folder / "stems" / f"{key}{SUFFIXES[0]}"
            raise ValueError(f"{expected}: no such stem, {METADATA} names it; fetch the song again")
        pairs.append(("drums" if stem.get("is_drum") is True else label, file))
    if not pairs:
        raise ValueError(f"{path}: names no stems that were rendered")
    stem_files = grouping.stem_files([(grouping(label), file) for label, file in pairs])
    mixture = _audio(folder, "mix")
    if mixture is not None:
        stem_files["mixture"] = StemFile(str(mixture))
    track = FileTrack(folder.name, split, stem_files, standard=grouping.stems, sums=grouping.sums)
    if isinstance(facts.get("UUID"), str):
        track.composition = f"Lakh {facts['UUID']}"
    return track


def _audio(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)
