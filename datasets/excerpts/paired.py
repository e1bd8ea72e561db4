"""Paired excerpts for training: a pure function of a seed and the number of the batch.

Because batch 1000 does not depend on batches 0 to 999, any worker computes any batch, and a run
that stopped goes on from a number.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.activity.lists import listed
from datasets.activity.runs import Run, draw_start, voiced_runs
from datasets.activity.stretches import Spans
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.levels import mono_level
from datasets.excerpts.plan import Piece, Plan, files_of
from datasets.sources import read_sum
from datasets.track import SOURCES, Track

_TRIES = 8
_SILENT = 1e-3  # RMS of full scale: −60 dBFS


class PairedExcerpts:
    """Batches of excerpts of songs whose stems are known.

    Args:
      tracks: songs at one sample rate.
      sources: names of the sources; "accompaniment" is what the others do not name.
      samples: length of an excerpt; a shorter song is filled up with silence.
      batch_size: excerpts per batch.
      channels: 1 takes the left or the right of each stem, 2 keeps both.
      seed: everything random follows from it, from `stream` and from the number of the batch.
      augmentation: see `Augmentation`.
      stream: another stream of the same seed has other excerpts.
      weights: chance of each song relative to the others; by default its duration, so that every
        second of music is as likely as any other.

    Raises:
      ValueError: no songs, different rates, a size that is not positive.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        sources: Sequence[str] = SOURCES,
        *,
        samples: int,
        batch_size: int,
        channels: int = 1,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        stream: int = 0,
        weights: Sequence[float] | None = None,
    ):
        self.tracks = list(tracks)
        self.sources = tuple(sources)
        self.samples = int(samples)
        self.batch_size = int(batch_size)
        self.channels = int(channels)
        self.seed = int(seed)
        self.stream = int(stream)
        self.augmentation = Augmentation() if augmentation is None else augmentation
        self._check(weights)
        self.sample_rate = self.tracks[0].sample_rate
        chances = [track.samples for track in self.tracks] if weights is None else weights
        self._chances = np.cumsum(np.asarray(chances, np.float64))
        self._levels: dict[int, float] = {}
        self._runs: dict[int, list[Run]] = {}
        self._spans = Spans(listed)
        self._accompaniment = self._parts_of_accompaniment()

    def _check(self, weights: Sequence[float] | None) -> None:
        if not self.tracks:
            raise ValueError("no songs to take excerpts from; check the dataset and its split")
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"sources {', '.join(self.sources)}: expected names, each once")
        for name in ("samples", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected 1 or more")
        if self.channels not in (1, 2):
            raise ValueError(f"channels={self.channels}: expected 1 (mono) or 2 (stereo)")
        if self.stream < 0 or self.seed < 0:
            raise ValueError(f"seed={self.seed}, stream={self.stream}: expected 0 or more")
        first = self.tracks[0]
        for track in self.tracks:
            if track.sample_rate != first.sample_rate:
                raise ValueError(
                    f"{track.name} has {track.sample_rate} Hz and {first.name} "
                    f"{first.sample_rate}; prepare a cache at one rate"
                )
            if track.channels > 2:
                raise ValueError(f"{track.name} has {track.channels} channels; expected 1 or 2")
            known = ("accompaniment", *track.stems, *track.sums, *track.missing)
            for source in self.sources:
                if source not in known:
                    raise ValueError(f"{track.name}: no stem {source!r}, only {', '.join(known)}")
        if self.augmentation.active_share and self.augmentation.active not in self.sources:
            raise ValueError(
                f"active={self.augmentation.active!r}: not one of {', '.join(self.sources)}"
            )
        if weights is not None:
            weights = np.asarray(weights, np.float64)
            if weights.shape != (len(self.tracks),) or not np.all(np.isfinite(weights)):
                raise ValueError(f"expected {len(self.tracks)} finite weights, one per song")
            if np.any(weights < 0.0) or not np.sum(weights) > 0.0:
                raise ValueError("weights of songs: expected 0 or more, and one above 0")
        elif not any(track.samples for track in self.tracks):
            raise ValueError(f"{first.name} and the other songs have no samples")

    def _parts_of_accompaniment(self) -> tuple[str, ...]:
        """Stems within "accompaniment" in any of the songs, in a fixed order."""
        if not self.augmentation.split_accompaniment or "accompaniment" not in self.sources:
            return ()
        named = set(self.sources) - {"accompaniment"}
        found = {stem for track in self.tracks for stem in track.stems} - named
        order = {stem: place for place, stem in enumerate(SOURCES)}
        return tuple(sorted(found, key=lambda stem: (order.get(stem, len(order)), stem)))

    def batch(self, index: int) -> dict[str, Any]:
        """Batch number `index` (0 or more).

        Returns:
          "stems": float32 (batch, sources, samples, channels · mixes). The mixture is their sum.
          "names": for each excerpt, the song and the position in seconds: "song@12.3s", and
            "songA@12.3s+songB@0.0s+…" in the order of the sources where they come from several.

        Raises:
          OSError, ValueError: a song cannot be read.
        """
        plan = self.plan(index)
        channels = self.channels * self.augmentation.mixes
        shape = (self.batch_size, len(self.sources), self.samples, channels)
        stems = np.zeros(shape, np.float32)
        for item, sources in enumerate(plan.pieces):
            for source, pieces in enumerate(sources):
                for piece in pieces:
                    piece.read(stems[item, source])
        return {"stems": stems, "names": plan.names}

    def paths(self) -> list[str] | None:
        """All files that excerpts are read from; None unless every stem is a file of its own."""
        if self.augmentation.mixes > 1:
            return None
        for track in self.tracks:
            if any(source in track.sums and source != "accompaniment" for source in self.sources):
                return None
        return files_of(self.tracks)

    def files(self, index: int) -> dict[str, Any]:
        """Batch number `index` for a reader of plain files; only where `paths` are known.

        Returns:
          "paths" (bytes), "starts" (int64, first sample) and "gains" (float32) of shape (batch,
          sources, files); "channels" (int64), with one more axis, tells which channel of the file
          goes to each of the excerpt's. A source is the sum of its files. "names" as of `batch`.
        """
        width = max(
            len(self._accompaniment),
            *(len(self._stems_of(t, source)) for t in self.tracks for source in self.sources),
        )
        return self.plan(index).files(width)

    def plan(self, index: int) -> Plan:
        """What batch number `index` is made of (the order of the random numbers is part of it)."""
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(self.stream, int(index)))
        )
        portion = round(self.batch_size * self.augmentation.remix)
        portion = portion if portion > 1 else 0
        pieces = [self._draw(rng, item < portion) for item in range(self.batch_size)]
        titles = [[sources[0][0].title] for sources in pieces]
        remixed = [_remix(pieces, item, portion) for item in range(portion)]
        pieces[:portion] = remixed
        titles[:portion] = [[p.title for parts in item for p in parts] for item in remixed]
        order = rng.permutation(self.batch_size)
        return Plan([pieces[n] for n in order], ["+".join(titles[n]) for n in order])

    def _draw(self, rng: np.random.Generator, remixed: bool = False) -> list[list[Piece]]:
        """Draw a song, a position and what is done to each stem."""
        augmentation = self.augmentation
        must_play = rng.random() < augmentation.active_share
        for _ in range(_TRIES if must_play else 1):
            target = rng.random() * self._chances[-1]
            number = int(np.searchsorted(self._chances, target, side="right"))
            number = min(number, len(self.tracks) - 1)  # where the product was rounded up
            track = self.tracks[number]
            start = int(rng.integers(max(track.samples - self.samples, 0) + 1))
            place = self._playing(rng, number, start) if must_play else start
            if place is not None:
                start = place
                break
        level = self._level(number) if augmentation.normalise == "track" else 1.0
        apart = remixed and must_play and augmentation.active_rule == "activity"
        sources = []
        for source in self.sources:
            groups = [self._stems_of(track, source)]
            if source == "accompaniment" and self._accompaniment:
                groups = [(stem,) * (stem in track.stems) for stem in self._accompaniment]
            pieces = []
            for stems in groups:
                channels, gains = (), ()
                for _ in range(augmentation.mixes):
                    channels += augmentation.draw_channels(rng, track.channels, self.channels)
                    gains += (augmentation.draw_gain(rng) / level,) * self.channels
                own = self._spans.draw(rng, track, stems, self.samples) if apart else None
                begin = start if own is None else own
                pieces.append(Piece(track, stems, begin, channels, gains[0], gains))
            sources.append(pieces)
        return sources

    def _stems_of(self, track: Track, source: str) -> tuple[str, ...]:
        """The stems that a source is the sum of, as `datasets.read_sources` says."""
        if source != "accompaniment":
            return (source,)
        return tuple(stem for stem in track.stems if stem not in self.sources or stem == source)

    def _playing(self, rng: np.random.Generator, number: int, start: int) -> int | None:
        """Where the source that should play does so: at `start`, or anywhere within a run."""
        track = self.tracks[number]
        stems = self._stems_of(track, self.augmentation.active)
        if self.augmentation.active_rule == "runs":
            if number not in self._runs:
                self._runs[number] = voiced_runs(track, stems)
            return draw_start(rng, self._runs[number], self.samples)
        if self.augmentation.active_rule == "activity":
            return self._spans.draw(rng, track, stems, self.samples)
        audio = read_sum(track, stems, start, min(start + self.samples, track.samples))
        return start if float(np.square(audio).sum()) > _SILENT**2 * audio.size else None

    def _level(self, number: int) -> float:
        """The level of a song, measured when it is first needed."""
        if number not in self._levels:
            self._levels[number] = mono_level(self.tracks[number])
        return self._levels[number]


def _remix(pieces: list[list[list[Piece]]], item: int, portion: int) -> list[list[Piece]]:
    """Item `item` made of others of the first `portion`: pieces per source.

    As in Meta-TasNet, its source number s comes from item + s (modulo the portion). Where the
    accompaniment is split, each of its stems counts as a source.
    """
    sources, place = [], 0
    for source, own in enumerate(pieces[item]):
        parts = []
        for part in range(len(own)):
            parts.append(pieces[(item + place) % portion][source][part])
            place += 1
        sources.append(parts)
    return sources
