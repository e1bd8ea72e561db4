"""Levels of songs and of their sources."""

from collections.abc import Sequence

import numpy as np

from datasets.sources import read_sum, source_stems
from datasets.track import Track

_BLOCK = 1 << 20  # samples read at a time while a level is measured


def mono_level(track: Track) -> float:
    """Population standard deviation of a song's stems, added up and averaged over the channels.

    Meta-TasNet divides training songs by it. A silent song has the level 1: it stays silent.
    """
    return deviation(track, track.stems or ("mixture",)) or 1.0


def deviation(track: Track, stems: Sequence[str]) -> float:
    """Population standard deviation of a sum of stems, averaged over the channels; 0 is silence."""
    total, squares = 0.0, 0.0
    for start in range(0, track.samples, _BLOCK):
        stop = min(start + _BLOCK, track.samples)
        audio = read_sum(track, stems, start, stop)
        mono = audio[:, 0].astype(np.float64)
        for channel in range(1, track.channels):
            mono += audio[:, channel]
        total += float(np.sum(mono)) / track.channels
        squares += float(np.dot(mono, mono)) / track.channels**2
    mean = total / max(track.samples, 1)
    variance = squares / max(track.samples, 1) - mean * mean
    return float(np.sqrt(variance)) if variance > 1e-12 else 0.0


def usual_levels(tracks: Sequence[Track], sources: Sequence[str]) -> dict[str, float]:
    """How loud each source usually is in its song.

    Args:
      tracks: songs with stems.
      sources: names; "accompaniment" is what the others do not name.

    Returns:
      source → median over the songs of the source's standard deviation by that of the sum of the
      stems, both of the mono sum. Silent stems are left out.

    Raises:
      ValueError: a source that is silent in all songs; an unknown stem.
      OSError: as of `Track.read`.
    """
    found: dict[str, list[float]] = {source: [] for source in sources}
    for track in tracks:
        whole = deviation(track, track.stems)
        for source, stems in zip(sources, source_stems(track, sources)):
            level = deviation(track, stems) if whole else 0.0
            if level:
                found[source].append(level / whole)
    for source, levels in found.items():
        if not levels:
            raise ValueError(
                f"usual level of {source!r}: it is silent in all {len(tracks)} paired songs; add "
                "one in which it plays, or leave levels alone (normalise=none)"
            )
    return {source: float(np.median(levels)) for source, levels in found.items()}
