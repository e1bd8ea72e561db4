"""Songs for a run: what it trains on, what it is validated with, and what tests it."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from datasets.activity_lists import listed
from datasets.augment import Augmentation
from datasets.pools import check_recordings
from datasets.sampling import PairedExcerpts
from datasets.track import Track, read_sources
from datasets.unpaired import UnpairedExcerpts, usual_levels
from dssgan.assembly import Material, Together, excerpt_samples
from dssgan.config import Config, Dataset
from dssgan.consistency import REFINEMENTS
from dssgan.typed import to_dict
from evaluation import metrics
from experiments.song_caches import prepared

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
        named = None if kind == "mixtures" else config.sources
        silent = check_recordings(where, tracks, kind, named)
        say(described(where, tracks, silent, config, model))
        found.setdefault(kind, []).extend(tracks)
    for kind in ("mixtures", *config.sources):
        if kind not in found:
            what = "mixtures" if kind == "mixtures" else f"solos of {kind}"
            say(f"unpaired: no {what} named; they come from the {len(paired)} paired songs")
            found[kind] = list(paired)
    return found


def described(
    where: str, tracks: Sequence[Track], silent: Sequence[str], config: Config, model: Any
) -> str:
    """A line on a list of recordings: how much it is, and what becomes of those that differ."""
    minutes = sum(track.duration for track in tracks) / 60.0
    parts = [f"{where}: {len(tracks)} recordings, {minutes:.1f} min"]
    if len(tracks) < config.data.batch:
        parts.append(f"fewer than a batch of {config.data.batch}: batches repeat them")
    short = sum(track.samples < excerpt_samples(config, model) for track in tracks)
    if short:
        ways = {"loop": "looped (unpaired.short=pad sets them in silence)"}
        ways["pad"] = "set in silence (unpaired.short=loop repeats them)"
        parts.append(f"{short} shorter than an excerpt: {ways[config.unpaired.short]}")
    rates = Counter(track.original_rate for track in tracks)
    if len(rates) > 1:
        counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
        parts.append(f"{counts}, resampled to {model.sample_rate}")
    mono = sum(track.channels == 1 for track in tracks)
    if 0 < mono < len(tracks):
        ways = {1: "left or right is heard of these", 2: "mono is heard on both sides"}
        stereo = len(tracks) - mono
        parts.append(f"{mono} mono, {stereo} stereo: {ways[config.data.channels]}")
    if silent:
        parts.append(f"{len(silent)} silent, such as {silent[0]}")
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
