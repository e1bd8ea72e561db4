"""Standard MIDI Files: events read and written byte by byte (MIDI 1.0, RP-001).

Stems are made by leaving notes out of a song and nothing else, so events are kept as the bytes they
came in. A library that parses every message into an object is slow here: more than a thousand files
are read when the songs are listed.
"""

from collections.abc import Iterable
from typing import NamedTuple

TEMPO, NAME, INSTRUMENT, END = 0x51, 0x03, 0x04, 0x2F  # kinds of meta events
META, SYSEX, SYSEX_GOES_ON = 0xFF, 0xF0, 0xF7
USUAL_TEMPO = 500_000  # microseconds per quarter note where a file says nothing
LARGEST = 2**21  # bytes; songs have kilobytes, and an event takes a hundred bytes of memory


class Event(NamedTuple):
    """One event.

    Attributes:
      tick: when, from the beginning of the song.
      track: the number of the track it was in; tracks often have names.
      data: of a channel's message all its bytes, of a system exclusive one 0xF0 or 0xF7 and what
        follows the length, of a meta event 0xFF, its kind and what follows the length.
    """

    tick: int
    track: int
    data: bytes


class MidiSong(NamedTuple):
    """A file's tracks in one: events by time, those of one tick by their tracks.

    Attributes:
      division: ticks per quarter note.
      events: without the ends of the tracks.
    """

    division: int
    events: list[Event]


def read(data: bytes) -> MidiSong:
    """Read a file of format 0 or 1, also within a RIFF container (.rmi).

    Times in SMPTE frames become ticks of a song at 60 quarter notes per minute.

    Args:
      data: the file's bytes.

    Raises:
      ValueError: no MIDI file, cut short, damaged, of format 2, a tempo of 0. One line, without the
        file's name.
    """
    if len(data) > LARGEST:
        raise ValueError(f"has {len(data)} bytes; expected a song, at most {LARGEST}")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[max(data.find(b"MThd"), 0) :]
    if data[:4] != b"MThd":
        raise ValueError(f"is no MIDI file: begins with {data[:4]!r}, expected b'MThd'")
    if len(data) < 14:
        raise ValueError("is cut short: ends within the header")
    header = int.from_bytes(data[4:8])
    kind, count, division = (int.from_bytes(data[at : at + 2]) for at in (8, 10, 12))
    if header < 6 or kind > 1:
        raise ValueError(f"is of format {kind}; expected 0 or 1, tracks that play together")
    if not division:
        raise ValueError("has 0 ticks per quarter note; expected 1 or more")
    events, at, found = [], 8 + header, 0
    while found < count:
        size = int.from_bytes(data[at + 4 : at + 8])
        if len(data) < at + 8 + size:
            raise ValueError(
                f"is cut short: ends within track {found + 1} of {count}; get the whole file"
            )
        if data[at : at + 4] == b"MTrk":
            events += _Track(data, at + 8, at + 8 + size, found).events()
            found += 1
        at += 8 + size  # chunks of other kinds are passed over, as the standard asks
    events.sort(key=lambda event: event[:2])
    if division >= 0x8000:
        division, events = _without_frames(division, events)
    for event in events:
        if event.data[:2] == bytes((META, TEMPO)) and not any(event.data[2:]):
            raise ValueError(f"has a tempo of 0 microseconds per quarter note at tick {event.tick}")
    return MidiSong(division, events)


def write(division: int, events: Iterable[Event], end: int) -> bytes:
    """Write a file of format 0.

    Args:
      division: ticks per quarter note, 1 to 32767.
      events: in the order of their ticks.
      end: tick of the end of the track; events after it are left out.
    """
    body = bytearray()
    last = 0
    for tick, _, data in events:
        if tick > end:
            break
        body += _length(tick - last)
        last = tick
        if data[0] == META:
            body += data[:2] + _length(len(data) - 2) + data[2:]
        elif data[0] in (SYSEX, SYSEX_GOES_ON):
            body += data[:1] + _length(len(data) - 1) + data[1:]
        else:
            body += data
    body += _length(end - last) + bytes((META, END, 0))
    header = b"MThd" + b"".join(
        number.to_bytes(size) for number, size in ((6, 4), (0, 2), (1, 2), (division, 2))
    )
    return header + b"MTrk" + len(body).to_bytes(4) + bytes(body)


class _Track:
    """Reads the events of one track."""

    def __init__(self, data: bytes, start: int, stop: int, number: int):
        self.data, self.at, self.stop, self.number = data, start, stop, number

    def events(self) -> list[Event]:
        data, stop, number = self.data, self.stop, self.number
        events = []
        tick = status = 0
        while self.at < stop:
            tick += self._number()
            if self.at >= stop:
                raise self._damaged("ends after a time")
            first = data[self.at]
            if first == META:
                kind = data[self.at + 1 : self.at + 2]
                self.at += 2
                payload = self._payload()
                if kind[0] == END:
                    break  # whatever follows is not played
                events.append(Event(tick, number, b"\xff" + kind + payload))
            elif first in (SYSEX, SYSEX_GOES_ON):
                self.at += 1
                events.append(Event(tick, number, bytes((first,)) + self._payload()))
            else:
                if first >= 0x80:
                    status = first
                    self.at += 1
                if not 0x80 <= status < 0xF0:
                    raise self._damaged(f"has byte {first:#04x} where an event begins")
                size = 1 if 0xC0 <= status < 0xE0 else 2
                message = bytes((status,)) + data[self.at : self.at + size]
                self.at += size
                if self.at > stop or max(message[1:]) > 0x7F:
                    raise self._damaged("has an event that is not whole")
                events.append(Event(tick, number, message))
        return events

    def _number(self) -> int:
        """A number of 7 bits per byte."""
        value = 0
        for at in range(self.at, min(self.at + 4, self.stop)):
            byte = self.data[at]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                self.at = at + 1
                return value
        raise self._damaged("has a number without an end")

    def _payload(self) -> bytes:
        size = self._number()
        start, self.at = self.at, self.at + size
        if self.at > self.stop:
            raise self._damaged("has an event that is not whole")
        return self.data[start : self.at]

    def _damaged(self, what: str) -> ValueError:
        return ValueError(f"is damaged: track {self.number + 1} {what} at byte {self.at}")


def _length(value: int) -> bytes:
    """A number of 7 bits per byte, the highest first; all but the last have bit 8 set."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def _without_frames(division: int, events: list[Event]) -> tuple[int, list[Event]]:
    """Frames per second and ticks per frame as ticks of quarter notes that last one second."""
    frames = 256 - (division >> 8)
    second = 1_000_000
    if frames == 29:  # means 29.97: 30 frames in 1.001 seconds
        frames, second = 30, 1_001_000
    per_second = frames * (division & 0xFF)
    if not 0 < per_second < 0x8000:
        raise ValueError(f"has {per_second} ticks per second; expected 1 to 32767")
    tempo = bytes((META, TEMPO)) + second.to_bytes(3)
    rest = [event for event in events if event.data[:2] != tempo[:2]]
    return per_second, [Event(0, 0, tempo), *rest]
