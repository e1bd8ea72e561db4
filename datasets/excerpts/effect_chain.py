"""The effects of one excerpt after another, drawn from seed, stream, batch and place alone."""

from collections.abc import Callable

import numpy as np
import soxr
from scipy import fft

from datasets.audio.reading import fit_length
from datasets.excerpts import dynamics, filters
from datasets.excerpts.effects import FAMILIES, Effects

#: Family → its own random numbers, so that turning one on leaves what the others draw.
Draws = Callable[[str], np.random.Generator]
_ORDER = {family: number for number, family in enumerate((*FAMILIES, "silence"))}


class EffectChain:
    """What `Effects` do to excerpts of some sources.

    In this order: speed, width, tone and room, saturation, level, silence, compression, low-pass.

    Args:
      effects: see there.
      sources: their names, in the order in which excerpts hold them.
      rate: in Hz.
      seed, stream: everything random follows from them and from the numbers given to `draws`.

    Raises:
      ValueError: a name that is none of the sources; a folder without responses.
      OSError: a response cannot be read.
    """

    def __init__(
        self, effects: Effects, sources: tuple[str, ...], rate: int, seed: int, stream: int
    ):
        effects.check_sources(sources)
        self.on = effects.on
        self._effects, self._sources, self._rate = effects, sources, rate
        self._seed, self._stream = seed, stream
        room = effects.room
        self._tails = (
            filters.measured_tails(room.folder, rate) if room.share and room.folder else ()
        )

    def draws(self, index: int, place: int, key: int = 0) -> Draws:
        """Return the random numbers of each family for the excerpt at a place of a batch.

        Args:
          key: of the list that the excerpt is drawn from, where there are several.
        """

        def of(family: str) -> np.random.Generator:
            numbers = (self._stream, int(index), key, place, _ORDER[family])
            return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=numbers))

        return of

    def longest(self, samples: int) -> int:
        """Return how many samples are read at most for an excerpt."""
        speed = self._effects.speed
        return max(samples, round(samples * speed.factor[1])) if speed.share else samples

    def length(self, samples: int, draws: Draws) -> int:
        """Return how many samples are to be read for an excerpt: more where it is played faster."""
        speed, rng = self._effects.speed, draws("speed")
        if rng.random() >= speed.share:
            return samples
        factor = np.exp(rng.uniform(*np.log(speed.factor)))
        return max(1, round(samples * float(factor)))

    def apply(self, audio: np.ndarray, samples: int, draws: Draws) -> np.ndarray:
        """Apply the families to an excerpt.

        Args:
          audio: float32 (sources, `length` samples, channels).
          samples: of the excerpt afterwards.
          draws: those that `length` was called with.

        Returns:
          float32 (sources, samples, channels). The mixture is their sum.
        """
        planes = _resampled(np.array(audio.transpose(0, 2, 1), order="C"), samples)
        self._per_source(planes, draws)
        self._levels(planes, draws)
        compression, rng = self._effects.compression, draws("compression")
        if rng.random() < compression.share:
            threshold, ratio = (
                rng.uniform(*compression.threshold_db),
                rng.uniform(*compression.ratio),
            )
            planes *= dynamics.compression_curve(
                planes.sum(axis=0), self._rate, float(threshold), float(ratio)
            )
        low, rng = self._effects.lowpass, draws("lowpass")
        if rng.random() < low.share:
            cutoff = float(rng.uniform(*low.hertz))
            if cutoff < self._rate:
                planes = filters.lowpass(planes, self._rate, cutoff)
        return planes.transpose(0, 2, 1)

    def _per_source(self, planes: np.ndarray, draws: Draws) -> None:
        """Width, tone, room and saturation of each source, in place."""
        width, saturation = self._effects.width, self._effects.saturation
        widths, drives = draws("width"), draws("saturation")
        tones, rooms = draws("tone"), draws("room")
        for source in planes:
            changed = source
            factor = widths.uniform(*width.factor) if widths.random() < width.share else None
            drive = (
                drives.uniform(*saturation.drive_db) if drives.random() < saturation.share else None
            )
            if factor is not None:
                changed = dynamics.widened(changed, float(factor))
            changed = self._filtered(changed, tones, rooms)
            if drive is not None:
                changed = dynamics.saturated(changed, 10.0 ** (drive / 20.0))
            source[:] = changed

    def _filtered(
        self, source: np.ndarray, tones: np.random.Generator, rooms: np.random.Generator
    ) -> np.ndarray:
        """Tone and room of one source; both draw the same numbers whether it sounds or not."""
        tone, (channels, samples) = self._effects.tone, source.shape
        toned = tones.random() < tone.share
        tail, wet = self._draw_tail(rooms, channels, samples)
        if not toned and tail is None:
            return source
        length = filters.transform_length(samples, self._rate, 0 if tail is None else tail.shape[1])
        spectrum = fft.rfft(source, length)
        if toned:
            frequencies = fft.rfftfreq(length, 1.0 / self._rate)
            spectrum *= filters.draw_tone(tones, tone.db, frequencies)
        if tail is None:
            return fft.irfft(spectrum, length)[:, :samples]
        energy = dynamics.rms(fft.irfft(spectrum, length)[:, :samples] if toned else source)
        spectrum = filters.reverberated(spectrum, tail, wet, length)
        return dynamics.with_energy(fft.irfft(spectrum, length)[:, :samples], energy)

    def _draw_tail(
        self, rng: np.random.Generator, channels: int, samples: int
    ) -> tuple[np.ndarray | None, float]:
        """Draw the reverberation of one source and its amplitude; None: it has none."""
        room = self._effects.room
        if rng.random() >= room.share:
            return None, 0.0
        wet = float(rng.uniform(*room.wet))
        if self._tails:
            tail = self._tails[int(rng.integers(len(self._tails)))][:channels, :samples]
            return tail, wet
        decay = float(np.exp(rng.uniform(*np.log(room.seconds))))
        return filters.draw_noise_tail(rng, (channels, samples), decay, self._rate), wet

    def _levels(self, planes: np.ndarray, draws: Draws) -> None:
        """Level of one source against the others, and silent sources, in place."""
        level, rng = self._effects.level, draws("level")
        if rng.random() < level.share:
            number = self._sources.index(level.source)
            planes[number] *= np.float32(
                dynamics.level_factor(planes, number, float(rng.uniform(*level.db)))
            )
        silences = draws("silence").random(len(self._sources))
        for number, source in enumerate(self._sources):
            if silences[number] < self._effects.silence.get(source, 0.0):
                planes[number] = 0.0


def _resampled(planes: np.ndarray, samples: int) -> np.ndarray:
    """Resample (sources, channels, read) to so many samples."""
    read = planes.shape[2]
    if read == samples:
        return planes
    rows = planes.reshape(-1, read)
    found = [fit_length(soxr.resample(row, read, samples, quality="HQ"), samples) for row in rows]
    return np.stack(found).reshape(*planes.shape[:2], samples)
