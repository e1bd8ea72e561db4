"""A song that FluidSynth renders from a MIDI file when it is read."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.digests import content_digest, facts_digest
from datasets.midi import file, fluidsynth
from datasets.midi import stems as stems_module
from datasets.midi.file import Event, Song
from datasets.midi.fluidsynth import Font
from datasets.midi.notes import Clock, Note
from datasets.render_cache import RenderCache
from datasets.track import NOT_AUDIO, SOURCES, Track

# Part of a track's fingerprint: raise it when songs come to sound different, and prepared caches
# are computed again.
RECIPE = 1
TAIL = 3.0  # seconds after the last note, for its decay and the reverb
FADE = 0.5  # seconds at the end of it, in which what is left fades out
PEAK = 0.98  # no stem and no mixture is higher
BLOCK, RANGE_DB = 0.4, 20.0  # what counts as loud enough to be measured, see `loudness`
PEDAL, SOUND_OFF, NOTES_OFF, CONTROL = 64, 120, 123, 0xB0


class MidiTrack(Track):
    """A song whose stems are rendered when they are first read.

    The stems of a few hundred megabytes of songs last read are kept for the next read. The mixture
    is the sum of the stems. (Rendered in one go the song differs from that within single blocks of
    64 samples, in which FluidSynth ends a note: by −81 to −27 dB of the song, −42 dB in the median,
    over eight songs and two sound fonts.)

    Attributes:
      composition: digest of the notes; the same music has the same one whatever it is played on.
      font: name, size and SHA-256 of the sound font.
    """

    def __init__(
        self,
        name: str,
        split: str,
        path: str | os.PathLike,
        data: bytes,
        stems: Sequence[str],
        *,
        font: Font,
        sample_rate: int,
        stop: float,
        composition: str,
        level: float,
        standard: Sequence[str] = SOURCES,
        balance: tuple[float, float] | None = None,
        lead: int | None = None,
        warnings: Sequence[str] = (),
    ):
        """Describe the song.

        Args:
          path, data: the MIDI file and its bytes.
          stems: the stems that have notes.
          font: what it is rendered with.
          stop: when the music ends, in seconds; notes end there and the tail follows.
          composition: see above.
          level: loudness of the mixture in dBFS, see `normalise`.
          balance: lowest and highest loudness of the drums relative to the rest in dB, or None.
          lead: channel of the stem "vocals".
          others: as of `Track`.
        """
        samples = round((stop + TAIL) * sample_rate)
        super().__init__(
            name, split, sample_rate, 2, samples, stems, standard=standard, warnings=warnings
        )
        self.path = os.fspath(path)
        self.font = (font.name, font.bytes, font.digest)
        self.composition = composition
        self.file_digest = content_digest(data)
        self.recipe = RECIPE
        self.level, self.balance, self.lead, self.stop = level, balance, lead, stop
        self._font_path = font.path

    def fingerprint(self) -> str:
        """By the bytes of the MIDI file and the sound font, wherever they lie."""
        places = (*NOT_AUDIO, "path", "_font_path")
        facts = {key: value for key, value in vars(self).items() if key not in places}
        return facts_digest(type(self).__name__, sorted(facts.items()))

    def song(self, data: bytes) -> Song:
        """The events of the file, as they are to be played."""
        return file.read(data)

    def render(self) -> np.ndarray:
        """Render all stems → float32 (stems, samples, 2), full scale ±1, in the order of `stems`.

        Raises:
          OSError: the file cannot be read, FluidSynth failed.
          ValueError: the file is not what it was when the songs were listed.
        """
        data = Path(self.path).read_bytes()
        if content_digest(data) != self.file_digest:
            raise ValueError(f"{self.path}: has changed since the songs were listed; list again")
        song = self.song(data)
        parts = stems_module.split(song, self.lead)
        audio = np.empty((len(self.stems), self.samples, 2), np.float32)
        for place, stem in enumerate(self.stems):
            midi = ended(song, parts[stem], self.stop)
            try:
                audio[place] = fluidsynth.render(
                    midi, self._font_path, self.sample_rate, self.samples
                )
            except OSError as error:
                raise OSError(f"{self.path}: {stem}: {error}") from error
        fade = min(round(FADE * self.sample_rate), self.samples)
        audio[:, self.samples - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
        drums = self.stems.index("drums") if "drums" in self.stems else None
        return normalise(audio, self.sample_rate, self.level, drums, self.balance)

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        key = _Key(self)
        return _RECENT.song(key)[self.stems.index(stem), start:stop].copy()


class _Key:
    """A track, equal to every track that sounds the same."""

    def __init__(self, track: MidiTrack):
        self.track, self._fingerprint = track, track.fingerprint()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._fingerprint == other._fingerprint

    def __hash__(self) -> int:
        return hash(self._fingerprint)


_RECENT = RenderCache(lambda key: key.track.render(), limit=512 * 1024 * 1024)


def length(played: Sequence[Note], longest: float) -> tuple[float, tuple[str, ...]]:
    """When the music ends, in seconds, and a warning where it is cut at `longest`."""
    end = max(note.end for note in played)
    if end <= longest:
        return end, ()
    return longest, (f"lasts {end:.0f} s: cut after {longest:.0f} s",)


def ended(song: Song, events: Sequence[Event], stop: float) -> bytes:
    """A MIDI file of some events of a song, in which every note ends at `stop` seconds at last.

    FluidSynth plays on for ever while a note is held; a pedal or a missing end of a note would do.
    """
    last = Clock(song).tick(stop)
    kept = [event for event in events if event.tick <= last]
    end = Clock(Song(song.division, kept)).tick(stop + TAIL) + 1  # changes of tempo end there, too
    release = [
        Event(tick, 0, bytes((CONTROL | channel, controller, 0)))
        for tick, controllers in ((last, (PEDAL, NOTES_OFF)), (end, (SOUND_OFF,)))
        for channel in range(16)
        for controller in controllers
    ]
    return file.write(song.division, [*kept, *release], end)


def loudness(audio: np.ndarray, sample_rate: int) -> float:
    """RMS over the blocks of 0.4 s that lie within 20 dB of the loudest one; 0 for silence.

    Pauses, and a soft ending, do not make a song count as softer than it is.

    Args:
      audio: (samples, channels).
      sample_rate: in Hz.
    """
    block = max(1, round(BLOCK * sample_rate))
    starts = np.arange(0, len(audio), block)
    power = np.square(audio, dtype=np.float64).mean(axis=1)
    blocks = np.add.reduceat(power, starts) / np.diff([*starts, len(audio)])
    loud = blocks >= blocks.max() * 10 ** (-RANGE_DB / 10)
    return float(np.sqrt(blocks[loud].mean()))


def normalise(
    stems: np.ndarray,
    sample_rate: int,
    level: float,
    drums: int | None = None,
    balance: tuple[float, float] | None = None,
) -> np.ndarray:
    """Bring a song to a level.

    All stems get one factor, so that they stay as loud to each other as the song has them: the
    mixture has the loudness `level`, or less where a peak of it or of a stem would pass 0.98.
    With `balance` the drums first get a factor of their own, the nearest to 1 that puts their
    loudness relative to the sum of the other stems within these limits.

    Args:
      stems: float32 (stems, samples, channels); changed in place.
      sample_rate: in Hz.
      level: in dBFS.
      drums: which stem is the drums.
      balance: lowest and highest, in dB.
    """
    if balance is not None and drums is not None and len(stems) > 1:
        beat = loudness(stems[drums], sample_rate)
        rest = loudness(np.delete(stems, drums, axis=0).sum(axis=0), sample_rate)
        if beat and rest:
            difference = 20 * np.log10(beat / rest)
            stems[drums] *= np.float32(10 ** ((np.clip(difference, *balance) - difference) / 20))
    mixture = stems.sum(axis=0)
    if loud := loudness(mixture, sample_rate):
        peak = max(float(np.abs(mixture).max()), float(np.abs(stems).max()))
        stems *= np.float32(min(10 ** (level / 20) / loud, PEAK / peak))
    return stems
