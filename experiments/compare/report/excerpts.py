"""Excerpts to listen to: the worst, the median and the best song of each run, separated again.

Ten seconds around the place where the reference is loudest, with some seconds on both sides that
are separated too and cut off, so that the separator has what comes before and after.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import startup
from common.cli import one_line, progress
from datasets.sources import read_sources, source_stems
from datasets.track import Track
from experiments.compare.comparison import Comparison
from experiments.compare.curves import Log
from experiments.compare.run import RecordedRun, config_for_separating

SECONDS, BESIDE = 10.0, 4.0
EVERYBODY = 3  # so many runs are played in every song; more of them only in their own
RANKS = ("worst", "median", "best")


@dataclass
class RunEstimate:
    """What one run makes of an excerpt.

    Attributes:
      run: whose.
      ranks: what the song is to it, of `RANKS`; empty where it is another run's.
      score: of the whole song, dB.
      estimate: float32 (samples, channels).
    """

    run: RecordedRun
    ranks: tuple[str, ...]
    score: float
    estimate: np.ndarray


@dataclass
class Excerpt:
    """A song's excerpt and what runs make of it.

    Attributes:
      song, source: whose reference it is.
      start: in seconds.
      mixture, reference: float32 (samples, channels).
      sample_rate: in Hz.
      estimates: of the runs.
    """

    song: str
    source: str
    start: float
    mixture: np.ndarray
    reference: np.ndarray
    sample_rate: int
    estimates: list[RunEstimate] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Mean score of the song, dB: the worst songs come first."""
        scores = [one.score for one in self.estimates if math.isfinite(one.score)]
        return float(np.mean(scores)) if scores else math.inf


@dataclass
class Place:
    """A run's song: where its scores come from."""

    run: RecordedRun
    track: Track
    sources: tuple[str, ...]
    config: Any

    def key(self, source: str) -> tuple:
        """The same for songs that are the same, with the same reference."""
        stems = source_stems(self.track, self.sources)[self.sources.index(source)]
        return self.track.name, self.track.fingerprint(), stems


def ranked(scores: dict[str, float]) -> dict[str, tuple[str, ...]]:
    """{song: its ranks}: the worst, the median and the best; songs without a score have none."""
    order = sorted((score, song) for song, score in scores.items() if math.isfinite(score))
    found: dict[str, tuple[str, ...]] = {}
    if order:
        for rank, place in zip(RANKS, (0, (len(order) - 1) // 2, len(order) - 1)):
            song = order[place][1]
            found[song] = (*found.get(song, ()), rank)
    return found


def excerpts(comparison: Comparison, source: str, log: Log) -> list[Excerpt]:
    """Separate what is to be played; a run whose songs or separator are gone is reported."""
    places: dict[str, dict[str, Place]] = {}
    for run in comparison.runs:
        if run.name in comparison.scores:
            try:
                places[run.name] = tracks(run, source)
            except Exception as error:  # whatever it is, the rest of the report is worth having
                log(f"{run.folder}: nothing to listen to: {one_line(error)}")
    wanted = _wanted(comparison, source, places, log)
    found: dict[tuple, Excerpt] = {}
    separators: dict[str, Any] = {}
    for key, song, run in progress(wanted, desc="excerpts", unit="song"):
        place = places[run.name][song]
        try:
            if run.name not in separators:
                separators[run.name] = None
                separators[run.name] = load(run, place.config)
            if separators[run.name] is None:  # reported already
                continue
            if key not in found:
                found[key] = cut(place, source, song)
            estimate = separated(separators[run.name], place, found[key], source)
        except Exception as error:
            what = f"{song}: " if separators[run.name] is not None else ""
            log(f"{run.folder}: {what}nothing to listen to: {one_line(error)}")
            continue
        scores = comparison.per_song(run, source, comparison.metrics[0])
        ranks = ranked(scores).get(song, ())
        found[key].estimates.append(RunEstimate(run, ranks, scores.get(song, math.nan), estimate))
    for excerpt in found.values():
        excerpt.estimates.sort(key=lambda one: one.run.colour)
    return sorted((e for e in found.values() if e.estimates), key=lambda e: (e.score, e.song))


def _wanted(
    comparison: Comparison, source: str, places: dict[str, dict[str, Place]], log: Log
) -> list[tuple[tuple, str, RecordedRun]]:
    """(song's key, its name, run) of all that is to be separated, run by run."""
    runs = [run for run in comparison.runs if run.name in places]
    keys: dict[tuple, None] = {}
    own = set()
    for run in runs:
        scores = comparison.per_song(run, source, comparison.metrics[0])
        for song in ranked(scores):
            place = places[run.name].get(song)
            if place is None:
                log(f"{run.folder}: {song}: nothing to listen to: the song is no longer there")
                continue
            keys.setdefault(place.key(source))
            own.add((place.key(source), run.name))
    found = []
    for run in runs:
        for song, place in places[run.name].items():
            key = place.key(source)
            if key in keys and (len(runs) <= EVERYBODY or (key, run.name) in own):
                found.append((key, song, run))
    return found


def tracks(run: RecordedRun, source: str) -> dict[str, Place]:
    """The test songs of a run by the names that its scores have.

    Raises:
      ValueError: songs, separator or the source are not there.
      OSError: a file cannot be read.
    """
    with startup.stderr_hidden():
        from evaluation.reports.summary import printable
        from experiments.run.scoring import test_songs

    for name in ("config.json", "separator.weights.h5"):
        if not (run.folder / "separator" / name).is_file():
            raise ValueError(f"no exported separator (no {Path('separator') / name})")
    config = config_for_separating(run.values)
    if source not in config.sources:
        raise ValueError(f"it has no source {source!r}, only {', '.join(config.sources)}")
    return {
        printable(track.name): Place(run, track, config.sources, config)
        for track in test_songs(config)
    }


def load(run: RecordedRun, config: Any) -> Any:
    """The exported separator of a run."""
    with startup.stderr_hidden():
        from dssgan.separator import Separator
        from dssgan.training.build import separation_options

        return Separator.load(run.folder / "separator", **separation_options(config))


def cut(place: Place, source: str, song: str) -> Excerpt:
    """The excerpt in which the reference is loudest."""
    track, rate = place.track, place.track.sample_rate
    index = place.sources.index(source)
    reference = read_sources(track, place.sources)[index]
    start = loudest(reference, round(SECONDS * rate), rate)
    stop = min(track.samples, start + round(SECONDS * rate))
    mixture = track.read("mixture", start, stop)
    return Excerpt(song, source, start / rate, mixture, reference[start:stop], rate)


def loudest(audio: np.ndarray, length: int, step: int) -> int:
    """First sample of the excerpt with the most energy, on a grid of `step` samples."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64).sum(axis=1))])
    starts = np.arange(0, max(1, len(audio) - length + 1), step)
    stops = np.minimum(starts + length, len(audio))
    return int(starts[np.argmax(energy[stops] - energy[starts])])


def separated(separator: Any, place: Place, excerpt: Excerpt, source: str) -> np.ndarray:
    """The estimate of an excerpt, float32 (samples, channels)."""
    rate, track = excerpt.sample_rate, place.track
    start = round(excerpt.start * rate)
    first = max(0, start - round(BESIDE * rate))
    last = min(track.samples, start + len(excerpt.mixture) + round(BESIDE * rate))
    stems = separator.separate(track.read("mixture", first, last), rate, name=track.name)
    if source not in stems:
        raise ValueError(f"the separator has no source {source!r}")
    return stems[source][start - first :][: len(excerpt.mixture)]
