"""ccMixter (`SONG/{mix,source-01,source-02}.wav`): 50 songs, accompaniment and voice.

Liutkus, Fitzgerald, Rafii, Pardo, Daudet: Kernel additive models for source separation, IEEE
Transactions on Signal Processing 62, 2014.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder, song_folders
from datasets.song_files.stem_file import StemFile
from datasets.track import Track

STEMS = ("vocals", "accompaniment")
FILES = {"accompaniment": "source-01.wav", "vocals": "source-02.wav"}


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of ccMixter.

    Args:
      root: the folder with the folders of songs in it.
      songs: names of the songs to keep (the names of their folders); None keeps all.
      valid, test: names of songs to put into these splits; the rest is train.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name, of two stems: "vocals" and "accompaniment". The mixture is
      mix.wav where it is there, else their sum.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read or lacks one
        of its two sources.
    """
    root = root_folder(root)
    found = [song for song in song_folders(root) if any(song.glob("source-0[12].wav"))]
    if not found:
        raise ValueError(f"{root}: no songs; expected SONG/{{mix,source-01,source-02}}.wav in it")
    return open_chosen(
        ((song.name, "train", partial(_open_song, song)) for song in found),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def _open_song(folder: Path, split: str) -> FileTrack:
    for stem, name in FILES.items():
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: no {name} (the {stem}); fetch the song again")
    stem_files = {stem: StemFile(str(folder / FILES[stem])) for stem in STEMS}
    if (folder / "mix.wav").is_file():
        stem_files["mixture"] = StemFile(str(folder / "mix.wav"))
    return FileTrack(folder.name, split, stem_files, standard=STEMS)
