"""Which notes go to which stem."""

import pytest

from datasets.midi import file, notes
from datasets.midi.file import Event, MidiSong
from datasets.midi.stems import lead_channel, split


def strikes(events):
    return [event for event in events if event.data[0] >> 4 == 9 and event.data[2]]


def lead_of(song):
    return lead_channel(song, notes.notes(song))


def test_every_note_goes_to_one_stem_and_all_else_to_all(make_band):
    song = file.read(make_band())
    stems = split(song, lead_of(song))
    assert {stem: len(strikes(events)) for stem, events in stems.items()} == {
        "drums": 48,  # 32 of the hi-hat, 8 of the bass drum, 8 of the snare
        "bass": 16,
        "other": 24,
        "vocals": 8,
    }
    rest = [event for event in song.events if event not in strikes(song.events)]
    for events in stems.values():
        assert [event for event in events if event not in strikes(events)] == rest
        assert [event.tick for event in events] == sorted(event.tick for event in events)
    told = [event for events in stems.values() for event in strikes(events)]
    assert sorted(told) == sorted(strikes(song.events))


def test_a_channel_that_changes_its_instrument_changes_its_stem():
    events = [
        Event(0, 0, b"\xc0\x20"),  # the first bass
        Event(0, 0, b"\x90\x24\x64"),
        Event(10, 0, b"\xc0\x27"),  # the last
        Event(10, 0, b"\x90\x25\x64"),
        Event(20, 0, b"\xc0\x28"),  # a violin
        Event(20, 0, b"\x90\x26\x64"),
        Event(30, 0, b"\xc9\x20"),  # on the drum channel it is a kit
        Event(30, 0, b"\x99\x27\x64"),
    ]
    stems = split(MidiSong(96, events), None)
    keys = {stem: [event.data[1] for event in strikes(its)] for stem, its in stems.items()}
    assert keys == {"drums": [0x27], "bass": [0x24, 0x25], "other": [0x26], "vocals": []}
    assert [e.data[1] for e in strikes(split(MidiSong(96, events), 0)["vocals"])] == [0x26]


def part(channel, program, keys, length=90, step=96, start=0):
    yield start, bytes((0xC0 | channel, program))
    for number in range(16):
        for key in keys:
            yield start + number * step, bytes((0x90 | channel, key, 90))
            yield start + number * step + length, bytes((0x80 | channel, key, 64))


def named(name, *messages):
    return [(0, b"\xff\x03" + bytes((len(name),)) + name), *messages]


@pytest.mark.parametrize(
    ("tracks", "channel"),
    [
        # A name comes first, even of a part that plays chords.
        ([[*part(0, 73, (90,))], named(b"Lead Vocals", *part(4, 0, (60, 64)))], 4),
        # A name that stands over several channels names none of them.
        (
            [[*part(0, 73, (72,))], named(b"Melody", *part(4, 0, (50, 54)), *part(5, 1, (50, 51)))],
            0,
        ),
        # A lead instrument comes before a higher part.
        ([[*part(0, 65, (60,))], [*part(1, 11, (84,))]], 0),
        # Of two lead instruments, the one that is heard longer.
        ([[*part(0, 65, (60,), 40)], [*part(1, 71, (55,), 90)]], 1),
        # Without one, the highest that plays single notes.
        ([[*part(0, 0, (80, 84))], [*part(1, 24, (60,))], [*part(2, 26, (66,))]], 2),
        # Lead instruments that play chords are a section, not a lead.
        ([[*part(0, 68, (70, 74))], [*part(1, 24, (60,))]], 1),
        # Basses and drums never lead, nor does a part of a few moments, nor chords.
        ([named(b"lead bass", *part(0, 33, (40,)))], None),
        ([named(b"lead drums", *part(9, 0, (40,)))], None),
        ([[*part(0, 0, (60, 64, 67))], [*part(1, 73, (80,), 2, 3)]], None),
        ([], None),
    ],
)
def test_the_lead_part(make_midi, tracks, channel):
    drums = [*part(9, 0, (36,))]
    assert lead_of(file.read(make_midi(drums, *tracks))) == channel
