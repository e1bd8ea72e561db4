"""Which notes of a General MIDI song belong to which stem.

Notes are assigned one by one, by the channel and by the program (the instrument) that the channel
has when the note begins: a channel that changes from a bass to a guitar in the middle of a song
changes its stem there. Everything that is not the beginning of a note stays in every stem: tempo,
controllers, pitch bends, programs, ends of notes. So each stem sounds as it does within the song,
and the stems add up to it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from datasets.midi.file import INSTRUMENT, META, NAME, Event, MidiSong
from datasets.midi.notes import DRUMS, NOTE_ON, PROGRAM, Note, sounding

STEMS = ("drums", "bass", "other", "vocals")
BASSES = range(32, 40)  # programs counted from 0, as of General MIDI level 1
LEADS = frozenset(
    (
        *(40, 41, 42, 110),  # violin, viola, cello, fiddle
        *(22, 52, 53, 54, 85),  # harmonica, choir, voice, synthetic voice, voice lead
        *range(56, 61),  # trumpet, trombone, tuba, muted trumpet, horn
        *range(64, 80),  # reeds and pipes
        *range(80, 88),  # synthetic leads
    )
)
LEAD_WORDS = re.compile(r"melod|vocal|voice|vox|lead|sing|solo")
ENOUGH = 0.1  # a lead sounds for at least this share of the song
SINGLE = 0.8  # and plays single notes for at least this share of that


def lead_channel(song: MidiSong, played: Sequence[Note]) -> int | None:
    """Return the channel of the lead part, or None.

    Of the channels that sound for a tenth of the song or more, bass notes and drums aside:
    1. those whose track is called melody, vocal, voice, vox, lead, singer or solo;
    2. else those that mostly play a lead instrument (`LEADS`), and single notes;
    the one that sounds the longest; 3. else the highest one that plays mostly single notes.

    The lead is a channel and not a program, because a melody stays on its channel when its
    instrument changes.
    """
    channels = defaultdict(list)
    for note in played:
        if note.channel != DRUMS and note.program not in BASSES:
            channels[note.channel].append(note)
    length = max((note.end for note in played), default=0.0) - min(
        (note.start for note in played), default=0.0
    )
    seconds = {channel: sounding(its) for channel, its in sorted(channels.items())}
    enough = [channel for channel in seconds if seconds[channel][0] >= ENOUGH * length > 0]
    single = [channel for channel in enough if seconds[channel][1] >= SINGLE * seconds[channel][0]]
    names = _names(song, played)
    called = [channel for channel in enough if LEAD_WORDS.search(names.get(channel, ""))]
    leads = [channel for channel in single if _mostly(channels[channel]) in LEADS]
    for candidates in (called, leads):
        if candidates:
            return max(candidates, key=lambda channel: seconds[channel][0])
    return max(
        single,
        key=lambda channel: sum(note.key for note in channels[channel]) / len(channels[channel]),
        default=None,
    )


def stem_of(channel: int, program: int, lead: int | None) -> str:
    """The stem of a note."""
    if channel == DRUMS:
        return "drums"
    if program in BASSES:
        return "bass"
    return "vocals" if channel == lead else "other"


def split(song: MidiSong, lead: int | None) -> dict[str, list[Event]]:
    """The events of each stem of `STEMS`; those of a stem without notes stay, too."""
    stems: dict[str, list[Event]] = {stem: [] for stem in STEMS}
    programs = [0] * 16
    for event in song.events:
        kind, channel = event.data[0] & 0xF0, event.data[0] & 0x0F
        if kind == PROGRAM:
            programs[channel] = event.data[1]
        if kind == NOTE_ON and event.data[2]:
            stems[stem_of(channel, programs[channel], lead)].append(event)
        else:
            for events in stems.values():
                events.append(event)
    return stems


def _mostly(played: Sequence[Note]) -> int:
    """The program of most notes."""
    return Counter(note.program for note in played).most_common(1)[0][0]


def _names(song: MidiSong, played: Sequence[Note]) -> dict[int, str]:
    """What a channel is called, by tracks that play on one channel alone."""
    channels = defaultdict(set)
    for note in played:
        channels[note.track].add(note.channel)
    names = defaultdict(str)
    for _, track, data in song.events:
        if data[0] == META and data[1] in (NAME, INSTRUMENT) and len(channels[track]) == 1:
            names[next(iter(channels[track]))] += data[2:].decode("latin-1").lower() + " "
    return names
