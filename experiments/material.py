"""Songs for a run: what it trains on, what it is validated with, and what tests it."""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import datasets
from common import shell
from common.files import locked
from datasets.activity_lists import listed
from datasets.augment import Augmentation
from datasets.pools import check_recordings
from datasets.prepare import prepare
from datasets.roles import deal
from datasets.sampling import PairedExcerpts
from datasets.track import Track, read_sources
from datasets.unpaired import UnpairedExcerpts, usual_levels
from dssgan.assembly import Material, Together, excerpt_samples
from dssgan.config import Config, Dataset
from dssgan.consistency import REFINEMENTS
from dssgan.typed import nearest, to_dict
from evaluation import metrics

METRICS = {"si_sdr": metrics.si_sdr, "sdr": metrics.sdr, "usdr": metrics.usdr}
TRAINING, CALIBRATION = 0, 1  # streams of excerpts
Say = Callable[[str], None]
STREAMS = {"self_training": (2, 3), "adversarial": (4, 5)}  # paired and unpaired


def entries(config: Config) -> list[tuple[str, Dataset]]:
    """(dotted key, dataset) of every dataset of paired songs of a configuration."""
    also = [(f"data.also[{place}]", entry) for place, entry in enumerate(config.data.also)]
    return [("data", config.data), *also]


def unpaired_entries(config: Config) -> list[tuple[str, Dataset]]:
    """(dotted key, dataset) of unpaired mixtures and solo recordings, where a phase uses them."""
    if not set(config.phases) & set(REFINEMENTS):
        return []
    return [
        (f"unpaired.{kind}[{place}]", entry)
        for kind in ("mixtures", "solos")
        for place, entry in enumerate(getattr(config.unpaired, kind))
    ]


def augmentation(config: Config) -> Augmentation:
    """How excerpts are varied."""
    values = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in to_dict(config.data.augmentation).items()
    }
    try:
        return Augmentation(**values)
    except ValueError as error:
        raise ValueError(f"data.augmentation: {error}") from error


def for_training(config: Config, model: Any, say: Say = print) -> Material:
    """Prepare the songs at the model's rate and cut excerpts from them.

    Args:
      say: prints a line on every unpaired list.

    Raises:
      ValueError: a list of songs that no excerpts can be drawn from.
    """
    training, weights, validation = [], [], []
    for where, entry in entries(config):
        train, valid = prepared(config, where, entry, model.sample_rate)
        total = sum(track.samples for track in train)
        training += train
        weights += [entry.weight * track.samples / total for track in train]
        validation += valid
    if not training:
        raise ValueError("data: no songs to train on; name some with data.train=[…]")

    def excerpts(stream: int) -> PairedExcerpts:
        return PairedExcerpts(
            training,
            config.sources,
            samples=excerpt_samples(config, model),
            batch_size=config.data.batch,
            channels=config.data.channels,
            seed=config.seed,
            augmentation=augmentation(config),
            stream=stream,
            weights=weights,
        )

    @functools.cache
    def lists() -> dict[str, list[Track]]:
        return unpaired_lists(config, model, training, say)

    @functools.cache
    def refinement(phase: str) -> Together:
        paired, free = STREAMS[phase]
        return Together(excerpts(paired), unpaired_excerpts(config, model, training, lists(), free))

    metric = METRICS.get(config.validation.metric)
    if metric is not None and not validation:
        raise ValueError(
            "data: no songs to validate with; name some with data.valid=[…], or keep the last "
            "weights with validation.metric=none"
        )
    if config.validation.songs:
        validation = validation[: config.validation.songs]
    songs = [PairedSong(track, config.sources) for track in validation]
    for phase in STREAMS:
        if phase in config.phases:  # what is wrong with its lists is told before any training
            refinement(phase)
    return Material(excerpts(TRAINING), excerpts(CALIBRATION), songs, metric, refinement)


def unpaired_lists(
    config: Config, model: Any, paired: Sequence[Track], say: Say
) -> dict[str, list[Track]]:
    """The recordings of "mixtures" and of each source.

    Where the configuration names no mixtures, or no solo recordings of a source, the paired songs
    give them: drawn apart from one another they are unpaired as well.
    """
    found: dict[str, list[Track]] = {}
    for where, entry in unpaired_entries(config):
        kind = "mixtures" if where.startswith("unpaired.mixtures") else entry.source
        tracks = prepared(config, where, entry, model.sample_rate, mixture=kind == "mixtures")[0]
        if not tracks:
            raise ValueError(
                f"{where}: no songs for training in {entry.root or entry.name}; name some with "
                f"{where}.train=[…], or take the entry out"
            )
        check_recordings(where, tracks, kind, None if kind == "mixtures" else config.sources)
        say(described(where, tracks, config, model))
        found.setdefault(kind, []).extend(tracks)
    for kind in ("mixtures", *config.sources):
        if kind not in found:
            what = "mixtures" if kind == "mixtures" else f"solos of {kind}"
            say(f"unpaired: no {what} named; they come from the {len(paired)} paired songs")
            found[kind] = list(paired)
    return found


def described(where: str, tracks: Sequence[Track], config: Config, model: Any) -> str:
    """A line on a list of recordings: how much it is, and what becomes of short ones."""
    minutes = sum(track.duration for track in tracks) / 60.0
    parts = [f"{where}: {len(tracks)} recordings, {minutes:.1f} min"]
    if len(tracks) < config.data.batch:
        parts.append(f"fewer than a batch of {config.data.batch}: batches repeat them")
    short = sum(track.samples < excerpt_samples(config, model) for track in tracks)
    if short:
        ways = {"loop": "looped (unpaired.short=pad sets them in silence)"}
        ways["pad"] = "set in silence (unpaired.short=loop repeats them)"
        parts.append(f"{short} shorter than an excerpt: {ways[config.unpaired.short]}")
    return "; ".join(parts)


def unpaired_excerpts(
    config: Config,
    model: Any,
    paired: Sequence[Track],
    lists: Mapping[str, Sequence[Track]],
    stream: int,
) -> UnpairedExcerpts:
    """Excerpts of the recordings that `unpaired_lists` found."""
    unpaired, normalise = config.unpaired, config.data.augmentation.normalise
    return UnpairedExcerpts(
        lists["mixtures"],
        {source: lists[source] for source in config.sources},
        samples=excerpt_samples(config, model),
        batch_size=config.data.batch,
        channels=config.data.channels,
        seed=config.seed,
        stream=stream,
        gain=unpaired.gain,
        swap=config.data.augmentation.swap,
        polarity=unpaired.polarity,
        normalise=normalise,
        short=unpaired.short,
        active_share=unpaired.active_share,
        levels=usual_levels(paired, config.sources) if normalise == "track" else None,
        sources=config.sources,
        intervals=listed if unpaired.active_only else None,
    )


class PairedSong:
    """A whole song with the sources of a configuration."""

    def __init__(self, track: Track, sources: Sequence[str]):
        self.name, self.sample_rate = track.name, track.sample_rate
        self._track, self._sources = track, tuple(sources)

    def references(self) -> np.ndarray:
        """float32 (sources, samples, channels)."""
        return read_sources(self._track, self._sources)


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
    found = datasets.load(entry.name, entry.root, **entry.options)
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
        with one_after_the_other(folder):
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
