"""Groove MIDI Dataset: solo drums by drummers on an electronic kit, rendered by FluidSynth.

    root/info.csv
    root/drummer1/session1/1_funk_80_beat_4-4.mid

Gillick, Roberts, Engel, Eck, Bamman: Learning to Groove with Inverse Sequence Transformations,
ICML 2019. Its splits train, validation and test are ours.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.files import inside, read_limited
from datasets.midi import fluidsynth
from datasets.midi.file import LARGEST, Event, MidiSong, read
from datasets.midi.notes import DRUMS, NOTE_OFF, NOTE_ON, PROGRAM, composition, notes
from datasets.midi.songs import LONGEST, check, draw, refuse
from datasets.midi.track import MidiFile, MidiTrack, Rendering, length
from datasets.song_files.opening import assign, root_folder
from datasets.track import SPLITS, Track

TABLE = "info.csv"
COLUMNS = ("id", "midi_filename", "split", "beat_type")
SPLIT_NAMES = {"train": "train", "validation": "valid", "test": "test"}
# Notes of the drummers' Roland TD-11 that General MIDI gives to another instrument or to none, and
# the General MIDI note of the same drum, as the dataset's publishers group them.
KEYS = {
    22: 42,  # closed hi-hat, edge
    26: 46,  # open hi-hat, edge
    40: 38,  # snare, rim
    47: 45,  # second tom, rim
    50: 48,  # first tom, rim
    52: 57,  # second crash, edge
    55: 49,  # first crash, edge
    58: 43,  # third tom, rim
}


@dataclass(frozen=True)
class GrooveOptions:
    """Which performances are listed, and how they are rendered.

    Attributes:
      soundfont, sample_rate, level: as of `datasets.midi.songs.MidiOptions`.
      kit: program of the drum kit, 0 to 127 (0 standard, 8 room, 16 power, 24 electronic, 25
        analogue, 32 jazz, 40 brushes; a font that lacks it plays its standard kit), or several:
        then each performance draws one by `seed` and its id.
      beats_only: leave fills out.
      shortest: leave performances out whose music is shorter, in seconds.
      seed: of the draws.
    """

    soundfont: str | os.PathLike | Sequence[str | os.PathLike] = "FluidR3_GM"
    kit: int | Sequence[int] = 0
    sample_rate: int = 32000
    beats_only: bool = False
    shortest: float = 1.0
    level: float = -18.0
    seed: int = 0

    def kits(self) -> list[int]:
        """Return the programs to draw from; ValueError for one that there cannot be."""
        kits = [self.kit] if isinstance(self.kit, int) else list(self.kit)
        if not kits or not all(isinstance(one, int) and 0 <= one <= 127 for one in kits):
            raise ValueError(f"kit={self.kit}: expected a program or several, 0 to 127")
        return kits


DEFAULTS = GrooveOptions()


def load(
    root: str | os.PathLike | None,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    options: GrooveOptions = DEFAULTS,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the performances; they are rendered when they are first read.

    Args:
      root: the dataset's folder.
      songs: ids of the performances to keep, such as "drummer1/session1/1"; None keeps all.
      valid, test: ids to put into these splits instead of their own.
      options: see `GrooveOptions`; each field is an option of the dataset.
      broken: None, or a list that gathers what is wrong with files that cannot be read.

    Returns:
      Stereo tracks of one stem, drums, sorted by split and name.

    Raises:
      OSError, ValueError: as of `datasets.midi.songs.load`; a table that is not as expected.
    """
    root = root_folder(root)
    check(options.sample_rate, options.level)
    fluidsynth.program()
    fonts = fluidsynth.fonts(options.soundfont)
    kits = options.kits()
    rows = {row["id"]: row for row in table(root / TABLE)}
    kept, moved = assign(rows, songs=songs, valid=valid, test=test)
    tracks = []
    for name, row in rows.items():
        if name not in kept or (options.beats_only and row["beat_type"] != "beat"):
            continue
        path = inside(root, row["midi_filename"], root / TABLE)
        try:
            midi = _performance(path)
        except (OSError, ValueError) as error:
            refuse(path, error, broken)
            continue
        if midi.stop < options.shortest:
            continue
        tracks.append(
            GrooveTrack(
                name,
                moved.get(name) or SPLIT_NAMES[row["split"]],
                midi,
                Rendering(draw(fonts, options.seed, name), options.sample_rate, options.level),
                kit=draw(kits, options.seed, f"kit of {name}"),
            )
        )
    if not tracks:
        raise ValueError(f"{root}: no performance is as asked for; see songs, beats_only, shortest")
    return sorted(tracks, key=lambda track: (SPLITS.index(track.split), track.name))


def _performance(path: Path) -> MidiFile:
    """Read one performance (OSError, ValueError without the file's name)."""
    data = read_limited(path, LARGEST)
    played = notes(_general_midi(read(data), 0))
    if not played:
        raise ValueError("has no notes on the drum channel")
    stop, cut = length(played, LONGEST)
    return MidiFile(path, data, ("drums",), composition(played), stop, warnings=cut)


class GrooveTrack(MidiTrack):
    """A performance of drums on a kit of General MIDI."""

    def __init__(self, name: str, split: str, midi: MidiFile, rendering: Rendering, kit: int):
        """`kit` is a program; the rest as of `MidiTrack`."""
        super().__init__(name, split, midi, rendering, standard=("drums",), warnings=midi.warnings)
        self.kit = kit

    def song(self, data: bytes) -> MidiSong:
        """Return the drum channel of a file, on the kit."""
        return _general_midi(read(data), self.kit)


def _general_midi(song: MidiSong, kit: int) -> MidiSong:
    """The drum channel alone, with the notes of General MIDI and a kit."""
    events = [Event(0, 0, bytes((PROGRAM | DRUMS, kit)))]
    for event in song.events:
        kind, channel = event.data[0] & 0xF0, event.data[0] & 0x0F
        if kind in (NOTE_ON, NOTE_OFF):
            if channel != DRUMS:
                continue
            key = event.data[1]
            data = bytes((event.data[0], KEYS.get(key, key), event.data[2]))
            event = event._replace(data=data)
        elif kind == PROGRAM:
            continue
        events.append(event)
    return MidiSong(song.division, events)


def table(path: Path) -> list[dict[str, str]]:
    """The rows of the table."""
    data = read_limited(path)
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
        lacking = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if lacking:
            raise ValueError(f"has no column {lacking[0]!r}; expected the dataset's table")
        rows = list(reader)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from None
    for number, row in enumerate(rows, 2):
        if row["split"] not in SPLIT_NAMES:
            names = ", ".join(SPLIT_NAMES)
            raise ValueError(f"{path}: line {number}: split {row['split']!r} is none of {names}")
        if not row["midi_filename"]:
            raise ValueError(f"{path}: line {number}: names no MIDI file")
    return rows
