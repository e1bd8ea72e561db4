"""MIDI files byte by byte: what is read, what is refused, times, notes, what makes two alike."""

import numpy as np
import pytest

from datasets.midi import file, notes
from datasets.midi.file import Event, MidiSong
from datasets.midi.notes import Note, TempoMap

HEADER = b"MThd\x00\x00\x00\x06"
# Written by hand: a tempo, a program, two notes in running status, a system exclusive message, an
# end by velocity 0, and an end of the track after 200 ticks (two bytes).
BODY = (
    b"\x00\xff\x51\x03\x07\xa1\x20"
    b"\x00\xc3\x21"
    b"\x00\x93\x3c\x64"
    b"\x0a\x40\x50"
    b"\x00\xf0\x05\x7e\x7f\x09\x01\xf7"
    b"\x56\x93\x3c\x00"
    b"\x00\x83\x40\x40"
    b"\x81\x48\xff\x2f\x00"
)
FILE = HEADER + b"\x00\x00\x00\x01\x00\x60" + b"MTrk" + len(BODY).to_bytes(4) + BODY
EVENTS = [
    Event(0, 0, b"\xff\x51\x07\xa1\x20"),
    Event(0, 0, b"\xc3\x21"),
    Event(0, 0, b"\x93\x3c\x64"),
    Event(10, 0, b"\x93\x40\x50"),
    Event(10, 0, b"\xf0\x7e\x7f\x09\x01\xf7"),
    Event(96, 0, b"\x93\x3c\x00"),
    Event(96, 0, b"\x83\x40\x40"),
]


def test_format_0_with_running_status_and_system_exclusive():
    assert file.read(FILE) == MidiSong(96, EVENTS)
    riff = b"RIFF" + (12 + len(FILE)).to_bytes(4, "little") + b"RMIDdata"
    assert file.read(riff + len(FILE).to_bytes(4, "little") + FILE) == MidiSong(96, EVENTS)


def test_format_1_merges_tracks_by_time(make_midi):
    data = make_midi(
        [(0, b"\xff\x03\x04Lead"), (96, b"\x90\x3c\x40")],
        [(48, b"\xc0\x05"), (96, b"\xc0\x06"), (100_000, b"\x90\x3c\x00")],
    )
    foreign = b"XFIH\x00\x00\x00\x02\x01\x02"  # a chunk of a kind that is none of ours
    assert file.read(data[:14] + foreign + data[14:]).events == [
        Event(0, 0, b"\xff\x03Lead"),
        Event(48, 1, b"\xc0\x05"),
        Event(96, 0, b"\x90\x3c\x40"),
        Event(96, 1, b"\xc0\x06"),
        Event(100_000, 1, b"\x90\x3c\x00"),
    ]


def test_what_is_written_is_read(rng):
    ticks = np.sort(rng.integers(0, 2**24, 300))
    events = []
    for tick in ticks.tolist():
        kind = rng.integers(4)
        long = rng.bytes(200)
        payload = (b"\x92\x40\x11", b"\xd2\x40", b"\xff\x03" + long, b"\xf0" + long)[kind]
        events.append(Event(tick, 0, payload))
    data = file.write(480, events, int(ticks[-2]))
    assert file.read(data) == MidiSong(480, [e for e in events if e.tick <= ticks[-2]])


def test_every_file_that_was_cut_is_refused():
    for size in range(len(FILE)):
        with pytest.raises(ValueError, match=r"cut short|no MIDI file"):
            file.read(FILE[:size])


def test_damage_is_an_error_of_one_line_or_another_song(rng):
    for _ in range(500):
        data = bytearray(FILE)
        data[rng.integers(len(data))] = rng.integers(256)
        try:
            assert file.read(bytes(data)).division > 0
        except ValueError as error:
            assert "\n" not in str(error)


def body(events: bytes, kind: int = 0, division: int = 96) -> bytes:
    numbers = b"".join(number.to_bytes(2) for number in (kind, 1, division))
    return HEADER + numbers + b"MTrk" + len(events).to_bytes(4) + events


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not music at all", "no MIDI file"),
        (body(BODY, kind=2), "format 2"),
        (body(BODY, division=0), "0 ticks per quarter"),
        (body(b"\x00\xff\x51\x03\x00\x00\x00"), "tempo of 0 microseconds per quarter note at tick"),
        (body(b"\x00\x3c\x40"), "0x3c where an event begins"),
        (body(b"\x00\xf4\x40"), "0xf4 where an event begins"),
        (body(b"\x00\x90\x3c\x80"), "event that is not whole"),
        (body(b"\x00\xf0\x40\x00"), "event that is not whole"),
        (body(b"\xff\xff\xff\xff\x00\x90\x3c\x40"), "number without an end"),
        (body(b"\x00"), "ends after a time"),
        (bytes(file.LARGEST + 1), "at most"),
    ],
)
def test_bad_files_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        file.read(data)


