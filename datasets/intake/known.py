"""The songs that a contributed one is compared with: test songs, and those that are here."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from common.digests import facts_digest
from common.files import atomic_path
from common.parallel import each
from datasets import DATASETS, load_readable
from datasets.audio.stem_mp4 import EXTENSION
from datasets.intake.fingerprint import Known, fingerprint_of
from datasets.loaders import folders
from datasets.track import Track

BLOCK = 2**18  # samples
LARGEST = 2**22  # frames of a fingerprint: fifteen hours


def songs_of(given: str) -> list[Track]:
    """The songs of PATH or DATASET:PATH: folders of stems, stem files, or recordings of any kind.

    Raises:
      ValueError: one that cannot be read, or none. OSError: nothing is there.
    """
    name, _, path = given.partition(":")
    if name in DATASETS and path and not os.path.exists(given):
        found, broken = load_readable(name, Path(path).expanduser())
    else:
        place = Path(given).expanduser()
        if not place.exists():
            raise FileNotFoundError(2, os.strerror(2), str(place))
        found, broken = _guessed(place)
    if broken:
        raise ValueError(f"{given}: {len(broken)} songs cannot be read, the first: {broken[0]}")
    return found


def _guessed(place: Path) -> tuple[list[Track], list[str]]:
    if place.is_file():
        kind = "stems" if place.name.lower().endswith(EXTENSION) else "recordings"
        return load_readable(kind, place)
    if any(file.name.lower().endswith(EXTENSION) for file in place.iterdir()):
        return load_readable("stems", place)
    try:
        found = load_readable("folders", place)
    except ValueError:
        found = ([], [])
    return found if found[0] else load_readable("recordings", place)


def others_in(out: Path, names: Iterable[str]) -> list[Track]:
    """The songs in a folder that are none of these names: what someone else has put there."""
    names = set(names)
    found = [
        entry
        for entry in sorted(out.iterdir())
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in names
    ]
    tracks = []
    for folder in found:
        if any(folder.glob("*.*")):
            tracks.append(folders.open_song(folder, "train"))
    return tracks


def fingerprints(
    tracks: Sequence[Track],
    folder: Path,
    workers: int,
    watch: Callable[..., Iterable] = lambda results, total: results,
) -> list[tuple[str, Known]]:
    """Names and fingerprints of songs; what was computed before is read from a folder.

    Args:
      tracks: the songs.
      folder: where fingerprints are kept.
      workers: processes.
      watch: wraps what is computed.

    Raises:
      ValueError, OSError: a song that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{facts_digest(track.fingerprint())}.npy" for track in tracks]
    jobs = [(track, str(path)) for track, path in zip(tracks, paths) if read(path) is None]
    for _ in watch(each(_compute, jobs, workers), total=len(jobs)):
        pass
    return [(track.name, Known(read(path))) for track, path in zip(tracks, paths)]


def taken(folder: Path, files: Mapping[str, int], path: Path) -> Known:
    """The fingerprint of a song that was taken in.

    Args:
      folder: of the song.
      files: name → size in bytes, as the manifest has it.
      path: where its fingerprint is kept; it is made again where it is not there.

    Raises:
      ValueError: a file that is not there, or of another size. OSError.
    """
    for name, size in files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            raise ValueError(
                f"{file}: is not as it was taken in; delete the folder {folder}, and the song is "
                "taken in again"
            )
    found = read(path)
    if found is None:
        track = folders.open_song(folder, "train")
        _compute(track, str(path))
        found = read(path)
    return Known(found)


def same_as(heard: Known, others: Iterable[tuple[str, Known]], limit: float, what: str) -> str:
    """Say which of other songs a song is the same as; "" where it is none.

    Args:
      heard: the song.
      others: names and songs.
      limit: share of bits that differ, as of `Limits`.
      what: what the others are called in the message.
    """
    for name, other in others:
        found = other.agreement(heard)
        if found.errors < limit:
            return (
                f"it is the same as {what} {name!r}: {100 * found.errors:.1f} % of the bits of "
                f"their fingerprints differ, at {found.other:.0f} s and {found.at:.0f} s"
            )
    return ""


def _compute(track: Track, path: str) -> None:
    write(Path(path), fingerprint_of(track.blocks("mixture", BLOCK), track.sample_rate))


def write(path: Path, fingerprint: np.ndarray) -> None:
    """Keep a fingerprint in a file, whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, fingerprint, allow_pickle=False)


def read(path: Path) -> np.ndarray | None:
    """A fingerprint that was kept; None where there is none, or none that is whole."""
    try:
        with open(path, "rb") as file:
            found = np.lib.format.read_magic(file) and np.lib.format.read_array_header_1_0(file)
            shape, _, kind = found
            if kind != np.uint32 or len(shape) != 2 or shape[0] != 2 or shape[1] > LARGEST:
                return None
            data = np.frombuffer(file.read(8 * shape[1]), np.uint32)
        return data.reshape(shape)
    except (OSError, ValueError):
        return None
