"""The songs of one entry of a configuration: chosen by name, split or share, decoded once."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
from common import shell
from common.files import locked
from datasets.prepare import Unreadable, prepare
from datasets.roles import deal
from datasets.track import Track
from dssgan.config import Config, Dataset
from dssgan.typed import nearest


def prepared(
    config: Config, where: str, entry: Dataset, rate: int, mixture: bool = False
) -> tuple[list[Track], list[Track]]:
    """Training and validation songs of a dataset, decoded and resampled once.

    A dataset that is a cache already is used as it is; any other gets one in data.cache, with
    mixtures that are not the sum of their stems where `mixture` asks for them.
    """
    if entry.name == "cache":
        tracks = datasets.load("cache", entry.root, **(entry.options | {"sample_rate": rate}))
        return select(tracks, entry, "train", where), select(tracks, entry, "valid", where)
    found = readable(where, entry)
    chosen = [select(found, entry, split, where) for split in ("train", "valid")]
    names = [[track.name for track in tracks] for tracks in chosen]
    if not any(names):
        return [], []
    splits = sorted({track.split for tracks in chosen for track in tracks})
    if "split" in datasets.loader(entry.name).options():  # generated: the number is per split
        splits = [None]
    cached: dict[str, Track] = {}
    for split in splits:
        folder = cache_folder(config, entry, split, mixture)
        with one_after_the_other(folder), unreadable_told(where):
            prepare(
                entry.name,
                entry.root,
                folder,
                rates=[rate],
                workers=config.data.workers,
                split=split,
                mixture=mixture,
                prune=True,
                watch=lambda results, total: shell.progress(
                    results, total=total, desc=f"preparing {entry.name}", unit="song"
                ),
                **entry.options,
            )
        tracks = datasets.load("cache", folder, sample_rate=rate)
        cached |= {track.name: track for track in tracks}
    train, valid = ([cached[name] for name in part] for part in names)
    return train, valid


def readable(where: str, entry: Dataset) -> list[Track]:
    """The songs of a dataset; a file that cannot be read is told by its list, not passed over."""
    found, broken = datasets.load_readable(entry.name, entry.root, **entry.options)
    with unreadable_told(where):
        if broken:
            raise Unreadable(f"{len(broken)} files cannot be read, the first: {broken[0]}")
    return found


@contextlib.contextmanager
def unreadable_told(where: str) -> Iterator[None]:
    """Name the list that a file stands in, and what to do."""
    try:
        yield
    except Unreadable as error:
        raise ValueError(
            f"{where}: {error}; repair them, or take them out of the folder"
        ) from error


def one_after_the_other(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Runs that start together wait for the one that prepares their songs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return locked(
        folder.with_name(f".{folder.name}.lock"),
        wait=lambda: print(f"{folder}: waiting for another run that prepares these songs"),
    )


def cache_folder(config: Config, entry: Dataset, split: str | None, mixture: bool = False) -> Path:
    """Where a dataset's songs are kept; other songs or options go elsewhere."""
    root = str(Path(entry.root).expanduser().resolve()) if entry.root else ""
    identity = json.dumps([root, dict(entry.options)], sort_keys=True, default=str)
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    part = (f"-{split}" if split else "") + ("-mixtures" if mixture else "")
    return Path(config.data.cache).expanduser() / f"{entry.name}-{digest}{part}"


def select(tracks: Sequence[Track], entry: Dataset, split: str, where: str) -> list[Track]:
    """The songs of a split: those that are named, else the dataset's own that are named nowhere.

    Raises:
      ValueError: a song is named that is not there, or named for two splits; shares that cannot be.
    """
    named = {part: getattr(entry, part) for part in ("train", "valid", "test")}
    known = {track.name: track for track in tracks}
    taken: dict[str, str] = {}
    for part, names in named.items():
        for name in names or ():
            if name not in known:
                some = ", ".join(sorted(known)[:8])
                raise ValueError(f"{where}.{part}: no song {name!r}{nearest(name, known)} ({some})")
            if name in taken:
                raise ValueError(f"{where}: {name!r} is in both {taken[name]} and {part}")
            taken[name] = part
    if named[split] is not None:
        chosen = [known[name] for name in named[split]]
    else:
        own = deal(tracks, entry.shares)
        chosen = [t for t in tracks if own[t.name] == split and t.name not in taken]
    if split != "train":
        return chosen
    return chosen[entry.skip :][: entry.first or None]
