"""What a source is the sum of: stems of a song that add up to it."""

from collections.abc import Sequence

import numpy as np

from datasets.track import Track, bounds


def read_sum(track: Track, stems: Sequence[str], start: int, stop: int) -> np.ndarray:
    """The sum of stems → float32 (samples, channels of the song)."""
    if len(stems) == 1:
        return track.read(stems[0], start, stop)
    audio = np.zeros((stop - start, track.channels), np.float32)
    for stem in stems:
        audio += track.read(stem, start, stop)
    return audio


def source_stems(track: Track, sources: Sequence[str]) -> list[tuple[str, ...]]:
    """For every source the stems that add up to it; none where it is silent.

    "accompaniment" is the sum of all stems that the other sources do not name: beside "drums" it
    is all but the drums, beside "vocals" all but the vocals.

    Raises:
      ValueError: a source that the song does not know.
    """
    return [
        tuple(stem for stem in track.stems if stem not in sources or stem == source)
        if source == "accompaniment"
        else track._parts(source)
        for source in sources
    ]


def read_sources(
    track: Track, sources: Sequence[str], start: int = 0, stop: int | None = None
) -> np.ndarray:
    """Read the stems that a configuration names; what they are and errors as of `source_stems`.

    Returns:
      float32 (sources, samples, channels), full scale ±1.
    """
    start, stop = bounds(start, stop, track.samples, track.name)
    audio = np.empty((len(sources), stop - start, track.channels), np.float32)
    for place, (source, stems) in enumerate(zip(sources, source_stems(track, sources))):
        if source == "accompaniment":
            audio[place] = track._sum(stems, start, stop)
        else:
            audio[place] = track.read(source, start, stop)
    return audio
