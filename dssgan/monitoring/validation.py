"""Validation: whole songs through the separator, scored by the metric that is handed in."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from dssgan.distributed.team import Team
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.separator import Separator

LIMITS = (-100.0, 100.0)  # dB; an estimate that is silent or perfect must not decide a mean alone

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ValidationSong(Protocol):
    """A song with known stems.

    Attributes:
      name: for messages and pictures.
      sample_rate: in Hz.
    """

    name: str
    sample_rate: int

    def references(self) -> np.ndarray:
        """float32 (sources, samples, channels), in the order of the separator's sources."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """The outcome of a validation.

    Attributes:
      sources: mean over the songs per source; NaN where every song is silent.
      mean: mean of the sources that decide.
    """

    sources: dict[str, float]
    mean: float


@dataclasses.dataclass(frozen=True)
class Examples:
    """What of a validation is pictured and can be listened to.

    Attributes:
      songs: how many; 0 has none.
      seconds: length of each.
      every: at the first so many validations, and at every so-many-th after them (sound fills
        disks); mixture and references once.
    """

    songs: int = 1
    seconds: float = 8.0
    every: int = 10

    def due(self, done: int) -> bool:
        """Whether they are wanted after `done` validations."""
        return done < self.every or done % self.every == 0


class Validator:
    """Separates songs and scores the estimates.

    Args:
      separator: wraps the model in training; it has the weights of the moment.
      songs: mixtures are the sums of their stems.
      metric: (references, estimates), both (sources, samples, channels) → (sources,), higher is
        better; NaN leaves a silent source out.
      decisive: sources whose mean decides; empty means all.
      examples: of which songs there are pictures and sound.
      team: the workers that train together; each takes its share of the songs.
    """

    def __init__(
        self,
        separator: Separator,
        songs: Sequence[ValidationSong],
        metric: Metric,
        *,
        decisive: Sequence[str] = (),
        examples: Examples = Examples(),  # noqa: B008 immutable
        team: Team | None = None,
    ):
        self.separator, self.songs, self.metric = separator, list(songs), metric
        self.decisive = tuple(decisive) or tuple(separator.sources)
        self.examples, self._done = examples, 0
        self.team = team or Team()

    def __call__(
        self, step: int, board: TensorBoard, check: Callable[[], None] = lambda: None
    ) -> Scores:
        """Score the present weights; `check` is called after each song (of every worker) and may
        raise.

        Raises:
          ValueError: no song has a score for the decisive sources.
        """
        table = np.zeros((len(self.songs), len(self.separator.sources)))
        due = self.examples.due(self._done)
        for turn, first in enumerate(range(0, len(self.songs), self.team.count)):
            place = first + self.team.index
            if place < len(self.songs):
                shown = due and turn < self.examples.songs
                table[place] = self._separated(self.songs[place], step, board if shown else None)
            check()
        self._done += 1
        table = self.team.totals(table)  # zero where another worker scored, NaN where nobody can
        means = {
            source: float(np.nanmean(column)) if np.isfinite(column).any() else float("nan")
            for source, column in zip(self.separator.sources, table.T)
        }
        decisive = [means[source] for source in self.decisive if np.isfinite(means[source])]
        if not decisive:
            raise ValueError(
                f"validation gave no score for {', '.join(self.decisive)}: they are silent in "
                f"every one of {len(self.songs)} songs; choose others with data.valid=[…]"
            )
        return Scores(means, float(np.mean(decisive)))

    def _separated(self, song: ValidationSong, step: int, board: TensorBoard | None) -> np.ndarray:
        """Scores of one song, which is pictured where there is a board."""
        references = song.references()
        mixture = references.sum(axis=0)
        stems = self.separator.separate(mixture, song.sample_rate, name=song.name)
        estimates = np.stack([stems[source] for source in self.separator.sources])
        if board is not None:
            self._show(step, board, song, mixture, references, estimates)
        return self._score(references, estimates)

    def _score(self, references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
        """Scores per source; a source that is silent in the song has none."""
        scores = np.clip(np.asarray(self.metric(references, estimates), np.float64), *LIMITS)
        return np.where(references.any(axis=(1, 2)), scores, np.nan)

    def _show(self, step, board, song, mixture, references, estimates) -> None:
        length = round(self.examples.seconds * song.sample_rate)
        start = max(0, (len(mixture) - length) // 2)  # songs often begin with silence
        window = slice(start, start + length)
        first = self._done == 0
        sounds = {"mixture": mixture[window]} if first else {}
        for source, reference, estimate in zip(self.separator.sources, references, estimates):
            if first:
                sounds[f"{source}/reference"] = reference[window]
            sounds[f"{source}/estimate"] = estimate[window]
        board.sounds(step, song.name, sounds, song.sample_rate)
