"""iKala (`Wavfile/SONG.wav`): 252 clips of 30 s, the accompaniment left, the voice right.

Chan et al.: Vocal activity informed singing voice separation with the iKala dataset, ICASSP 2015.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from datasets.audio.reading import is_audio
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder
from datasets.song_files.stem_file import StemFile
from datasets.track import Track

STEMS = ("vocals", "accompaniment")
CHANNELS = {"accompaniment": 0, "vocals": 1}


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the clips of iKala.

    Args:
      root: the folder with Wavfile in it, or Wavfile itself.
      songs: names of the clips to keep, such as "10161_chorus"; None keeps all.
      valid, test: names of clips to put into these splits; the rest is train.
      broken: None, or a list that gathers what is wrong with clips that cannot be read.

    Returns:
      Tracks sorted by split and name, 44.1 kHz mono, of two stems: "vocals" and "accompaniment".
      The mixture is their sum, as MIREX has it, and may exceed full scale. (DeepConvSep takes half
      of it.)

    Raises:
      OSError, ValueError: no such folder, no clips in it, a clip that cannot be read or is mono.
    """
    root = root_folder(root)
    folder = root / "Wavfile" if (root / "Wavfile").is_dir() else root
    found = sorted(file for file in folder.iterdir() if file.is_file() and is_audio(file))
    if not found:
        raise ValueError(f"{root}: no clips; expected Wavfile/10161_chorus.wav and the like in it")
    return open_chosen(
        ((file.stem, "train", partial(_open_song, file)) for file in found),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def _open_song(file: Path, split: str) -> FileTrack:
    stem_files = {stem: StemFile(str(file), channel=CHANNELS[stem]) for stem in STEMS}
    return FileTrack(file.stem, split, stem_files, standard=STEMS)
