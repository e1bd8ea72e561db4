"""DSD100 (`{Mixtures,Sources}/{Dev,Test}/song/*.wav`): 50 songs to train, 50 to test.

Liutkus et al.: The 2016 Signal Separation Evaluation Campaign, LVA/ICA 2017.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from datasets.loaders.musdb import ACCOMPANIMENT
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder, song_folders
from datasets.song_files.stem_file import StemFile
from datasets.track import SOURCES, Track

SPLIT = {"Dev": "train", "Test": "test"}


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of DSD100.

    Args:
      root: the folder with Mixtures and Sources in it.
      songs: names of the songs to keep, such as "051 - AM Contra - Heart Peripheral"; None: all.
      valid: names of Dev songs to validate on (the dataset names none).
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name, 44.1 kHz stereo. "accompaniment" is all but the vocals.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read.
    """
    root = root_folder(root)
    found = {}
    for folder, split in SPLIT.items():
        if (root / "Sources" / folder).is_dir():
            found |= dict.fromkeys(song_folders(root / "Sources" / folder), split)
    if not found:
        raise ValueError(
            f"{root}: no songs; expected Mixtures/{{Dev,Test}}/SONG/mixture.wav and "
            "Sources/{Dev,Test}/SONG/{bass,drums,other,vocals}.wav in it"
        )
    for song, split in found.items():
        if song.name in valid and split == "test":
            raise ValueError(f"song {song.name!r} is a test song; validate on songs of Dev")
    return open_chosen(
        ((song.name, split, partial(_open_song, root, song)) for song, split in found.items()),
        songs=songs,
        valid=valid,
        broken=broken,
    )


def _open_song(root: Path, folder: Path, split: str) -> FileTrack:
    mixture = root / "Mixtures" / folder.parent.name / folder.name / "mixture.wav"
    files = {"mixture": mixture} | {stem: folder / f"{stem}.wav" for stem in SOURCES}
    stem_files = {stem: StemFile(str(file)) for stem, file in files.items() if file.is_file()}
    if not stem_files:
        raise ValueError(f"{folder}: no stems; expected bass, drums, other and vocals.wav")
    return FileTrack(folder.name, split, stem_files, sums=ACCOMPANIMENT)
