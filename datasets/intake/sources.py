"""Folders and zip files of contributed multitracks, and the songs in them.

A song is a folder with audio files. Folders that hold its parts ("Drums", "Stems") belong to it; a
song.yaml or song.json makes its folder a song with everything below it. Zip files in a folder are
sources of their own.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.audio_files import files_below, is_audio, is_hidden
from common.cli import one_line
from common.digests import facts_digest
from datasets.intake import terms
from datasets.intake.naming import is_part
from datasets.intake.stores import Archive, Folder, Store
from datasets.song_files import metadata

ZIP = ".zip"
LARGEST = 2**21  # bytes of a song.yaml


@dataclass(frozen=True)
class Contribution:
    """A contributed song that was not heard yet.

    Attributes:
      name: of its folder, or of the source where it is the only song in it.
      label: where it comes from, for reports: source's name, and the folder in it.
      store: the source.
      prefix: of the paths in it, "" or with / at its end.
      files: paths of its audio below the prefix, sorted.
      terms_file: path of its song.yaml in the source, "" where there is none.
      state: a digest of names, sizes and states of its files.
      bytes: of its audio files.
    """

    name: str
    label: str
    store: Store
    prefix: str
    files: tuple[str, ...]
    terms_file: str
    state: str
    bytes: int

    def said(self) -> dict:
        """What its song.yaml or song.json says; empty where there is none.

        Raises:
          ValueError, OSError: it cannot be read.
        """
        if not self.terms_file:
            return {}
        data = self.store.read(self.terms_file, LARGEST)
        where = f"its {PurePosixPath(self.terms_file).name}"
        return metadata.parse(data, where, Path(self.terms_file).suffix)


@dataclass(frozen=True)
class Refused:
    """A song, or a whole source, that is not taken.

    Attributes:
      name, label: as of `Contribution`.
      reasons: one line each.
    """

    name: str
    label: str
    reasons: tuple[str, ...]


def contributions(
    paths: Sequence[str | os.PathLike],
) -> tuple[list[Contribution], list[Refused]]:
    """List the songs in sources, and the sources that cannot be read.

    Args:
      paths: folders and zip files.

    Raises:
      OSError: a path that is not there. ValueError: one that is neither.
    """
    songs, refused = [], []
    for store in _stores(paths):
        try:
            found = songs_in(store)
        except (OSError, ValueError) as error:
            refused.append(Refused(_name(store), store.path.name, (one_line(error),)))
            continue
        if not found:
            refused.append(Refused(_name(store), store.path.name, ("no audio files are in it",)))
        songs += found
    return songs, refused


def _stores(paths: Iterable[str | os.PathLike]) -> Iterable[Store]:
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = sorted(files_below(path))
            zips = [file for file in files if file.name.lower().endswith(ZIP)]
            if not zips or any(map(is_audio, files)):
                yield Folder(path)
            yield from map(Archive, zips)
        elif path.name.lower().endswith(ZIP) and path.is_file():
            yield Archive(path)
        elif not path.exists():
            raise FileNotFoundError(2, os.strerror(2), str(path))
        else:
            raise ValueError(f"{path}: expected a folder or a {ZIP} file of multitracks")


def songs_in(store: Store) -> list[Contribution]:
    """The songs of one source, sorted; errors as of its `listing`."""
    listed = [
        (path, size, state)
        for path, size, state in store.listing()
        if not any(map(is_hidden, PurePosixPath(path).parts))
    ]
    said = {}
    for path, _, _ in listed:
        if PurePosixPath(path).name.lower() in terms.FILES:
            said.setdefault(_folder(path), path)
    groups: dict[str, list[tuple[str, int, str]]] = {}
    for path, size, state in listed:
        if is_audio(path):
            groups.setdefault(_song_folder(path, said), []).append((path, size, state))
    songs = []
    for folder, files in sorted(groups.items()):
        prefix = f"{folder}/" if folder else ""
        facts = [*files, *(one for one in listed if one[0] == said.get(folder))]
        songs.append(
            Contribution(
                name=PurePosixPath(folder).name if folder else _name(store),
                label=f"{store.path.name}/{folder}" if folder else store.path.name,
                store=store,
                prefix=prefix,
                files=tuple(sorted(path.removeprefix(prefix) for path, _, _ in files)),
                terms_file=said.get(folder, ""),
                state=facts_digest(sorted((path, facts) for path, _, facts in facts)),
                bytes=sum(size for _, size, _ in files),
            )
        )
    return songs


def _song_folder(path: str, said: dict[str, str]) -> str:
    """The folder of the song that a file belongs to."""
    folder = _folder(path)
    above = [folder, *(str(one) for one in PurePosixPath(folder).parents)] if folder else [""]
    above = ["" if one == "." else one for one in above]
    for one in reversed(above):
        if one in said:
            return one
    for one in above:
        if not one or not is_part(PurePosixPath(one).name):
            return one
    return ""


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def _name(store: Store) -> str:
    path = store.path.absolute()
    return path.stem if isinstance(store, Archive) else path.name
