"""A song that FluidSynth renders from a MIDI file when it is read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.digests import content_digest, facts_digest
from common.files import read_limited
from datasets.kits.kit import Kit
from datasets.kits.playing import Hit, Playing
from datasets.kits.playing import render as play
from datasets.midi import fluidsynth
from datasets.midi.file import LARGEST, Event, MidiSong, read, write
from datasets.midi.fluidsynth import Font
from datasets.midi.notes import DRUMS, Note, TempoMap, notes
from datasets.midi.stems import split
from datasets.render_cache import TrackCache
from datasets.track import NOT_AUDIO, SOURCES, AudioShape, Track

# Part of a track's fingerprint: raise it when songs come to sound different, and prepared caches
# are computed again.
RECIPE = 1
TAIL = 3.0  # seconds after the last note, for its decay and the reverb
FADE = 0.5  # seconds at the end of it, in which what is left fades out
PEAK = 0.98  # no stem and no mixture is higher
BLOCK, RANGE_DB = 0.4, 20.0  # what counts as loud enough to be measured, see `loudness`
PEDAL, SOUND_OFF, NOTES_OFF, CONTROL = 64, 120, 123, 0xB0


@dataclass(frozen=True)
class MidiFile:
    """A MIDI file and what of it is played.

    Attributes:
      path, data: where it lies, and its bytes.
      stems: the stems that have notes.
      composition: digest of the notes, see `datasets.midi.notes.composition`.
      stop: when the music ends, in seconds; notes end there and the tail follows.
      lead: channel of the stem "vocals", or None.
      warnings: what is left out, one line each.
    """

    path: str | os.PathLike
    data: bytes
    stems: tuple[str, ...]
    composition: str
    stop: float
    lead: int | None = None
    warnings: tuple[str, ...] = ()

    def samples(self, sample_rate: int) -> int:
        """Return the length of the song with its tail."""
        return round((self.stop + TAIL) * sample_rate)


@dataclass(frozen=True)
class Rendering:
    """How a song is rendered.

    Attributes:
      font: the sound font.
      sample_rate: in Hz.
      level: loudness of the mixture in dBFS, see `normalise`.
      balance: lowest and highest loudness of the drums relative to the rest in dB, or None.
      kit: what plays the drums in place of the sound font, or None.
      seed: of the kit's draws.
    """

    font: Font
    sample_rate: int
    level: float
    balance: tuple[float, float] | None = None
    kit: Kit | None = None
    seed: int = 0


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
        midi: MidiFile,
        rendering: Rendering,
        *,
        standard: Sequence[str] = SOURCES,
        warnings: Sequence[str] = (),
    ):
        """Describe the song; `name`, `split`, `standard` and `warnings` as of `Track`."""
        shape = AudioShape(rendering.sample_rate, 2, midi.samples(rendering.sample_rate))
        super().__init__(name, split, shape, midi.stems, standard=standard, warnings=warnings)
        font = rendering.font
        self.path = os.fspath(midi.path)
        self.font = (font.name, font.bytes, font.digest)
        self.composition = midi.composition
        self.file_digest = content_digest(midi.data)
        self.recipe = RECIPE
        self.level, self.balance = rendering.level, rendering.balance
        self.lead, self.stop = midi.lead, midi.stop
        self._font_path = font.path
        self._kit = rendering.kit
        if rendering.kit is not None:
            self.kit_digest, self.seed = rendering.kit.digest, rendering.seed

    def fingerprint(self) -> str:
        """By the bytes of the MIDI file and the sound font, wherever they lie."""
        places = (*NOT_AUDIO, "path", "_font_path", "_kit")
        facts = {key: value for key, value in vars(self).items() if key not in places}
        return facts_digest(type(self).__name__, sorted(facts.items()))

    def song(self, data: bytes) -> MidiSong:
        """Return the events of a file, as they are to be played."""
        return read(data)

    def render(self) -> np.ndarray:
        """Render all stems → float32 (stems, samples, 2), full scale ±1, in the order of `stems`.

        Raises:
          OSError: the file cannot be read, FluidSynth failed.
          ValueError: the file is not what it was when the songs were listed.
        """
        data = read_limited(self.path, LARGEST)
        if content_digest(data) != self.file_digest:
            raise ValueError(f"{self.path}: has changed since the songs were listed; list again")
        song = self.song(data)
        events = split(song, self.lead)
        audio = np.empty((len(self.stems), self.samples, 2), np.float32)
        for place, stem in enumerate(self.stems):
            if stem == "drums" and self._kit is not None:
                audio[place] = self._played(song)
                continue
            midi = ended(song, events[stem], self.stop)
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

    def _played(self, song: MidiSong) -> np.ndarray:
        """The drums on the kit → float32 (samples, 2)."""
        hits = [
            Hit(note.start, note.key, note.velocity)
            for note in notes(song)
            if note.channel == DRUMS and note.start < self.stop
        ]
        playing = Playing(self.sample_rate, self.seed, vary=True)
        return play(self._kit, hits, self.samples, playing).sum(axis=0)

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        return _RECENT.read(self, stem, start, stop)


_RECENT = TrackCache()


def length(played: Sequence[Note], longest: float) -> tuple[float, tuple[str, ...]]:
    """Return when the music ends, in seconds, and a warning where it is cut at `longest`."""
    end = max(note.end for note in played)
    if end <= longest:
        return end, ()
    return longest, (f"lasts {end:.0f} s: cut after {longest:.0f} s",)


def ended(song: MidiSong, events: Sequence[Event], stop: float) -> bytes:
    """Make a MIDI file of some events of a song, in which no note lasts beyond `stop` seconds.

    FluidSynth goes on for ever while a note is held: by a pedal, or for lack of its end.
    """
    last = TempoMap(song).tick(stop)
    kept = [event for event in events if event.tick <= last]
    # Changes of tempo end at `last`, too.
    end = TempoMap(MidiSong(song.division, kept)).tick(stop + TAIL) + 1
    release = [
        Event(tick, 0, bytes((CONTROL | channel, controller, 0)))
        for tick, controllers in ((last, (PEDAL, NOTES_OFF)), (end, (SOUND_OFF,)))
        for channel in range(16)
        for controller in controllers
    ]
    return write(song.division, [*kept, *release], end)


def loudness(audio: np.ndarray, sample_rate: int) -> float:
    """RMS over the blocks of 0.4 s that lie within 20 dB of the loudest one; 0 for silence.

    Pauses, and a soft ending, do not make a song count as softer than it is.

    Args:
      audio: (samples, channels).
      sample_rate: in Hz.
    """
    block = max(1, round(BLOCK * sample_rate))
    starts = np.arange(0, len(audio), block)
    power = sum(np.square(one, dtype=np.float64) for one in audio.T) / audio.shape[1]
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
        peak = max(float(max(one.max(), -one.min())) for one in (mixture, stems))
        stems *= np.float32(min(10 ** (level / 20) / loud, PEAK / peak))
    return stems
