"""A procedural band: unlimited songs with four stems, free of licences, computed when read.

Nothing is downloaded or stored: the song with number `n` under `seed` is the same wherever it is
computed (to the rounding of the machine's floating point). Drums, bass, chords and a voice are
synthesised in NumPy by the modules of `datasets.band`; the mixture is the sum of the stems.
"""

import os

import numpy as np

from datasets.band import bass, chords, drums, mix, plan, voice
from datasets.render_cache import RenderCache
from datasets.track import SPLITS, AudioShape, Track

# Part of a track's fingerprint: raise it when songs come to sound different, and prepared caches
# are computed again.
RECIPE = 1
# Songs are numbered; each split has its own range of numbers, so no song is ever in two.
FIRST_SONG = {"train": 0, "valid": 800_000, "test": 900_000}
_RENDERERS = {
    "drums": drums.render,
    "bass": bass.render,
    "other": chords.render,
    "vocals": voice.render,
}


def load(
    root: str | os.PathLike | None = None,
    *,
    split: str | None = None,
    songs: int = 20,
    seconds: float = 30.0,
    seed: int = 0,
    sample_rate: int = 32000,
) -> list[Track]:
    """List songs of the band; they are computed when they are first read.

    Args:
      root: not used (there are no files).
      split: "train", "valid" or "test": that many songs of it. None: `songs` for training and a
        tenth as many (at least one) for validation and for testing.
      songs: how many.
      seconds: length of every song, 1 to 900.
      seed: another seed is another band with other songs.
      sample_rate: in Hz, 8000 to 96000.

    Returns:
      Stereo tracks band-000000, band-000001, …; validation starts at band-800000, test at
      band-900000.

    Raises:
      ValueError: an option out of its range.
    """
    del root
    if songs < 1 or songs > 100_000:
        raise ValueError(f"songs={songs}: expected 1 to 100000")
    if not 1.0 <= seconds <= 900.0:  # a song is computed whole: about 7 MB per second
        raise ValueError(f"seconds={seconds}: expected 1 to 900 seconds per song")
    if not 8000 <= sample_rate <= 96000:
        raise ValueError(f"sample_rate={sample_rate}: expected 8000 to 96000 Hz")
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    counts = dict.fromkeys(SPLITS, max(1, songs // 10)) | {"train": songs}
    if split is not None:
        counts = {split: songs}
    return [
        BandTrack(FIRST_SONG[part] + number, part, seconds, seed, sample_rate)
        for part in SPLITS
        if part in counts
        for number in range(counts[part])
    ]


def render(number: int, seconds: float, seed: int, sample_rate: int) -> np.ndarray:
    """Compute one song → float32 (4, samples, 2): drums, bass, other, vocals, full scale ±1."""

    def stream(place: int) -> np.random.Generator:
        sequence = np.random.SeedSequence(seed, spawn_key=(number, place))
        return np.random.default_rng(sequence)

    samples = round(seconds * sample_rate)
    song = plan.plan(stream(0), seconds)
    buses = {
        stem: _RENDERERS[stem](stream(1 + place), song, sample_rate, samples)
        for place, stem in enumerate(plan.STEMS)
    }
    return mix.mix(stream(9), song, buses, sample_rate)


class BandTrack(Track):
    """A song of the band. A few hundred megabytes of songs last read are kept for the next read."""

    def __init__(self, number: int, split: str, seconds: float, seed: int, sample_rate: int):
        super().__init__(
            f"band-{number:06d}",
            split,
            AudioShape(sample_rate, 2, round(seconds * sample_rate)),
            plan.STEMS,
        )
        self.number = number
        self.seed = seed
        self.recipe = RECIPE
        self._seconds = seconds

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        song = _RECENT.song((self.number, self._seconds, self.seed, self.sample_rate))
        return song[plan.STEMS.index(stem), start:stop].copy()


_RECENT = RenderCache(lambda key: render(*key), limit=512 * 1024 * 1024)
