"""The songs of one entry of a configuration: chosen by name, split or share, decoded once."""

import contextlib
import json
from pathlib import Path

import datasets
from common import cli
from common.digests import content_digest
from common.files import locked
from datasets.cache.prepare import CacheContents, LoadedSongs, prepare
from datasets.track import Track
from dssgan.config.data import Dataset
from dssgan.config.schema import Config
from experiments.songs.entries import name_unreadable, readable, select


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
        with one_after_the_other(folder), name_unreadable(where):
            songs = datasets.load_readable(entry.name, entry.root, split, **entry.options)
            prepare(
                LoadedSongs(entry.name, *songs),
                folder,
                CacheContents(rates=[rate], mixture=mixture),
                workers=config.data.workers,
                prune=True,
                watch=lambda results, total: cli.progress(
                    results, total=total, desc=f"preparing {entry.name}", unit="song"
                ),
            )
        tracks = datasets.load("cache", folder, sample_rate=rate)
        cached |= {track.name: track for track in tracks}
    train, valid = ([cached[name] for name in part] for part in names)
    return train, valid


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
    digest = content_digest(identity)[:8]
    part = (f"-{split}" if split else "") + ("-mixtures" if mixture else "")
    return Path(config.data.cache).expanduser() / f"{entry.name}-{digest}{part}"
