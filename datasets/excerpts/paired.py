"""Paired excerpts for training: a pure function of a seed and the number of the batch.

Because batch 1000 does not depend on batches 0 to 999, any worker computes any batch, and a run
that stopped goes on from a number.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.activity.lists import listed
from datasets.activity.runs import draw_start, voiced_runs
from datasets.activity.stretches import Stretch, Stretches
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effect_chain import EffectChain
from datasets.excerpts.levels import mono_level
from datasets.excerpts.plan import Plan, Segment, files_of
from datasets.excerpts.shape import ExcerptShape
from datasets.sources import ACCOMPANIMENT, read_sum, stems_of
from datasets.track import SOURCES, Track

_TRIES = 8
_SILENT = 1e-3  # RMS of full scale: −60 dBFS


class PairedExcerpts:
    """Batches of excerpts of songs whose stems are known.

        excerpts = PairedExcerpts(tracks, ExcerptShape(samples=131072, batch_size=16), seed=1)
        stems = excerpts.batch(0)["stems"]

    Args:
      tracks: songs at one sample rate.
      shape: samples, batch size, channels and sources; a song that is shorter than an excerpt is
        filled up with silence.
      augmentation: see `Augmentation`; None: its defaults.
      seed: everything random follows from it, from `stream` and from the number of the batch.
      stream: another stream of the same seed has other excerpts.
      weights: chance of each song relative to the others; by default its duration, so that every
        second of music is as likely as any other.

    Raises:
      ValueError: no songs, different rates, a source that a song does not know.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        shape: ExcerptShape,
        augmentation: Augmentation | None = None,
        *,
        seed: int = 0,
        stream: int = 0,
        weights: Sequence[float] | None = None,
    ):
        self.tracks = list(tracks)
        self.sources = SOURCES if shape.sources is None else tuple(shape.sources)
        self.samples = int(shape.samples)
        self.batch_size = int(shape.batch_size)
        self.channels = int(shape.channels)
        self.seed = int(seed)
        self.stream = int(stream)
        self.augmentation = Augmentation() if augmentation is None else augmentation
        self._check()
        self._check_weights(weights)
        self.sample_rate = self.tracks[0].sample_rate
        self._chain = EffectChain(
            self.augmentation.effects, self.sources, self.sample_rate, self.seed, self.stream
        )
        self._reach = self._chain.longest(self.samples)
        chances = [track.samples for track in self.tracks] if weights is None else weights
        self._chances = np.cumsum(np.asarray(chances, np.float64))
        self._levels: dict[int, float] = {}
        self._runs: dict[int, list[Stretch]] = {}
        self._stretches = Stretches(listed)
        self._accompaniment = self._stems_of_accompaniment()

    def _check(self) -> None:
        if not self.tracks:
            raise ValueError("no songs to take excerpts from; check the dataset and its split")
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"sources {', '.join(self.sources)}: expected names, each once")
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
            known = (ACCOMPANIMENT, *track.stems, *track.sums, *track.missing)
            for source in self.sources:
                if source not in known:
                    raise ValueError(f"{track.name}: no stem {source!r}, only {', '.join(known)}")
        if self.augmentation.active_share and self.augmentation.active not in self.sources:
            raise ValueError(
                f"active={self.augmentation.active!r}: not one of {', '.join(self.sources)}"
            )

    def _check_weights(self, weights: Sequence[float] | None) -> None:
        if weights is not None:
            weights = np.asarray(weights, np.float64)
            if weights.shape != (len(self.tracks),) or not np.all(np.isfinite(weights)):
                raise ValueError(f"expected {len(self.tracks)} finite weights, one per song")
            if np.any(weights < 0.0) or not np.sum(weights) > 0.0:
                raise ValueError("weights of songs: expected 0 or more, and one above 0")
        elif not any(track.samples for track in self.tracks):
            raise ValueError(f"{self.tracks[0].name} and the other songs have no samples")

    def _stems_of_accompaniment(self) -> tuple[str, ...]:
        """Stems within "accompaniment" in any of the songs, in a fixed order."""
        if not self.augmentation.split_accompaniment or ACCOMPANIMENT not in self.sources:
            return ()
        named = set(self.sources) - {ACCOMPANIMENT}
        found = {stem for track in self.tracks for stem in track.stems} - named
        order = {stem: place for place, stem in enumerate(SOURCES)}
        return tuple(sorted(found, key=lambda stem: (order.get(stem, len(order)), stem)))

    def batch(self, index: int) -> dict[str, Any]:
        """Return batch number `index` (0 or more).

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
        for item, sources in enumerate(plan.segments):
            if not self._chain.on:
                _read(sources, stems[item])
                continue
            draws = self._chain.draws(index, item)
            length = self._chain.length(self.samples, draws)
            audio = np.zeros((len(sources), length, self.channels), np.float32)
            _read(sources, audio)
            stems[item] = self._chain.apply(audio, self.samples, draws)
        return {"stems": stems, "names": plan.names}

    def paths(self) -> list[str] | None:
        """Return all files that are read; None unless every stem is a file of its own."""
        if self.augmentation.mixes > 1 or self._chain.on:
            return None
        return files_of(self.tracks)

    def files(self, index: int) -> dict[str, Any]:
        """Return batch number `index` for a reader of plain files; only where `paths` are known.

        Returns:
          "paths" (bytes), "starts" (int64, first sample) and "gains" (float32) of shape (batch,
          sources, files); "channels" (int64), with one more axis, says which channel of the file
          goes to each of the excerpt's. A source is the sum of its files. "names" as of `batch`.
        """
        counts = (len(self._stems(t, source)) for t in self.tracks for source in self.sources)
        return self.plan(index).files(max(1, len(self._accompaniment), *counts))

    def plan(self, index: int) -> Plan:
        """Return what batch `index` is made of (the order of the random numbers is part of it)."""
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(self.stream, int(index)))
        )
        portion = round(self.batch_size * self.augmentation.remix)
        portion = portion if portion > 1 else 0
        items = [self._draw(rng, item < portion) for item in range(self.batch_size)]
        titles = [[sources[0][0].title] for sources in items]
        remixed = [_remix(items, item, portion) for item in range(portion)]
        self._add_parts(remixed, items[:portion], index)
        items[:portion] = remixed
        titles[:portion] = [[one.title for source in item for one in source] for item in remixed]
        order = rng.permutation(self.batch_size)
        return Plan([items[n] for n in order], ["+".join(titles[n]) for n in order])

    def _draw(self, rng: np.random.Generator, remixed: bool = False) -> list[list[Segment]]:
        """Draw a song, a position and what is done to each stem: segments per source."""
        augmentation = self.augmentation
        must_play = rng.random() < augmentation.active_share
        for _ in range(_TRIES if must_play else 1):
            target = rng.random() * self._chances[-1]
            number = int(np.searchsorted(self._chances, target, side="right"))
            number = min(number, len(self.tracks) - 1)  # where the product was rounded up
            track = self.tracks[number]
            start = int(rng.integers(max(track.samples - self._reach, 0) + 1))
            place = self._playing(rng, number, start) if must_play else start
            if place is not None:
                start = place
                break
        level = self._level(number) if augmentation.normalise == "track" else 1.0
        apart = remixed and must_play and augmentation.active_rule == "activity"
        sources = []
        for source in self.sources:
            groups = [self._stems(track, source)]
            if source == ACCOMPANIMENT and self._accompaniment:
                groups = [(stem,) * (stem in track.stems) for stem in self._accompaniment]
            segments = []
            for stems in groups:
                channels, gains = (), ()
                for _ in range(augmentation.mixes):
                    channels += augmentation.draw_channels(rng, track.channels, self.channels)
                    gains += (augmentation.draw_gain(rng) / level,) * self.channels
                own = self._stretches.draw(rng, track, stems, self._reach) if apart else None
                begin = start if own is None else own
                segments.append(Segment(track, stems, begin, channels, gains[0], gains))
            sources.append(segments)
        return sources

    def _add_parts(
        self, remixed: list[list[list[Segment]]], items: list[list[list[Segment]]], index: int
    ) -> None:
        """Add to sources of remixed items what items with other songs have of them, in place."""
        parts = self.augmentation.effects.parts
        for item in range(len(remixed) if parts.chances else 0):
            rng = self._chain.draws(index, item)("parts")
            for source, name in enumerate(self.sources):
                own = remixed[item][source]
                others = [items[place][source] for place in rng.permutation(len(items))]
                for chance in parts.of(name):
                    fresh = [other for other in others if not _share_a_song(other, own)]
                    if rng.random() < chance and fresh:
                        own += fresh[0]

    def _stems(self, track: Track, source: str) -> tuple[str, ...]:
        return stems_of(track, source, self.sources)

    def _playing(self, rng: np.random.Generator, number: int, start: int) -> int | None:
        """Return a start at which the source that should play does so, or None."""
        track = self.tracks[number]
        stems = self._stems(track, self.augmentation.active)
        if self.augmentation.active_rule == "runs":
            if number not in self._runs:
                self._runs[number] = voiced_runs(track, stems)
            return draw_start(rng, self._runs[number], self._reach)
        if self.augmentation.active_rule == "activity":
            return self._stretches.draw(rng, track, stems, self._reach)
        audio = read_sum(track, stems, start, min(start + self.samples, track.samples))
        return start if float(np.square(audio).sum()) > _SILENT**2 * audio.size else None

    def _level(self, number: int) -> float:
        """The level of a song, measured when it is first needed."""
        if number not in self._levels:
            self._levels[number] = mono_level(self.tracks[number])
        return self._levels[number]


def _read(sources: list[list[Segment]], into: np.ndarray) -> None:
    """Add the segments of an excerpt to zeros (sources, samples, channels)."""
    for source, segments in enumerate(sources):
        for segment in segments:
            segment.read(into[source])


def _share_a_song(segments: list[Segment], others: list[Segment]) -> bool:
    return any(one.track is other.track for one in segments for other in others)


def _remix(items: list[list[list[Segment]]], item: int, portion: int) -> list[list[Segment]]:
    """Make item `item` of others of the first `portion`: segments per source.

    As in Meta-TasNet, its source number s comes from item + s (modulo the portion). Where the
    accompaniment is split, each of its stems counts as a source.
    """
    sources, place = [], 0
    for source, own in enumerate(items[item]):
        segments = []
        for number in range(len(own)):
            segments.append(items[(item + place) % portion][source][number])
            place += 1
        sources.append(segments)
    return sources
