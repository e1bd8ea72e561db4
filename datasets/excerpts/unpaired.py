"""Unpaired excerpts: mixtures nobody has stems for, solo recordings nobody has mixtures for.

As in the `train_unsup` lists of the original system, each list has its own length and is drawn from
by itself: what is drawn from one says nothing of what is drawn from another.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.levels import usual_levels
from datasets.excerpts.recordings import SHORT, ExcerptShape, RecordingList
from datasets.track import Track

__all__ = ["UnpairedExcerpts", "usual_levels"]


class UnpairedExcerpts:
    """Batches of excerpts of mixtures and, drawn apart from them, of solo recordings.

    Every excerpt is drawn with replacement, so a list may be shorter than a batch. A song's chance
    is proportional to its duration, and never below that of one second.

    Args:
      mixtures: songs of which the mixture is read (their own, or the sum of their stems).
      solos: source → songs of which this source is read. "accompaniment" is the sum of the stems
        that the other sources do not name, so songs with stems serve as its solo recordings.
      samples: length of an excerpt.
      batch_size: mixtures per batch.
      channels: 1 takes the left or the right of each excerpt, 2 keeps both.
      seed: everything random follows from it, from `stream` and from the number of the batch.
      stream: another stream of the same seed has other excerpts.
      gain: lowest and highest factor of an excerpt, drawn uniformly (the original: 0.2 to 1.2).
      swap: chance that left and right change places.
      polarity: chance that an excerpt is inverted.
      normalise: "track" divides a mixture by its level, the standard deviation of its mono sum, and
        a solo recording by its own, multiplying it by `levels[source]`; "none" leaves levels alone.
      short: what becomes of a recording that is shorter than an excerpt: "loop" repeats it from a
        random point on (a loop of drums stays one; a single hit becomes a buzz), "pad" sets it at
        a random place in silence.
      active_share: share of the excerpts that are drawn again, up to eight times, while they are
        silent (below −60 dB of full scale, as recorded).
      levels: source → its usual level relative to its song's, as of `usual_levels`; None: all 1.
      solo_batch_size: excerpts per source and batch; None: `batch_size`.
      sources: names of all sources of the separator, for what "accompaniment" leaves out; None:
        those of `solos`.
      intervals: None, or a function (track, stems) → [(start, stop), …] in samples; excerpts are
        taken from within these alone where there are any (see `datasets.activity.windows.activity`).

    Attributes:
      sources: the sources that have solo recordings.
      sample_rate: of all songs, in Hz.

    Raises:
      ValueError: an empty or silent list, different rates, a stem that is not there, a size or a
        range that is not as said.
    """

    def __init__(
        self,
        mixtures: Sequence[Track],
        solos: Mapping[str, Sequence[Track]],
        *,
        samples: int,
        batch_size: int,
        channels: int = 1,
        seed: int = 0,
        stream: int = 0,
        gain: tuple[float, float] = (0.2, 1.2),
        swap: float = 0.5,
        polarity: float = 0.0,
        normalise: str = "track",
        short: str = "loop",
        active_share: float = 0.0,
        levels: Mapping[str, float] | None = None,
        solo_batch_size: int | None = None,
        sources: Sequence[str] | None = None,
        intervals: Callable[[Track, Sequence[str]], Sequence[tuple[int, int]]] | None = None,
    ):
        self.samples = int(samples)
        self.batch_size = int(batch_size)
        self.solo_batch_size = int(batch_size if solo_batch_size is None else solo_batch_size)
        self.channels = int(channels)
        self.seed = int(seed)
        self.stream = int(stream)
        self.sources = tuple(solos)
        named = self.sources if sources is None else tuple(sources)
        augmentation = Augmentation(
            gain=tuple(gain),
            swap=swap,
            polarity=polarity,
            remix=0.0,
            normalise=normalise,
            active_share=active_share,
        )
        self._check(short, levels, named)
        drawing = ExcerptShape(self.samples, self.channels, augmentation, short, intervals)
        self._mixtures = RecordingList("mixtures", mixtures, drawing)
        self._solos = {
            source: RecordingList(
                source, solos[source], drawing, named, (levels or {}).get(source, 1.0)
            )
            for source in self.sources
        }
        pools = [self._mixtures, *self._solos.values()]
        self.sample_rate = pools[0].tracks[0].sample_rate
        for pool in pools:
            pool.agree(pools[0].tracks[0])
        for pool in pools:  # reads audio: after all that can be checked without
            pool.refuse_silence()

    def _check(self, short: str, levels: Mapping[str, float] | None, named: Sequence[str]) -> None:
        for name in ("samples", "batch_size", "solo_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected 1 or more")
        if self.channels not in (1, 2):
            raise ValueError(f"channels={self.channels}: expected 1 (mono) or 2 (stereo)")
        if self.stream < 0 or self.seed < 0:
            raise ValueError(f"seed={self.seed}, stream={self.stream}: expected 0 or more")
        if short not in SHORT:
            raise ValueError(f"short={short!r}: expected {' or '.join(SHORT)}")
        for source in self.sources:
            if source.startswith("mixture") or source not in named:
                raise ValueError(
                    f"solo recordings of {source!r}: not one of the sources {', '.join(named)}"
                )
            if levels is not None and source not in levels:
                raise ValueError(f"levels: none for {source!r}, only {', '.join(levels) or 'none'}")
        for source, level in (levels or {}).items():
            if not 0.0 < level < np.inf:
                raise ValueError(f"levels: {source}={level}: expected a finite factor above 0")

    def batch(self, index: int) -> dict[str, Any]:
        """Batch number `index` (0 or more): a function of seed, stream and number alone.

        Returns:
          "mixtures": float32 (batch_size, samples, channels).
          "solos": source → float32 (solo_batch_size, samples, channels).
          "names": "mixtures" and each source → song and position of every excerpt, "song@12.3s".

        Raises:
          OSError, ValueError: a song cannot be read.
        """
        mixtures, found = self._draw(self._mixtures, 0, index, self.batch_size)
        names = {"mixtures": found}
        solos = {}
        for source, pool in self._solos.items():
            # By name, so that a source's excerpts do not depend on which other sources there are.
            key = 1 + zlib.crc32(source.encode())
            solos[source], names[source] = self._draw(pool, key, index, self.solo_batch_size)
        return {"mixtures": mixtures, "solos": solos, "names": names}

    def _draw(
        self, pool: RecordingList, key: int, index: int, count: int
    ) -> tuple[np.ndarray, list[str]]:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.stream, int(index), key))
        rng = np.random.default_rng(sequence)
        audio = np.zeros((count, self.samples, self.channels), np.float32)
        return audio, [pool.draw(rng, into) for into in audio]
