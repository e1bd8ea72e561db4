"""MUSDB18 (`{train,test}/*.stem.mp4`) and MUSDB18-HQ (`{train,test}/song/*.wav`).

Rafii, Liutkus, Stöter, Mimilakis, Bittner: MUSDB18, 2017, doi:10.5281/zenodo.1117372; HQ: 2019,
doi:10.5281/zenodo.3338373. 150 songs: 86 to train, 14 to validate, 50 to test.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from datasets.loaders import folders, native_stems
from datasets.song_files.opening import open_chosen, root_folder, song_folders
from datasets.track import SOURCES, Track

VALIDATION = (  # the official choice, of the train folder
    "ANiMAL - Rockshow",
    "Actions - One Minute Smile",
    "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Fergessen - Nos Palpitants",
    "James May - On The Line",
    "Johnny Lokke - Promises & Lies",
    "Leaf - Summerghost",
    "Meaxic - Take A Step",
    "Patrick Talbot - A Reason To Leave",
    "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens",
    "Triviul - Angelsaint",
    "Young Griffo - Pennies",
)
ACCOMPANIMENT = {"accompaniment": ("drums", "bass", "other")}  # of the voice, as SiSEC defines it


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str | int] | None = None,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of MUSDB18.

    Args:
      root: the folder with train and test in it.
      songs: names of the songs to keep; None keeps all.
      valid: songs of the train folder to validate on, by name or by number in the order of the
        names there, from 0; None is the official choice.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name, 44.1 kHz stereo. The mixture is mastered: not quite the sum
      of the stems. "accompaniment" is all but the vocals.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read.
    """
    other = "musdb18hq" if _any_split(root, song_folders) else "stems"
    found = _split_folders(root, native_stems.stem_files, "SONG.stem.mp4", other)
    return _open(
        found,
        native_stems.song_name,
        lambda song, split: native_stems.open_song(song, split, SOURCES, ACCOMPANIMENT),
        songs,
        valid,
        broken,
    )


def load_hq(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str | int] | None = None,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of MUSDB18-HQ; arguments, result and errors as of `load`."""
    other = "musdb18" if _any_split(root, native_stems.stem_files) else "folders"
    found = _split_folders(root, song_folders, "SONG/mixture.wav", other)
    return _open(
        found,
        lambda song: song.name,
        lambda song, split: folders.open_song(song, split, SOURCES, ACCOMPANIMENT),
        songs,
        valid,
        broken,
    )


def _split_folders(
    root: str | os.PathLike, listed: Callable[[Path], list[Path]], expected: str, other: str
) -> dict[Path, str]:
    root = root_folder(root)
    found = {}
    for split in ("train", "test"):
        if (root / split).is_dir():
            found |= dict.fromkeys(listed(root / split), split)
    if not found:
        whose = "its songs are for" if other.startswith("musdb") else "for songs of your own use"
        raise ValueError(
            f"{root}: no songs; expected train/{expected} and test/{expected} in it "
            f"({whose} the dataset {other!r})"
        )
    return found


def _any_split(root: str | os.PathLike, listed: Callable[[Path], list[Path]]) -> bool:
    """Whether there are songs of the other edition in the folders of the splits."""
    folders_of = [root_folder(root) / split for split in ("train", "test")]
    return any(folder.is_dir() and listed(folder) for folder in folders_of)


def _open(
    found: dict[Path, str],
    name: Callable[[Path], str],
    opening: Callable[[Path, str], Track],
    songs: Sequence[str] | None,
    valid: Sequence[str | int] | None,
    broken: list[str] | None,
) -> list[Track]:
    train = sorted(name(song) for song, split in found.items() if split == "train")
    held_out = VALIDATION if valid is None else _chosen(train, valid)
    return open_chosen(
        (
            (
                name(song),
                "valid" if split == "train" and name(song) in held_out else split,
                partial(opening, song),
            )
            for song, split in found.items()
        ),
        songs=songs,
        broken=broken,
    )


def _chosen(train: Sequence[str], valid: Sequence[str | int]) -> set[str]:
    """Names of songs that are given by name or by number (ValueError for one not there)."""
    names = set()
    for song in valid:
        if isinstance(song, int) and 0 <= song < len(train):
            names.add(train[song])
        elif song in train:
            names.add(song)
        else:
            raise ValueError(
                f"valid: {song!r}: expected a song of the train folder or a number from 0 to "
                f"{len(train) - 1}"
            )
    return names
