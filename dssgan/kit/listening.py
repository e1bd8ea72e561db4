"""The notes of a kit, heard while its pieces are separated."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from dssgan.kit.notes import DrumNote, drum_notes, tempo
from dssgan.kit.onsets import HitDetector

DIVISION = 960  # ticks per quarter note
LENGTH_S = 0.05  # of a note: drums die away by themselves
CHANNEL = 9  # channel 10, counted from 1
NOTE_OFF, NOTE_ON, META, NAME, TEMPO = 0x80, 0x90, 0xFF, 0x03, 0x51


class Listener:
    """Hears stems block by block, and hands them on.

    Args:
      pieces: the stems to hear. rate: in Hz.
    """

    def __init__(self, pieces: Sequence[str], rate: int):
        self._detectors = {piece: HitDetector(rate, piece) for piece in pieces}
        self._rate, self.samples = rate, 0

    def heard(
        self, blocks: Iterable[Mapping[str, np.ndarray]], kept: Sequence[str]
    ) -> Iterator[dict[str, np.ndarray]]:
        """The blocks, of which only some stems are handed on."""
        for block in blocks:
            for piece, detector in self._detectors.items():
                detector.push(block[piece])
            self.samples += len(next(iter(block.values())))
            yield {name: block[name] for name in kept}

    def notes(self) -> list[DrumNote]:
        """All notes by time."""
        return drum_notes({piece: each.hits() for piece, each in self._detectors.items()})

    def events(self, name: str) -> tuple[list[tuple[int, int, bytes]], int, float]:
        """What `datasets.midi.file.write` takes at `DIVISION`, the end's tick, and the tempo.

        One tempo for the whole song, the likeliest; notes are where they are in the song, to a
        tick (half a millisecond at 120), not on a grid of beats.
        """
        notes = self.notes()
        speed = tempo(notes)
        length = round(60e6 / speed)  # microseconds per quarter note
        ticks = DIVISION * 1e6 / length
        events = [(0, 0, bytes((META, NAME)) + name.encode("utf-8", "replace")[:120])]
        events.append((0, 0, bytes((META, TEMPO)) + length.to_bytes(3)))
        sounding = []
        for place, note in enumerate(notes):
            following = (n.time for n in notes[place + 1 : place + 16] if n.key == note.key)
            stop = min(note.time + LENGTH_S, next(following, np.inf))
            sounding += [
                (round(note.time * ticks), 1, bytes((NOTE_ON | CHANNEL, note.key, note.velocity))),
                (round(stop * ticks), 0, bytes((NOTE_OFF | CHANNEL, note.key, 0))),
            ]
        end = max([round(self.samples / self._rate * ticks), *(e[0] for e in sounding)])
        return events + sorted(sounding), end, 60e6 / length
