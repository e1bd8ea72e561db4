"""Native Instruments stem files: any `*.stem.mp4`, or a folder of them."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from datasets.audio import pyav
from datasets.audio.stem_mp4 import EXTENSION, stem_names
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder
from datasets.song_files.stem_file import StemFile
from datasets.track import SOURCES, SPLITS, Track

ALIASES = {"drum": "drums", "vocal": "vocals", "vox": "vocals", "voice": "vocals"}


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    names: Sequence[str] | None = None,
    own_mixture: bool = True,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of a stem file or of a folder of stem files.

    Args:
      root: a file, a folder, or a folder with train, valid and test folders.
      songs: names of the songs to keep (file names without .stem.mp4); None keeps all.
      valid, test: names of songs to put into these splits; without split folders the rest is train.
      names: what tracks 1, 2, … are; None takes the names in the file, and where it has none
        and four stems, the order of MUSDB18: drums, bass, other, vocals.
      own_mixture: read the file's own mixture, which is mastered: not quite the sum of the stems;
        otherwise that sum is the mixture.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name. A file's own names are written small; "Vox" is "vocals".

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read.
    """
    if root is not None and Path(root).expanduser().is_file():
        found = {Path(root).expanduser(): "train"}
    else:
        root = root_folder(root)
        splits = [root / split for split in SPLITS if (root / split).is_dir()]
        found = dict.fromkeys(stem_files(root), "train") if not splits else {}
        for folder in splits:
            found |= dict.fromkeys(stem_files(folder), folder.name)
    if not found:
        raise ValueError(f"{root}: no songs; expected files named SONG{EXTENSION} in it")
    given = {"names": names, "own_mixture": own_mixture}
    return open_chosen(
        (
            (song_name(file), split, partial(open_song, file, **given))
            for file, split in found.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def stem_files(folder: Path) -> list[Path]:
    """The stem files in a folder, sorted, without hidden ones."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.name.lower().endswith(EXTENSION) and not file.name.startswith(".")
    )


def song_name(file: Path) -> str:
    """The file's name without .stem.mp4."""
    name = file.name
    return name[: -len(EXTENSION)] if name.lower().endswith(EXTENSION) else file.stem


def open_song(
    file: Path,
    split: str,
    names: Sequence[str] | None = None,
    sums: dict[str, tuple[str, ...]] | None = None,
    own_mixture: bool = True,
) -> FileTrack:
    """Open one stem file; errors as of `FileTrack`, and ValueError where names do not fit."""
    stems = len(pyav.describe(file)) - 1
    if names is None:
        own = [name.strip().lower() for name in stem_names(file)]
        names = [ALIASES.get(name, name) for name in own]
        if not names and stems == len(SOURCES):
            names = SOURCES
    if stems < 1 or len(names) != stems or len(set(names)) < stems or "mixture" in names:
        raise ValueError(
            f"{file}: holds {stems} stems beside the mixture, named {', '.join(names) or 'not'}; "
            "expected one name for each: give them with the option names"
        )
    stem_files = {stem: StemFile(str(file), track + 1) for track, stem in enumerate(names)}
    if own_mixture:
        stem_files["mixture"] = StemFile(str(file), 0)
    standard = SOURCES if set(names) <= set(SOURCES) else tuple(names)
    return FileTrack(song_name(file), split, stem_files, standard=standard, sums=sums)
