"""Songs for a run: what it trains on, what it is validated with, and what tests it."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effects import FAMILIES, Effects
from datasets.excerpts.joined import PairedAndUnpaired
from datasets.excerpts.paired import PairedExcerpts
from datasets.sources import read_sources
from datasets.track import Track
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config
from dssgan.training.data import TrainingData
from evaluation.metrics import ratios
from experiments.songs.caches import prepared
from experiments.songs.entries import Log, entries, remarks, unpaired_entries
from experiments.songs.unpaired import excerpt_shape, unpaired_excerpts, unpaired_lists

METRICS = {"si_sdr": ratios.si_sdr, "sdr": ratios.sdr, "usdr": ratios.usdr}
TRAINING, CALIBRATION = 0, 1  # streams of excerpts
STREAMS = {"self_training": (2, 3), "adversarial": (4, 5)}  # paired and unpaired


def augmentation(config: Config) -> Augmentation:
    """How excerpts are varied."""
    values = _tuples(to_dict(config.data.augmentation))
    families = {name: _tuples(values.pop(name)) for name in FAMILIES}
    silence = values.pop("silence")
    try:
        chosen = {name: kind(**families[name]) for name, kind in FAMILIES.items()}
        return Augmentation(**values, effects=Effects(**chosen, silence=silence))
    except ValueError as error:
        raise ValueError(f"data.augmentation: {error}") from error


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }


def load_training_data(
    config: Config, sample_rate: int, samples: int, log: Log = print
) -> TrainingData:
    """Prepare the songs of a configuration and cut excerpts from them.

    Args:
      sample_rate: of the model, in Hz.
      samples: of an excerpt at that rate.
      log: prints a line on what songs lack, and on every unpaired list.

    Raises:
      ValueError: a list of songs that no excerpts can be drawn from.
    """
    training, weights, validation = [], [], []
    for where, entry in entries(config):
        train, valid = prepared(config, where, entry, sample_rate)
        for line in remarks(where, [*train, *valid], config.sources):
            log(line)
        total = sum(track.samples for track in train)
        training += train
        weights += [entry.weight * track.samples / total for track in train]
        validation += valid
    if not training:
        raise ValueError("data: no songs to train on; name some with data.train=[…]")

    def excerpts(stream: int) -> PairedExcerpts:
        return PairedExcerpts(
            training,
            excerpt_shape(config, samples),
            augmentation(config),
            seed=config.seed,
            stream=stream,
            weights=weights,
        )

    @functools.cache
    def lists() -> dict[str, list[Track]]:
        return unpaired_lists(config, sample_rate, samples, training, log)

    @functools.cache
    def refinement(phase: str) -> PairedAndUnpaired:
        paired, free = STREAMS[phase]
        effects = augmentation(config).effects
        others = unpaired_excerpts(config, samples, training, lists(), free, effects)
        return PairedAndUnpaired(excerpts(paired), others)

    metric = METRICS.get(config.validation.metric)
    estimated = config.validation.references == "estimates" and metric is not None
    held = held_back_songs(config, sample_rate) if estimated else []
    held = held[: config.validation.songs or None]
    if metric is not None and not validation and not estimated:
        raise ValueError(
            "data: no songs to validate with; name some with data.valid=[…], or keep the last "
            "weights with validation.metric=none"
        )
    if config.validation.songs:
        validation = validation[: config.validation.songs]
    songs = [] if estimated else [PairedSong(track, config.sources) for track in validation]
    for phase in STREAMS:
        if phase in config.phases:  # faults of its lists are reported before any training
            refinement(phase)
    return TrainingData(excerpts(TRAINING), excerpts(CALIBRATION), songs, metric, refinement, held)


def held_back_songs(config: Config, sample_rate: int) -> list["UnpairedSong"]:
    """The songs of unpaired.mixtures that are held back, at a rate; ValueError where none are."""
    found = []
    for where, entry in unpaired_entries(config):
        if where.startswith("unpaired.mixtures"):
            tracks = prepared(config, where, entry, sample_rate, mixture=True)[1]
            found += [UnpairedSong(track) for track in tracks]
    if not found:
        raise ValueError(
            "unpaired.mixtures: no songs are held back for validation; name some with "
            "unpaired.mixtures.0.valid=[…] or unpaired.mixtures.0.shares={all: [3, 1]}"
        )
    return found[: config.validation.songs or None]


class UnpairedSong:
    """A whole song without stems."""

    def __init__(self, track: Track):
        self.name, self.sample_rate, self._track = track.name, track.sample_rate, track

    def mixture(self) -> np.ndarray:
        """float32 (samples, channels)."""
        return self._track.read("mixture")


class PairedSong:
    """A whole song with the sources of a configuration."""

    def __init__(self, track: Track, sources: Sequence[str]):
        self.name, self.sample_rate = track.name, track.sample_rate
        self._track, self._sources = track, tuple(sources)

    def references(self) -> np.ndarray:
        """float32 (sources, samples, channels)."""
        return read_sources(self._track, self._sources)
