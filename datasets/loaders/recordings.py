"""Recordings of any kind below a folder: songs without stems, or solo recordings of one source.

    root/…/anything.{wav,flac,ogg,mp3,m4a,…}
    root/{train,valid,test}/…/anything.wav

Without `stem`, every file is a song of which the mixture alone is known; with `stem="drums"`, every
file is a recording of drums and of nothing else. Unpaired training needs both.
"""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.audio_files import files_below, is_audio
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder
from datasets.song_files.stem_file import StemFile
from datasets.track import SPLITS, Track


def load(
    root: str | os.PathLike,
    *,
    stem: str | None = None,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the recordings below a folder, however deep they lie.

    Args:
      root: a folder, a folder with train, valid and test folders, or one file.
      stem: None, and the recordings are mixtures; or the name of the one source that they hold.
      songs: names of the recordings to keep (paths below the folder without suffix); None keeps
        all. Two files that differ in their suffix alone keep it in their names.
      valid, test: names of recordings to put into these splits; without split folders the rest is
        train.
      broken: None, or a list that gathers what is wrong with files that cannot be read. Such files
        are left out either way; without a list a Python warning names each.

    Returns:
      Tracks sorted by split and name, each with the rate and channels of its file (rates differ;
      `datasets.cache.prepare` brings them to one).

    Raises:
      OSError: no such folder.
      ValueError: no audio files in it, or none that can be read; a bad name of a stem.
    """
    if stem is not None and (not str(stem).strip() or stem == "mixture"):
        raise ValueError(
            f"stem={stem!r}: expected the name of a source such as drums, or none for mixtures"
        )
    if root is not None and Path(root).expanduser().is_file():
        file = Path(root).expanduser()
        found = {file: (file.stem, "train")}
    else:
        root = root_folder(root)
        splits = [root / split for split in SPLITS if (root / split).is_dir()]
        found = _named(root, "train") if not splits else {}
        for folder in splits:
            found |= _named(folder, folder.name)
    if not found:
        raise ValueError(
            f"{root}: no recordings; expected audio files (.wav, .flac, .ogg, .mp3, .m4a, …) in it "
            "or in its folders"
        )
    faults: list[str] = []
    tracks = open_chosen(
        (
            (name, split, partial(open_recording, file, name, stem=stem))
            for file, (name, split) in found.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=faults,
    )
    if faults and not tracks:
        raise ValueError(
            f"{root}: none of its {len(faults)} recordings can be read, the first: {faults[0]}"
        )
    if broken is not None:
        broken += faults
    else:
        for fault in faults:
            warnings.warn(f"left out, it cannot be read: {fault}", stacklevel=2)
    return tracks


def open_recording(
    file: str | os.PathLike, name: str, split: str, stem: str | None = None
) -> FileTrack:
    """Open one file as a song without stems, or as a solo recording of `stem`.

    Raises:
      OSError, ValueError: as of `FileTrack`.
    """
    standard = () if stem is None else (stem,)
    return FileTrack(name, split, {stem or "mixture": StemFile(os.fspath(file))}, standard=standard)


def _named(folder: Path, split: str) -> dict[Path, tuple[str, str]]:
    """The audio files below a folder: file → (name, split), sorted."""
    files = _audio_files(folder)
    names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    count = Counter(names)
    return {
        file: (name if count[name] == 1 else file.relative_to(folder).as_posix(), split)
        for file, name in zip(files, names)
    }


def _audio_files(folder: Path) -> list[Path]:
    """All audio files below a folder, sorted; no hidden ones, and each linked folder once."""
    return sorted(file for file in files_below(folder) if is_audio(file))
