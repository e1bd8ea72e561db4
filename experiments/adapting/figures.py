"""What is reported of songs without stems: figures of every song, before and after."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from evaluation.metrics import ratios
from evaluation.metrics import without_references as plain
from evaluation.reports.bootstrap import gain
from experiments.adapting.passes import Passes, Song

LEAST_DB = 0.05  # a smaller change is none
FEW = 3  # songs, below which nothing is certain


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a source, over the songs.

    Attributes:
      name: what was measured. source: of what; "" of all.
      higher: whether a higher figure is better.
      before, after: mean over songs that have one of both. low, high: 95 % interval of the change,
        by a paired bootstrap over songs. songs: {song: (before, after)}.
    """

    name: str
    source: str
    higher: bool
    before: float
    after: float
    low: float
    high: float
    songs: dict[str, tuple[float, float]]

    @property
    def change(self) -> float:
        """After less before."""
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the interval lies on one side of 0, else "no change"."""
        sure = math.isfinite(self.low) and (self.low > 0 or self.high < 0)
        if len(self.songs) < FEW or not sure or abs(self.change) < LEAST_DB:
            return "no change"
        return "better" if (self.change > 0) == self.higher else "worse"


def figure(
    name: str, source: str, higher: bool, values: dict[str, tuple[float, float]]
) -> Figure | None:
    """A figure of {song: (before, after)}; None where no song has both."""
    known = {song: pair for song, pair in values.items() if np.isfinite(pair).all()}
    if not known:
        return None
    before, after = np.array(list(known.values())).T
    _, low, high = gain({0: after}, {0: before})
    return Figure(name, source, higher, before.mean(), after.mean(), low, high, known)


def all_figures(songs: Sequence[Song], sources: Sequence[str]) -> list[Figure]:
    """Every figure that can be taken of songs whose passes are there."""
    found = []
    for place, source in enumerate(sources):
        for name, higher, measure in MEASURES:
            if name == "onset contrast" and source != "drums":
                continue
            values = {song.name: pair(measure, song, place) for song in songs}
            found.append(figure(name, source, higher, values))
    values = {song.name: pair(left, song, 0) for song in songs}
    found.append(figure("residual", "", False, values))
    return [each for each in found if each is not None]


def agreements(songs: Sequence[Song], sources: Sequence[str]) -> dict[str, float]:
    """Of every source, how far both separators agree: mean over songs, dB."""
    found = {}
    for place, source in enumerate(sources):
        values = [plain.agreement(s.before.plain[place], s.after.plain[place]) for s in songs]
        values = [value for value in values if np.isfinite(value)]
        found[source] = float(np.mean(values)) if values else math.nan
    return found


def pair(measure: Callable, song: Song, place: int) -> tuple[float, float]:
    """A measure of the passes of both separators."""
    return measure(song, song.before, place), measure(song, song.after, place)


def remix(song: Song, own: Passes, place: int) -> float:
    """SDR of a source in mixtures of known parts: mean over the parts of either separator."""
    scores = [ratios.sdr(parts, found)[place] for parts, found in own.found]
    return float(np.mean(np.clip(scores, -plain.MOST_DB, plain.MOST_DB)))


def consistency(song: Song, own: Passes, place: int) -> float:
    """Agreement of the estimate with those of the shifted and of the scaled song."""
    others = (own.shifted, own.scaled)
    return float(np.mean([plain.agreement(own.plain[place], each[place]) for each in others]))


def leaking(song: Song, own: Passes, place: int) -> float:
    """Energy of the estimate where the source does not play, as both separators see it."""
    both = [song.before.plain[place], song.after.plain[place]]
    quiet = plain.inactive_frames(both, song.sample_rate)
    return plain.leaked(own.plain[place], song.mixture, quiet, song.sample_rate)


def onset_contrast(song: Song, own: Passes, place: int) -> float:
    """Power of the estimate around the mixture's onsets over that between them."""
    places = plain.onsets(song.mixture, song.sample_rate)
    return plain.contrast(own.plain[place], places, song.sample_rate)


def left(song: Song, own: Passes, place: int) -> float:
    """Energy of what all estimates leave of the mixture."""
    return plain.residual(song.mixture, own.raw)


#: name, whether higher is better, measure.
MEASURES: tuple[tuple[str, bool, Callable], ...] = (
    ("remix SDR", True, remix),
    ("self-consistency", True, consistency),
    ("energy where inactive", False, leaking),
    ("onset contrast", True, onset_contrast),
)
DECISIVE = "remix SDR"
