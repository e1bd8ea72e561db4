"""The notes of a song's drums as a General MIDI file."""

from datasets.midi import file as midi
from dssgan.kit.listening import DIVISION, Listener


def drum_midi(listener: Listener, name: str) -> tuple[bytes, int, float]:
    """The file, how many notes it has, and its beats per minute.

    Args:
      listener: that has heard all of the song's pieces. name: of the song.
    """
    events, end, tempo = listener.events(name)
    count = sum(data[0] & 0xF0 == 0x90 for _, _, data in events)
    return midi.write(DIVISION, [midi.Event(*one) for one in events], end), count, tempo