def test_frames_become_ticks_of_a_second():
    song = file.read(body(BODY, division=(256 - 25) << 8 | 40))
    assert song.division == 1000 and TempoMap(song).seconds(500) == pytest.approx(0.5)
    song = file.read(body(BODY, division=(256 - 29) << 8 | 10))  # 29.97 frames
    assert TempoMap(song).seconds(3000) == pytest.approx(10.01)


def tempo(microseconds: int) -> bytes:
    return b"\xff\x51" + microseconds.to_bytes(3)


def test_clock_follows_changes_of_tempo():
    song = MidiSong(100, [Event(0, 0, tempo(1_000_000)), Event(200, 0, tempo(250_000))])
    clock = TempoMap(song)
    assert [clock.seconds(tick) for tick in (0, 100, 200, 300)] == [0.0, 1.0, 2.0, 2.25]
    assert TempoMap(MidiSong(100, [])).seconds(200) == 1.0  # 120 quarter notes per minute
    for tick in (0, 57, 200, 201, 999):
        assert clock.tick(clock.seconds(tick) + 1e-9) == tick


def test_notes_have_times_and_programs():
    ons = [
        Event(0, 0, b"\xc1\x05"),
        Event(0, 0, b"\x91\x3c\x40"),
        Event(96, 0, b"\xc1\x21"),
        Event(96, 2, b"\x91\x3c\x30"),  # the same key again before it was released
        Event(192, 0, b"\x81\x3c\x00"),
        Event(192, 0, b"\x81\x30\x00"),  # ends nothing
        Event(288, 0, b"\x91\x3c\x00"),
        Event(288, 0, b"\x90\x20\x7f"),
        Event(384, 0, b"\xb0\x07\x64"),
    ]
    assert notes.notes(MidiSong(96, ons)) == [
        Note(0.0, 1.0, 1, 0x3C, 0x40, 5, 0),
        Note(0.5, 1.5, 1, 0x3C, 0x30, 0x21, 2),
        Note(1.5, 2.0, 0, 0x20, 0x7F, 0, 0),  # never ended: to the last event
    ]


def test_composition_is_the_music_and_not_the_file(make_band):
    song = file.read(make_band())
    first = notes.composition(notes.notes(song))

    def changed(change, division=song.division):
        events = [change(event) for event in song.events]
        return notes.composition(notes.notes(MidiSong(division, events)))

    def softer(event):
        data = event.data
        return event._replace(data=data[:2] + b"\x20") if data[0] >> 4 == 9 else event

    def other_sound(event):
        data = event.data
        return event._replace(data=data[:1] + b"\x50") if data[0] >> 4 == 12 else event

    def moved(event):
        data = event.data
        return event._replace(data=data[:1] + b"\x3d" + data[2:]) if data[1] == 60 else event

    assert changed(softer) == first and changed(other_sound) == first
    assert changed(lambda event: event._replace(tick=2 * event.tick), 192) == first
    late = lambda event: event._replace(tick=event.tick + 960 * (event.data[0] < 0xF0))  # noqa: E731
    assert changed(late) == first
    assert changed(moved) != first
    assert changed(lambda event: event._replace(tick=2 * event.tick)) != first


def test_sounding_tells_melodies_from_chords():
    def note(start, end, key):
        return Note(start, end, 0, key, 100, 0, 0)

    melody = [note(0.0, 1.02, 60), note(1.0, 2.0, 62), note(3.0, 4.0, 64)]  # a little slurred
    some, single = notes.sounding(melody)
    assert some == pytest.approx(single) and some == pytest.approx(3.0, abs=0.2)
    some, single = notes.sounding([note(0.0, 2.0, 60), note(0.0, 2.0, 64)])
    assert some == pytest.approx(1.95) and single == 0.0
    assert notes.sounding([]) == (0.0, 0.0)
