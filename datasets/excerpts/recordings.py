"""One list of recordings, and how an excerpt is drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.activity.stretches import Intervals, Stretch, start_within
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.levels import deviation
from datasets.excerpts.shape import ExcerptShape
from datasets.sources import promised, read_sum, stems_of
from datasets.track import Track

_TRIES = 8
_SILENT = 1e-3  # RMS of full scale: −60 dBFS
_NOTHING_DBFS = -120.0  # a recording that never exceeds it holds nothing
_NOTHING = 10.0 ** (_NOTHING_DBFS / 20.0)
_BLOCK = 1 << 18  # samples read at a time while something audible is looked for
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class ExcerptDrawing:
    """How excerpts are drawn from every list of a stream; see `UnpairedExcerpts`."""

    shape: ExcerptShape
    augmentation: Augmentation
    intervals: Intervals | None = None


def check_recordings(
    label: str, tracks: Sequence[Track], role: str, named: Sequence[str] | None = None
) -> list[str]:
    """Check a list before excerpts are drawn from it; arguments as of `RecordingList`.

    Returns:
      The names of recordings that are silent throughout.

    Raises:
      ValueError: what is wrong with it, silence of all included; starts with `label`.
    """
    drawing = ExcerptDrawing(ExcerptShape(1, 1), Augmentation())
    recordings = RecordingList(role, tracks, drawing, named, label=label)
    recordings.refuse_silence()
    return recordings.silent()


class RecordingList:
    """Recordings of mixtures, or of one source.

    Args:
      role: "mixtures", or the name of the source.
      tracks: the recordings.
      drawing: how excerpts are drawn.
      named: all sources, for what "accompaniment" leaves out; None for a list of mixtures.
      factor: what an excerpt is multiplied by after it was divided by its song's level.
      label: what messages begin with; None: "unpaired mixtures" and the like.

    Raises:
      ValueError: no recordings, one without the stem, of one sample or of more than two channels.
    """

    def __init__(
        self,
        role: str,
        tracks: Sequence[Track],
        drawing: ExcerptShape,
        named: Sequence[str] | None = None,
        factor: float = 1.0,
        label: str | None = None,
    ):
        usual = f"unpaired {role}" if named is None else f"solo recordings of {role!r}"
        self.label = label or usual
        self.tracks = list(tracks)
        self._drawing = drawing
        self._factor = factor
        if not self.tracks:
            raise ValueError(f"{self.label}: the list is empty; check the dataset and its split")
        for track in self.tracks:
            if track.samples < 2:
                raise ValueError(
                    f"{self.label}: {track.name}: expected 2 samples or more, it has "
                    f"{track.samples}; leave it out"
                )
            if track.channels > 2:
                raise ValueError(
                    f"{self.label}: {track.name} has {track.channels} channels; expected 1 or 2: "
                    "mix it down, or leave it out"
                )
        self._stems = [
            ("mixture",) if named is None else self._stems_of(track, role, named)
            for track in self.tracks
        ]
        # No recording is less likely than one of a second: there are files of a single hit.
        chances = [max(track.samples, track.sample_rate) for track in self.tracks]
        self._chances = np.cumsum(np.asarray(chances, np.float64))
        self._levels: dict[int, float] = {}
        self._stretches: dict[int, list[Stretch]] = {}

    def _stems_of(self, track: Track, source: str, named: Sequence[str]) -> tuple[str, ...]:
        if promised(track, source, named):
            return stems_of(track, source, named)
        known = (*track.stems, *track.missing)
        there = f"only {', '.join(known)}" if known else "only a mixture"
        raise ValueError(f"{self.label}: {track.name} has no stem {source!r}, {there}")

    def agree(self, first: Track) -> None:
        """Raise ValueError unless all rates are that of `first`."""
        for track in self.tracks:
            if track.sample_rate != first.sample_rate:
                raise ValueError(
                    f"{self.label}: {track.name} has {track.sample_rate} Hz and {first.name} "
                    f"{first.sample_rate}; prepare caches at one rate"
                )

    def silent(self) -> list[str]:
        """Return the names of silent recordings; those without levels from a cache are read."""
        return [track.name for number, track in enumerate(self.tracks) if not self._sounds(number)]

    def refuse_silence(self) -> None:
        """Raise ValueError where all recordings are silent; reads up to the first sound."""
        if not any(self._sounds(number) for number in range(len(self.tracks))):
            names = [track.name for track in self.tracks]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ValueError(
                f"{self.label}: all are silent ({', '.join(names[:_SHOWN])}{more}); "
                "check the files, or name other ones"
            )

    def _sounds(self, number: int) -> bool:
        track, stems = self.tracks[number], self._stems[number]
        measured = getattr(track, "levels", {})  # of a cache
        summands = [one for stem in stems for one in track.stems_of(stem)]
        if all(one in measured for one in summands):
            peaks = [measured[one]["peak_dbfs"] for one in summands]
            return any(peak is not None and peak > _NOTHING_DBFS for peak in peaks)
        for start in range(0, track.samples, _BLOCK):
            audio = read_sum(track, stems, start, min(start + _BLOCK, track.samples))
            if np.max(np.abs(audio)) > _NOTHING:
                return True
        return False

    def draw(self, rng: np.random.Generator, into: np.ndarray) -> str:
        """Draw an excerpt, add it to zeros (samples, channels), return its song and position."""
        augmentation = self._drawing.augmentation
        must_play = rng.random() < augmentation.active_share
        for _ in range(_TRIES):
            number = self._pick(rng)
            track, stretches = self.tracks[number], self._active(number)
            start, offset, audio = self._cut(
                rng, number, stretches or [(0, track.samples)], len(into)
            )
            if stretches and (not must_play or _plays(audio)):
                break
        channels = augmentation.draw_channels(rng, track.channels, self._drawing.shape.channels)
        gain = augmentation.draw_gain(rng)
        if augmentation.normalise == "track":
            gain *= self._factor / self._level(number)
        for channel, original in enumerate(channels):
            into[offset : offset + len(audio), channel] = np.float32(gain) * audio[:, original]
        return f"{track.name}@{start / track.sample_rate:.1f}s"

    def _pick(self, rng: np.random.Generator) -> int:
        target = rng.random() * self._chances[-1]
        number = int(np.searchsorted(self._chances, target, side="right"))
        return min(number, len(self.tracks) - 1)  # where the product was rounded up

    def _cut(
        self, rng: np.random.Generator, number: int, stretches: Sequence[Stretch], wanted: int
    ) -> tuple[int, int, np.ndarray]:
        """Read an excerpt: its first sample in the song, its place in the excerpt, its audio."""
        track, stems, shape = self.tracks[number], self._stems[number], self._drawing.shape
        if track.samples >= wanted:
            start = start_within(rng, stretches, wanted, track.samples)
            return start, 0, read_sum(track, stems, start, start + wanted)
        audio = read_sum(track, stems, 0, track.samples)
        if shape.short == "pad":
            return 0, int(rng.integers(wanted - len(audio) + 1)), audio
        start = int(rng.integers(len(audio)))
        return start, 0, np.take(audio, np.arange(start, start + wanted), axis=0, mode="wrap")

    def _active(self, number: int) -> list[Stretch]:
        """Return the stretches to draw from; none where the source plays nowhere."""
        track, intervals = self.tracks[number], self._drawing.intervals
        if intervals is None:
            return [(0, track.samples)]
        if number not in self._stretches:
            self._stretches[number] = list(intervals(track, self._stems[number]))
        return self._stretches[number]

    def _level(self, number: int) -> float:
        """The level of a recording, measured when it is first needed; 1 for silence."""
        if number not in self._levels:
            self._levels[number] = deviation(self.tracks[number], self._stems[number]) or 1.0
        return self._levels[number]


def _plays(audio: np.ndarray) -> bool:
    return float(np.square(audio).sum()) > _SILENT**2 * audio.size
