"""Songs varied in time and pitch when a cache is prepared."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import soxr

from common.digests import facts_digest
from datasets.track import AudioShape, Track


def prepare_variants(
    tracks: Sequence[Track],
    count: int,
    *,
    speed: float = 0.06,
    semitones: float = 0.0,
    seed: int = 0,
) -> list[Track]:
    """Songs to prepare beside training songs: the same, a little faster or slower.

    A variant is played at a speed up to `speed` away from the original, as a tape is: tempo and
    pitch change together (soxr, no artefacts, transients stay sharp), in all stems alike. With
    `semitones`, the pitch of all stems but the drums is then moved on by a phase vocoder
    (librosa.effects.pitch_shift), by up to so many semitones, again alike in all of them.

    Speeds spread evenly over the range, so that no variant repeats the original or another one.

    Args:
      tracks: songs; only those of the split "train" are varied.
      count: variants per song; 0 gives none.
      speed: largest change of speed, as a share (0.06 is 6 %, one semitone).
      semitones: largest further change of pitch.
      seed: what is drawn follows from it and the song's name.

    Returns:
      Tracks called "song (variant 1)", …; hand them to `datasets.cache.prepare` with the songs.

    Raises:
      ValueError: a number out of its range.
    """
    if not 0 <= count <= 100:
        raise ValueError(f"variants={count}: expected 0 to 100 per song")
    if not 0.0 <= speed <= 0.5:
        raise ValueError(f"speed={speed}: expected a share from 0 to 0.5")
    if not 0.0 <= semitones <= 12.0:
        raise ValueError(f"semitones={semitones}: expected 0 to 12")
    made: list[Track] = []
    for track in tracks:
        if track.split != "train":
            continue
        name = track.name.encode("utf-8", "surrogateescape")
        rng = np.random.default_rng(np.random.SeedSequence([seed, *name]))
        for number in range(count):
            # One speed out of each of `count` equal parts of the range.
            part = (number + rng.random()) / count
            ratio = float((1.0 - speed) * ((1.0 + speed) / (1.0 - speed)) ** part)
            shift = float(rng.uniform(-semitones, semitones))
            made.append(Variant(track, number + 1, ratio, shift))
    return made


class Variant(Track):
    """A song played at another speed, the pitch of all but the drums moved on."""

    def __init__(self, track: Track, number: int, speed: float, semitones: float):
        """See `prepare_variants`; `speed` is a factor, above 1 is faster and higher."""
        super().__init__(
            f"{track.name} (variant {number})",
            track.split,
            AudioShape(track.sample_rate, track.channels, max(1, round(track.samples / speed))),
            track.stems,
            standard=track.standard,
            sums=track.sums,
            warnings=(
                *track.warnings,
                f"variant of {track.name}: speed × {speed:.4f}, pitch {semitones:+.2f} semitones",
            ),
        )
        self.original = track
        self.speed = speed
        self.semitones = semitones

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        return _varied(self, stem)[start:stop].copy()

    def _blocks(self, stem: str, block: int) -> Iterator[np.ndarray]:
        audio = self._vary(stem)
        for start in range(0, self.samples, block):
            yield audio[start : start + block]

    def _vary(self, stem: str) -> np.ndarray:
        audio = self.original.read(stem)
        rate = self.sample_rate
        audio = soxr.resample(audio, rate * self.speed, rate, quality="HQ")
        if self.semitones and stem != "drums":
            import librosa

            channels = [
                librosa.effects.pitch_shift(
                    np.ascontiguousarray(channel), sr=rate, n_steps=self.semitones
                )
                for channel in audio.T
            ]
            audio = np.stack(channels, axis=1)
        whole = np.zeros((self.samples, self.channels), np.float32)
        count = min(self.samples, len(audio))
        whole[:count] = audio[:count]
        return whole

    def fingerprint(self) -> str:
        """As of `Track`, by that of the original."""
        return facts_digest(self.original.fingerprint(), self.name, self.speed, self.semitones)


@functools.lru_cache(maxsize=4)
def _varied(track: Variant, stem: str) -> np.ndarray:
    """Excerpts in a row come from the same stem: the last few are kept."""
    return track._vary(stem)
