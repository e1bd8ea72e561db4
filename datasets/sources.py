"""What a source is the sum of: the stems of a song that add up to it.

"accompaniment" is the sum of all stems that the other sources do not name, nor add up: beside
"drums" it is all but the drums and their parts, beside "vocals" all but the vocals. Every other
name is read as `Track.read` has it.
"""

from collections.abc import Sequence

import numpy as np

from datasets.track import Track, bounds

ACCOMPANIMENT = "accompaniment"


def stems_of(track: Track, source: str, sources: Sequence[str]) -> tuple[str, ...]:
    """Return the stems that add up to a source; none where it is silent.

    Args:
      track: the song.
      source: the name of a source.
      sources: the names of all sources, for what "accompaniment" leaves out.

    Raises:
      ValueError: a source that the song does not know.
    """
    if source == ACCOMPANIMENT:
        return _others(track, track.stems, sources)
    return track.stems_of(source)


def source_stems(track: Track, sources: Sequence[str]) -> list[tuple[str, ...]]:
    """Return for every source the stems that add up to it; errors as of `stems_of`."""
    return [stems_of(track, source, sources) for source in sources]


def promised(track: Track, source: str, sources: Sequence[str]) -> bool:
    """Whether a song has a source, or lacks it as a stem that its dataset promises (silence)."""
    known = (*track.stems, *track.missing)
    if source == ACCOMPANIMENT:
        return bool(_others(track, known, sources))
    return source in (*known, *track.sums)


def _others(track: Track, stems: Sequence[str], sources: Sequence[str]) -> tuple[str, ...]:
    """Of stems, those that no source names, neither itself nor as a part of its sum."""
    named = {source for source in sources if source != ACCOMPANIMENT}
    named |= {stem for source in named for stem in track.sums.get(source, ())}
    return tuple(stem for stem in stems if stem not in named)


def read_sum(track: Track, stems: Sequence[str], start: int, stop: int) -> np.ndarray:
    """Read the sum of stems: float32 (samples, channels of the song); zeros of no stems."""
    if len(stems) == 1:
        return track.read(stems[0], start, stop)
    audio = np.zeros((stop - start, track.channels), np.float32)
    for stem in stems:
        audio += track.read(stem, start, stop)
    return audio


def read_sources(
    track: Track, sources: Sequence[str], start: int = 0, stop: int | None = None
) -> np.ndarray:
    """Read the sources that a configuration names; errors as of `stems_of` and `Track.read`.

    Returns:
      float32 (sources, samples, channels), full scale ±1.
    """
    start, stop = bounds(start, stop, track.samples, track.name)
    audio = np.empty((len(sources), stop - start, track.channels), np.float32)
    for place, stems in enumerate(source_stems(track, sources)):
        audio[place] = read_sum(track, stems, start, stop)
    return audio
