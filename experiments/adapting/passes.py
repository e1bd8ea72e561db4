"""What two separators make of songs: as they are, shifted, quieter and upside down, mixed anew."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dssgan.refinement.held_back import middle, remixed

SHIFT_S = 0.237  # no multiple of any hop
GAIN = -0.5  # 6 dB quieter and upside down


@dataclasses.dataclass
class Passes:
    """Estimates of one separator of one song, each (sources, samples, channels).

    Attributes:
      plain: of the song. raw: the same before what they leave of the mixture is shared among them.
      shifted, scaled: of the song after silence, and at another gain; brought back to `plain`.
      found: of a mixture of known parts, which are estimates of either separator: [(parts, what was
        found of them), …].
    """

    plain: np.ndarray
    raw: np.ndarray
    shifted: np.ndarray
    scaled: np.ndarray
    found: list[tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Song:
    """A song held back: its name, rate, mixture (samples, channels), and the separators' passes."""

    name: str
    sample_rate: int
    mixture: np.ndarray
    before: Passes | None = None
    after: Passes | None = None


def pass_all(
    songs: Sequence[Song], before: Any, after: Any, log: Callable[[str], None] = print
) -> None:
    """Fill in the passes of both separators.

    Args:
      songs: of whose mixtures none is silent.
      before, after: a `dssgan.separator.Separator` each, of the same sources.
      log: prints a line per song.
    """
    for song in songs:
        log(f"{song.name}: {len(song.mixture) / song.sample_rate:.0f} s")
        song.before, song.after = (passes(separator, song) for separator in (before, after))
    for made in ("before", "after"):
        parts = remixed([getattr(song, made).plain for song in songs])
        log(f"mixed anew from the estimates of the separator {made}")
        for song, stems in zip(songs, parts):
            for separator, own in ((before, song.before), (after, song.after)):
                own.found.append((stems, estimates(separator, stems.sum(0), song)))


def passes(separator: Any, song: Song) -> Passes:
    """Those of one separator, but for mixtures of known parts."""
    raw = estimates(separator, song.mixture, song, consistent=False)
    silence = np.zeros((round(SHIFT_S * song.sample_rate), song.mixture.shape[1]), np.float32)
    later = estimates(separator, np.concatenate([silence, song.mixture]), song)
    return Passes(
        plain=shared(raw, song.mixture) if separator.complete else raw,
        raw=raw,
        shifted=later[:, len(silence) :],
        scaled=estimates(separator, GAIN * song.mixture, song) / np.float32(GAIN),
    )


def estimates(separator: Any, audio: np.ndarray, song: Song, consistent: bool = True) -> np.ndarray:
    """(sources, samples, channels) of (samples, channels).

    Args:
      consistent: as the separator does it; False leaves the rest of the mixture out.
    """
    kept = separator.consistent
    separator.consistent = kept and consistent
    try:
        stems = separator.separate(audio, song.sample_rate, name=song.name)
    finally:
        separator.consistent = kept
    return np.stack([stems[source] for source in separator.sources])


def shared(raw: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Estimates that add up to their mixture: each gets the same share of the rest."""
    return raw + (mixture - raw.sum(0)) / len(raw)


def excerpt(name: str, audio: np.ndarray, sample_rate: int, seconds: float) -> Song | None:
    """The middle of a song; None where it is silent."""
    cut = middle(np.asarray(audio, np.float32), seconds, sample_rate)
    return Song(name, sample_rate, cut) if cut.any() else None
