"""What a MIDI song plays: its notes in seconds, and whether two files hold the same music."""

import bisect
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from common.digests import facts_digest
from datasets.midi.file import META, TEMPO, USUAL_TEMPO, MidiSong

DRUMS = 9  # channel 10, counted from 1
NOTE_OFF, NOTE_ON, PROGRAM = 0x80, 0x90, 0xC0
GRID = 0.02  # seconds; finer differences of two files are rounding, not music


class Note(NamedTuple):
    """A note.

    Attributes:
      start, end: in seconds.
      channel: 0 to 15.
      key: 0 to 127, 60 is the middle C.
      velocity: 1 to 127.
      program: of its channel when it began, 0 to 127.
      track: the number of its track in the file.
    """

    start: float
    end: float
    channel: int
    key: int
    velocity: int
    program: int
    track: int


class TempoMap:
    """Ticks of a song to seconds and back, through all its changes of tempo."""

    def __init__(self, song: MidiSong):
        self._ticks, self._seconds, self._lengths = [0], [0.0], [USUAL_TEMPO / 1e6 / song.division]
        for tick, _, data in song.events:
            if data[0] == META and data[1] == TEMPO:
                now = self.seconds(tick)
                if tick > self._ticks[-1]:
                    self._ticks.append(tick)
                    self._seconds.append(now)
                    self._lengths.append(0.0)
                self._lengths[-1] = int.from_bytes(data[2:]) / 1e6 / song.division

    def seconds(self, tick: int) -> float:
        """When a tick is."""
        place = bisect.bisect_right(self._ticks, tick) - 1
        return self._seconds[place] + (tick - self._ticks[place]) * self._lengths[place]

    def tick(self, seconds: float) -> int:
        """The last tick that is not after a time."""
        place = bisect.bisect_right(self._seconds, seconds) - 1
        return self._ticks[place] + int((seconds - self._seconds[place]) / self._lengths[place])


def notes(song: MidiSong) -> list[Note]:
    """All notes, by their beginnings. One that is never ended lasts to the last event."""
    clock = TempoMap(song)
    programs = [0] * 16
    open_notes: dict[tuple[int, int], deque] = defaultdict(deque)
    found: list[Note] = []

    def close(begun: tuple, end: float) -> None:
        start, *rest = begun
        found.append(Note(start, end, *rest))

    last_tick, now = -1, 0.0
    for tick, track, data in song.events:
        if tick != last_tick:
            last_tick, now = tick, clock.seconds(tick)
        kind, channel = data[0] & 0xF0, data[0] & 0x0F
        if kind == NOTE_ON and data[2]:
            begun = (now, channel, data[1], data[2], programs[channel], track)
            open_notes[channel, data[1]].append(begun)
        elif kind in (NOTE_ON, NOTE_OFF):
            if waiting := open_notes[channel, data[1]]:
                close(waiting.popleft(), now)
        elif kind == PROGRAM:
            programs[channel] = data[1]
    for waiting in open_notes.values():
        for begun in waiting:
            close(begun, now)
    return sorted(found)


def composition(played: Sequence[Note]) -> str:
    """A digest of which keys are struck when, in hexadecimal.

    It is the same for another sound font, other instruments, volumes, titles or division, and for
    silence before the first note: still the same music. Drums count apart from other notes.
    """
    first = min((note.start for note in played), default=0.0)
    struck = {
        (round((note.start - first) / GRID), note.key, note.channel == DRUMS) for note in played
    }
    return facts_digest(sorted(struck))


def sounding(played: Iterable[Note]) -> tuple[float, float]:
    """Seconds in which at least one note, and in which exactly one note is held."""
    changes = []
    for note in played:
        # Notes are slurred: one that reaches a little into the next one is no chord.
        end = note.end - min(0.05, 0.3 * (note.end - note.start))
        changes += [(note.start, 1), (end, -1)]
    some = single = 0.0
    held, last = 0, 0.0
    for now, change in sorted(changes):
        some += (now - last) * (held > 0)
        single += (now - last) * (held == 1)
        held, last = held + change, now
    return some, single
