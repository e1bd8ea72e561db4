"""Bach10: ten chorales of four parts, one file per instrument, in two layouts.

    [Sources/]PIECE/PIECE-{bassoon,clarinet,saxphone,violin}.wav          the recordings
    [Source separation/]PIECE/PIECE_CASE_{bassoon,clarinet,saxophone,violin}.wav    renderings

Duan, Pardo, Zhang: Multiple fundamental frequency estimation by modeling spectral peaks and
non-peak regions, IEEE TASLP 18, 2010. Renderings (cases gt, fast, slow, original): Miron, Janer,
Gómez: Generating data to train convolutional neural networks for classical music source
separation, SMC 2017, doi:10.5281/zenodo.321361. The recordings spell saxophone without its o.
"""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from datasets.audio.reading import is_audio
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder, song_folders
from datasets.song_files.stem_file import StemFile
from datasets.track import Track

STEMS = ("bassoon", "clarinet", "saxophone", "violin")
CASES = ("gt", "fast", "slow", "original")
SPELLINGS = {"saxphone": "saxophone"}
_FILE = re.compile(rf"(?P<song>.+)[-_](?P<stem>{'|'.join((*STEMS, *SPELLINGS))})")


def load(
    root: str | os.PathLike,
    *,
    cases: Sequence[str] | None = None,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """List the pieces of Bach10.

    Args:
      root: the folder with Sources, with "Source separation", or with the pieces in it.
      cases: of renderings, which ones, of `CASES`; None keeps all.
      songs: names to keep, such as "01-AchGottundHerr" or "01-AchGottundHerr_gt"; None keeps all.
      valid, test: names to put into these splits; the rest is train.
      broken: None, or a list that gathers what is wrong with pieces that cannot be read.

    Returns:
      Tracks sorted by split and name, of the stems `STEMS`. The mixture is PIECE.wav where it is
      there, else their sum. All tracks of one piece are one composition: they play the same notes.

    Raises:
      OSError, ValueError: no such folder, no pieces in it, a piece that cannot be read or lacks an
        instrument.
    """
    root = root_folder(root)
    for case in cases or ():
        if case not in CASES:
            raise ValueError(f"cases: unknown case {case!r}, expected some of {', '.join(CASES)}")
    places = [root / name for name in ("Sources", "Source separation") if (root / name).is_dir()]
    found = {}
    for folder in (folder for place in places or [root] for folder in song_folders(place)):
        for name, files in _songs(folder).items():
            if cases is None or name.endswith(tuple(f"_{case}" for case in cases)):
                found[folder, name] = files
    if not found:
        raise ValueError(
            f"{root}: no pieces; expected PIECE/PIECE-{{bassoon,clarinet,saxphone,violin}}.wav "
            "or PIECE/PIECE_gt_{bassoon,…}.wav in it, in Sources or in Source separation"
        )
    return open_chosen(
        (
            (name, "train", partial(_open_song, folder, name, files=files))
            for (folder, name), files in found.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def _songs(folder: Path) -> dict[str, dict[str, Path]]:
    """Name of a piece or of a rendering of it → instrument → file."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.iterdir()):
        match = _FILE.fullmatch(file.stem) if is_audio(file) else None
        if match:
            stem = SPELLINGS.get(match["stem"], match["stem"])
            found.setdefault(match["song"], {})[stem] = file
    return found


def _open_song(folder: Path, name: str, split: str, files: dict[str, Path]) -> FileTrack:
    missing = [stem for stem in STEMS if stem not in files]
    if missing:
        raise ValueError(
            f"{folder}: no {missing[0]} of {name}, only {', '.join(files)}; fetch the piece again"
        )
    stem_files = {stem: StemFile(str(file)) for stem, file in files.items()}
    mixture = next(iter(files.values())).with_stem(name)
    if mixture.is_file():
        stem_files["mixture"] = StemFile(str(mixture))
    track = FileTrack(name, split, stem_files, standard=STEMS)
    track.composition = f"Bach10 {folder.name}"
    return track
