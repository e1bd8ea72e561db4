"""Unpaired excerpts: of mixtures without stems and of solo recordings without mixtures.

As in the `train_unsup` lists of the original system, each list has its own length and is drawn from
by itself: what is drawn from one is independent of what is drawn from another.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from datasets.activity.stretches import Intervals
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effect_chain import EffectChain
from datasets.excerpts.recordings import ExcerptDrawing, RecordingList
from datasets.excerpts.shape import ExcerptShape
from datasets.track import Track

#: Gains of the original system.
UNPAIRED = Augmentation(gain=(0.2, 1.2), remix=0.0)


class UnpairedExcerpts:
    """Batches of excerpts of mixtures and, drawn apart from them, of solo recordings.

    Every excerpt is drawn with replacement, so a list may be shorter than a batch. A song's chance
    is proportional to its duration, and never below that of one second.

        shape = ExcerptShape(samples=131072, batch_size=16, sources=("drums", "accompaniment"))
        excerpts = UnpairedExcerpts(mixtures, {"drums": loops, "accompaniment": songs}, shape)

    Args:
      mixtures: songs of which the mixture is read (their own, or the sum of their stems).
      solos: source → songs of which this source is read. "accompaniment" is the sum of the stems
        that the other sources do not name, so songs with stems serve as its solo recordings.
      shape: samples, batch sizes, channels, and what becomes of short recordings; its sources are
        those of the separator, for what "accompaniment" leaves out (None: those of `solos`).
      augmentation: of it `gain`, `gain_db`, `swap`, `polarity`, `drop`, `normalise` ("track"
        divides a mixture by its level, the standard deviation of its mono sum, and a solo recording
        by its own, multiplying it by `levels[source]`) and `active_share` (share of the excerpts
        that are drawn again, up to eight times, while they are silent, below −60 dB of full scale).
        Of its effects those that `Effects.linear` names.
      seed: everything random follows from it, from `stream` and from the number of the batch.
      stream: another stream of the same seed has other excerpts.
      levels: source → its usual level relative to its song's, as of `usual_levels`; None: all 1.
      intervals: None, or a function (track, stems) → [(start, stop), …] in samples; excerpts are
        drawn from within these alone where there are any (see `datasets.activity.lists.listed`).

    Attributes:
      sources: the sources that have solo recordings.
      sample_rate: of all songs, in Hz.

    Raises:
      ValueError: an empty or silent list, different rates, a stem that is not there, a level that
        is not positive.
    """

    def __init__(
        self,
        mixtures: Sequence[Track],
        solos: Mapping[str, Sequence[Track]],
        shape: ExcerptShape,
        augmentation: Augmentation = UNPAIRED,
        *,
        seed: int = 0,
        stream: int = 0,
        levels: Mapping[str, float] | None = None,
        intervals: Intervals | None = None,
    ):
        self.samples = int(shape.samples)
        self.batch_size = int(shape.batch_size)
        self.solo_batch_size = int(shape.solo_batch_size or shape.batch_size)
        self.channels = int(shape.channels)
        self.seed = int(seed)
        self.stream = int(stream)
        self.sources = tuple(solos)
        named = self.sources if shape.sources is None else tuple(shape.sources)
        self._check(levels, named)
        drawing = ExcerptDrawing(shape, augmentation, intervals)
        self._mixtures = RecordingList("mixtures", mixtures, drawing)
        self._solos = {
            source: RecordingList(
                source, solos[source], drawing, named, (levels or {}).get(source, 1.0)
            )
            for source in self.sources
        }
        lists = [self._mixtures, *self._solos.values()]
        self.sample_rate = lists[0].tracks[0].sample_rate
        self._chain = EffectChain(
            augmentation.effects.linear(), ("recording",), self.sample_rate, self.seed, self.stream
        )
        for one in lists:
            one.agree(lists[0].tracks[0])
        for one in lists:  # reads audio: after all that can be checked without
            one.refuse_silence()

    def _check(self, levels: Mapping[str, float] | None, named: Sequence[str]) -> None:
        if self.stream < 0 or self.seed < 0:
            raise ValueError(f"seed={self.seed}, stream={self.stream}: expected 0 or more")
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
        """Return batch number `index` (0 or more): a function of seed, stream and number alone.

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
        for source, recordings in self._solos.items():
            # By name, so that a source's excerpts do not depend on which other sources there are.
            key = 1 + zlib.crc32(source.encode())
            solos[source], names[source] = self._draw(recordings, key, index, self.solo_batch_size)
        return {"mixtures": mixtures, "solos": solos, "names": names}

    def _draw(
        self, recordings: RecordingList, key: int, index: int, count: int
    ) -> tuple[np.ndarray, list[str]]:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.stream, int(index), key))
        rng = np.random.default_rng(sequence)
        audio = np.zeros((count, self.samples, self.channels), np.float32)
        if not self._chain.on:
            return audio, [recordings.draw(rng, into) for into in audio]
        names = []
        for place in range(count):
            draws = self._chain.draws(index, place, key)
            into = np.zeros((self._chain.length(self.samples, draws), self.channels), np.float32)
            names.append(recordings.draw(rng, into))
            audio[place] = self._chain.apply(into[None], self.samples, draws)[0]
        return audio, names
