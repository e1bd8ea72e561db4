"""Songs for validation although nobody has their stems: a separator's estimates, mixed anew.

Source k of a new song comes from song k places further on, so that the new mixture is none that the
estimates come from, and its stems are known. A separator that finds them again is not shown to be
right: estimates that are wrong in the same way go unnoticed.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

LONGEST_S = 30.0  # of a song, from its middle


@dataclasses.dataclass
class EstimatedSong:
    """A song whose stems are estimates; as `dssgan.monitoring.validation.ValidationSong`."""

    name: str
    sample_rate: int
    stems: np.ndarray

    def references(self) -> np.ndarray:
        """float32 (sources, samples, channels)."""
        return self.stems


def estimated_songs(
    separator: Any, songs: Sequence[Any], seconds: float = LONGEST_S
) -> list[EstimatedSong]:
    """Separate songs and mix the estimates anew.

    Args:
      separator: of `dssgan.separator`.
      songs: with `name`, `sample_rate` and `mixture()` → (samples, channels), all of one rate.
      seconds: of each song, at most.

    Raises:
      ValueError: all of them are silent.
    """
    names, estimates = [], []
    for song in songs:
        audio = middle(song.mixture(), seconds, song.sample_rate)
        if audio.any():
            stems = separator.separate(audio, song.sample_rate, name=song.name)
            estimates.append(np.stack([stems[source] for source in separator.sources]))
            names.append(song.name)
    if not names:
        raise ValueError(f"the {len(songs)} songs held back are silent: expected music")
    rate = songs[0].sample_rate
    return [EstimatedSong(*song) for song in zip(names, [rate] * len(names), remixed(estimates))]


def middle(audio: np.ndarray, seconds: float, sample_rate: int) -> np.ndarray:
    """At most so many seconds from the middle of (samples, channels)."""
    length = min(len(audio), round(seconds * sample_rate))
    start = (len(audio) - length) // 2
    return audio[start : start + length]


def remixed(estimates: Sequence[np.ndarray]) -> list[np.ndarray]:
    """New songs: source k of song n is that of song n + k, or of another place of a single song.

    Args:
      estimates: (sources, samples, channels) each, of one rate; shorter songs are repeated.

    Returns:
      As many songs of the same lengths and channels.
    """
    found = []
    for place, own in enumerate(estimates):
        stems = []
        for number in range(len(own)):
            other = estimates[(place + number) % len(estimates)][number]
            if len(estimates) == 1:
                other = np.roll(other, number * len(other) // len(own), axis=0)
            if other.shape[1] != own.shape[2]:
                other = np.repeat(other.mean(axis=1, keepdims=True), own.shape[2], axis=1)
            stems.append(np.resize(other, own.shape[1:]))
        found.append(np.stack(stems).astype(np.float32))
    return found
