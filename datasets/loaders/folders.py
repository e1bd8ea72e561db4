"""One folder per song, one audio file per stem.

    root/song/{mixture,drums,bass,other,vocals}.{wav,flac,aiff,opus,mp3,m4a,…}
    root/{train,valid,test}/song/…

The mixture is optional (then it is the sum of the stems); a missing stem is silence. A song of two
files, such as drums.wav and accompaniment.wav, is read as such. Every format of
`common.audio_files.AUDIO_EXTENSIONS` is read; a song's warnings name its files that are not used.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.audio_files import AUDIO_EXTENSIONS, is_audio, is_hidden, some
from datasets.song_files.file_track import FileTrack
from datasets.song_files.opening import open_chosen, root_folder, song_folders
from datasets.song_files.stem_file import StemFile
from datasets.track import SOURCES, SPLITS, Track

EXPORTED = "export.json"  # what `python -m datasets export` leaves beside the stems


def load(
    root: str | os.PathLike,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    sources: Sequence[str] = SOURCES,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs of a folder.

    Args:
      root: folder of songs, or of train, valid and test with songs in them, or one song.
      songs: names of the songs to keep (the names of their folders); None keeps all.
      valid, test: names of songs to put into these splits; without split folders the rest is train.
      sources: names of the stems that a song should have.
      broken: None, or a list that gathers what is wrong with songs that cannot be read.

    Returns:
      Tracks sorted by split and name.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a song that cannot be read.
    """
    root = root_folder(root)
    names = ("mixture", *sources, "accompaniment")
    splits = [root / split for split in SPLITS if (root / split).is_dir()]
    if splits:
        found = {song: folder.name for folder in splits for song in song_folders(folder, names)}
    elif any(is_audio(file) for file in root.iterdir()):
        found = {root.resolve(): "train"}
    else:
        found = dict.fromkeys(song_folders(root, names), "train")
    if not found:
        raise ValueError(
            f"{root}: no songs; expected SONG/{{mixture,{','.join(sources)}}}.wav in it "
            "(or .flac, .aiff, .ogg, .opus, .mp3, .m4a and others), or train, valid and test "
            "folders with such songs"
        )
    return open_chosen(
        (
            (song.name, split, partial(open_song, song, sources=sources))
            for song, split in found.items()
        ),
        songs=songs,
        valid=valid,
        test=test,
        broken=broken,
    )


def open_song(
    folder: Path,
    split: str,
    sources: Sequence[str] = SOURCES,
    sums: dict[str, tuple[str, ...]] | None = None,
) -> FileTrack:
    """Open the song in a folder; errors as of `FileTrack`, and ValueError without any stem."""
    files: dict[str, list[Path]] = {}
    unknown = []
    for file in sorted(folder.iterdir()):
        if is_audio(file):
            files.setdefault(file.stem.lower(), []).append(file)
        elif not is_hidden(file.name) and file.name != EXPORTED and not file.is_dir():
            unknown.append(file.name)
    warnings = []
    stem_files = {}
    for stem in ("mixture", *sources, "accompaniment"):
        choice = sorted(files.pop(stem, []), key=_preference)
        if choice:
            stem_files[stem] = StemFile(str(choice[0]))
            warnings += [f"{file.name} is ignored: {choice[0].name} is read" for file in choice[1:]]
    standard = tuple(sources)
    if "accompaniment" in stem_files and "accompaniment" not in sources:
        named = [stem for stem in sources if stem in stem_files]
        if len(named) == 1:  # a song of two stems
            standard = (named[0], "accompaniment")
        else:
            del stem_files["accompaniment"]
            warnings.append("accompaniment is ignored: it is made of the other stems")
    for stem in sorted(files):
        warnings.append(f"{files[stem][0].name} is ignored: not one of {', '.join(sources)}")
    if unknown:
        warnings.append(f"{len(unknown)} files are not used, no audio by name: {some(unknown)}")
    if not stem_files:
        raise ValueError(
            f"{folder}: none of its audio files is a stem; expected names such as "
            f"{', '.join(f'{stem}.wav' for stem in ('mixture', *sources))}"
            f"{f'; no audio by name: {some(unknown)}' if unknown else ''}"
        )
    if stem_files.keys() == {"mixture"}:
        standard = ()  # what it is made of is unknown, not silent
    return FileTrack(
        folder.name, split, stem_files, standard=standard, sums=sums, warnings=warnings
    )


def _preference(file: Path) -> int:
    """Which of several files of one stem is read: the first in this order."""
    return AUDIO_EXTENSIONS.index(file.suffix.lower())
