"""Source activity detection: where in a song a source plays.

BandSplitRNN (Luo and Yu 2022, section on data) trains on such windows alone. Two rules are here:

* "paper": the threshold is a quantile of the RMS of all chunks of the track, so a window counts
  where the source is about as loud as it usually is. The last window ends with the audio, and
  audio that is shorter than a window is one window.
* "amanteur": the rule of the public re-implementation, which takes the quantile within each
  window by itself; four fifths of its chunks then exceed it unless the floor stands above, so in
  effect the rule is "above the floor in most chunks". Audio after the last whole window is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.sources import read_sum
from datasets.track import Track

VARIANTS = ("paper", "amanteur")
_ZERO = 1e-5  # stands for an RMS of exactly 0


@dataclass(frozen=True)
class ActivityRule:
    """When a window of a source is active.

    Attributes:
      variant: "paper" or "amanteur", see above.
      window, hop: length and distance of windows in seconds.
      chunks: parts of equal length that a window is cut into; the RMS of each is measured, channel
        by channel.
      quantile: of these RMS values, the threshold of a channel (linear interpolation).
      floor: lowest threshold, in full scale.
      share: a window is active where more than this share of its chunks exceed the threshold
        ("paper": reach it, so that a steady tone is active) in every channel.
    """

    variant: str = "paper"
    window: float = 6.0
    hop: float = 3.0
    chunks: int = 10
    quantile: float = 0.15
    floor: float = 1e-3
    share: float = 0.5

    def __post_init__(self):
        """Check the ranges (ValueError)."""
        if self.variant not in VARIANTS:
            raise ValueError(f"variant={self.variant!r}: expected {' or '.join(VARIANTS)}")
        if self.chunks < 1:
            raise ValueError(f"chunks={self.chunks}: expected 1 or more")
        for name in ("window", "hop"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}={getattr(self, name)}: expected seconds above 0")
        for name in ("quantile", "share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a share from 0 to 1")
        if not 0.0 < self.floor < np.inf:
            raise ValueError(f"floor={self.floor}: expected a level above 0")

    def samples(self, sample_rate: int) -> tuple[int, int]:
        """Length and distance of windows in samples; ValueError where chunks would be empty."""
        length, step = round(self.window * sample_rate), round(self.hop * sample_rate)
        if length < self.chunks or step < 1:
            raise ValueError(
                f"window={self.window}, hop={self.hop}: expected at least {self.chunks} samples "
                f"and 1 sample at {sample_rate} Hz"
            )
        return length, step


def activity(
    track: Track, source: str | Sequence[str] = "mixture", **rule
) -> list[tuple[int, int]]:
    """Find where in a song a source is active.

    Args:
      track: the song; it is read window by window, in constant memory.
      source: a stem, "mixture", or names of stems whose sum is meant.
      **rule: as of `ActivityRule`.

    Returns:
      (first sample, one past the last) of each active stretch, ascending: windows that overlap or
      touch are one stretch.

    Raises:
      ValueError: an option out of its range, an unknown stem.
      OSError: as of `Track.read`.
    """
    stems = (source,) if isinstance(source, str) else tuple(source)
    rule = ActivityRule(**rule)

    def read(start: int, stop: int) -> np.ndarray:
        return read_sum(track, stems, start, min(stop, track.samples))

    length, _ = rule.samples(track.sample_rate)
    stretches: list[tuple[int, int]] = []
    for start in active_windows(read, track.samples, track.sample_rate, rule).tolist():
        stop = min(start + length, track.samples)
        if stretches and start <= stretches[-1][1]:
            start, _ = stretches.pop()
        stretches.append((start, stop))
    return stretches


def active_windows(
    read: Callable[[int, int], np.ndarray], samples: int, sample_rate: int, rule: ActivityRule
) -> np.ndarray:
    """Find the windows in which a source is active.

    Args:
      read: (start, stop) → that part of one source, (samples, channels), full scale ±1.
      samples: length of the source.
      sample_rate: in Hz.
      rule: when a window counts.

    Returns:
      int64: the first sample of each active window of `round(window · sample_rate)` samples.
    """
    length, step = rule.samples(sample_rate)
    starts = np.arange(0, samples - length + 1, step, dtype=np.int64)
    last = max(samples - length, 0)
    if rule.variant == "paper" and samples and (not len(starts) or starts[-1] < last):
        starts = np.append(starts, last)
    if not len(starts):
        return starts
    table = np.stack([_levels(read(at, at + length), rule.chunks) for at in starts.tolist()])
    if rule.variant == "paper":
        usual = np.quantile(table, rule.quantile, axis=(0, 1))
        loud = table >= np.maximum(usual, rule.floor)
    else:
        usual = np.quantile(table, rule.quantile, axis=1, keepdims=True)
        loud = table > np.maximum(usual, rule.floor)
    return starts[(np.mean(loud, axis=1) > rule.share).all(axis=1)]


def _levels(audio: np.ndarray, chunks: int) -> np.ndarray:
    """RMS of each chunk, (samples, channels) → (chunks, channels), never 0."""
    size = max(len(audio) // chunks, 1)
    cut = audio[: size * chunks].astype(np.float64)
    rest = np.zeros((size * chunks - len(cut), cut.shape[1]))  # of audio shorter than its chunks
    cut = np.concatenate([cut, rest]).reshape(chunks, size, -1)
    levels = np.sqrt(np.mean(np.square(cut), axis=1))
    return np.where(levels == 0.0, _ZERO, levels)
