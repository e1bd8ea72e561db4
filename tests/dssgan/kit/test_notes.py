"""Hits as General MIDI notes, their tempo, and the file that they become."""

import numpy as np
import pytest

from datasets.midi import file as midi
from datasets.midi.notes import notes as notes_of
from dssgan.kit.listening import DIVISION, Listener
from dssgan.kit.notes import CRASH, HAT_CLOSED, HAT_OPEN, KICK, RIDE, SNARE, drum_notes, tempo
from dssgan.kit.onsets import Hit
from tests.dssgan.kit.test_onsets import RATE, clicks


def hit(time, velocity=100, fall=30.0, centre=1000.0):
    return Hit(time, velocity, -20.0, fall, centre)


def test_keys_of_pieces():
    notes = drum_notes(
        {
            "snare": [hit(1.0)],
            "kick": [hit(0.0, 90)],
            "hats": [hit(0.5), hit(1.5, fall=3.0)],
            "cymbals": [hit(0.0), *(hit(3.0 + 0.4 * n) for n in range(4))],
            "toms": [hit(2.0, centre=300.0), hit(2.2, centre=200.0), hit(2.4, centre=120.0)],
            "triangle": [hit(9.0)],
        }
    )
    keys = [(note.time, note.key) for note in notes]
    assert keys[:2] == [(0.0, KICK), (0.0, CRASH)] and (1.0, SNARE) in keys
    assert (0.5, HAT_CLOSED) in keys and (1.5, HAT_OPEN) in keys
    assert [key for time, key in keys if 2 <= time < 3] == [50, 47, 43]
    assert [key for time, key in keys if time >= 3] == [CRASH, RIDE, RIDE, CRASH]
    assert notes[0].velocity == 90 and drum_notes({}) == []


@pytest.mark.parametrize("bpm", [72.0, 97.3, 120.0, 141.0])
def test_tempo_of_a_steady_beat(bpm):
    beat = 60 / bpm
    hits = {
        "kick": [hit(2 * n * beat) for n in range(20)],
        "snare": [hit((2 * n + 1) * beat) for n in range(20)],
        "hats": [hit(n * beat / 2, 60) for n in range(80)],
    }
    found = tempo(drum_notes(hits))
    # Half and double are the same music to a machine.
    assert min(abs(found * factor / bpm - 1) for factor in (0.5, 1.0, 2.0)) < 0.01


def test_without_a_beat_it_is_120():
    assert tempo([]) == 120.0
    assert tempo(drum_notes({"kick": [hit(0.0), hit(0.01)]})) == 120.0


def test_the_file_says_when_and_what():
    times = [0.25, 0.75, 1.5, 2.0, 3.0]
    kick, rest = clicks(times, [0.4] * 5), clicks([0.5], [0.4])
    listener = Listener(["kick"], RATE)
    blocks = [
        {"kick": kick[n : n + 5000], "rest": rest[n : n + 5000]} for n in range(0, len(kick), 5000)
    ]
    handed = list(listener.heard(blocks, ["rest"]))
    assert [list(block) for block in handed] == [["rest"]] * len(blocks)
    np.testing.assert_array_equal(np.concatenate([block["rest"] for block in handed]), rest)
    events, end, _ = listener.events("söng")
    song = midi.read(midi.write(DIVISION, [midi.Event(*event) for event in events], end))
    found = notes_of(song)
    assert {(note.key, note.channel) for note in found} == {(KICK, 9)}
    assert np.abs(np.array([note.start for note in found]) - times).max() < 0.008
    assert any(b"s\xc3\xb6ng" in event.data for event in song.events)


def test_nothing_heard_is_a_file_without_notes():
    listener = Listener(["kick"], RATE)
    list(listener.heard([{"kick": np.zeros((RATE, 2), np.float32)}], ["kick"]))
    events, end, bpm = listener.events("silence")
    song = midi.read(midi.write(DIVISION, [midi.Event(*event) for event in events], end))
    assert notes_of(song) == [] and bpm == pytest.approx(120.0) and end == 2 * DIVISION
