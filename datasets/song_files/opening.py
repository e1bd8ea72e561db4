"""Choosing and opening the songs of a folder."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from common.audio_files import is_audio, is_hidden
from common.cli import one_line
from common.suggest import nearest
from datasets.track import SPLITS, Track


def open_chosen(
    found: Iterable[tuple[str, str, Callable[..., Track]]],
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    broken: list[str] | None = None,
) -> list[Track]:
    """Open the songs that are asked for, in the splits that are asked for.

    Args:
      found: (name, split, opening) of every song there is; `opening(split=…)` opens it.
      songs, valid, test: names, see `assign`.
      broken: see `open_songs`.

    Raises:
      ValueError: as of `assign` and `open_songs`; OSError, ValueError: what an opening raises.
    """
    found = list(found)
    kept, moved = assign((name for name, _, _ in found), songs=songs, valid=valid, test=test)
    openings = (
        partial(opening, split=moved.get(name, split))
        for name, split, opening in found
        if name in kept
    )
    return open_songs(openings, broken)


def open_songs(openings: Iterable[Callable[[], Track]], broken: list[str] | None) -> list[Track]:
    """Open songs one by one, sorted by split and name.

    Args:
      openings: functions that open one song each.
      broken: None: the first song that cannot be read is an error. A list: what is wrong with such
        songs is put into it, one line each, and the others are returned.

    Raises:
      ValueError: two songs of one name, which may mean that a song is both trained and tested on.
    """
    tracks: dict[str, Track] = {}
    for opening in openings:
        try:
            track = opening()
        except (OSError, ValueError) as error:
            if broken is None:
                raise
            broken.append(one_line(error))
            continue
        if track.name in tracks:
            splits = f"{tracks[track.name].split} and {track.split}"
            raise ValueError(f"two songs are called {track.name!r} (in {splits}); rename one")
        tracks[track.name] = track
    return sorted(tracks.values(), key=lambda track: (SPLITS.index(track.split), track.name))


def assign(
    names: Iterable[str],
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
) -> tuple[set[str], dict[str, str]]:
    """Check a choice of songs against the songs there are.

    Args:
      names: of all songs.
      songs: the ones to keep; None keeps all.
      valid, test: the ones to move to these splits.

    Returns:
      The names to keep, and name → split for those that move.

    Raises:
      ValueError: a name that is not there, or that is to be in two splits.
    """
    names = set(names)
    for name in (*(songs or ()), *valid, *test):
        if name not in names:
            hint = nearest(name, names, show=repr, cutoff=0.3)
            raise ValueError(f"there is no song {name!r}{hint}")
    both = sorted(set(valid) & set(test))
    if both:
        raise ValueError(f"song {both[0]!r} cannot be both in valid and in test")
    moved = dict.fromkeys(valid, "valid") | dict.fromkeys(test, "test")
    return (names if songs is None else set(songs)), moved


def root_folder(root: str | os.PathLike | None) -> Path:
    """The dataset's folder.

    Raises:
      ValueError: none was given. FileNotFoundError, NotADirectoryError: it is not there.
    """
    if root is None or os.fspath(root) == "":
        raise ValueError("needs the path of its folder")
    root = Path(root).expanduser()
    with os.scandir(root):
        return root


def song_folders(folder: Path, stems: Sequence[str] = ()) -> list[Path]:
    """The folders with audio files in a folder, sorted, but no hidden ones and no system's own.

    Args:
      folder: where they lie.
      stems: a file of one of these names makes a song as well, whatever its extension: opening it
        then says what is wrong.
    """
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir()
        and not is_hidden(entry.name)
        and any(is_audio(file) or file.stem.lower() in stems for file in entry.iterdir())
    )
