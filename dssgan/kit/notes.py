"""Hits of the pieces of a kit as General MIDI drum notes, and the tempo they are written in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dssgan.kit.onsets import Hit

#: Keys of channel 10 (General MIDI level 1): low, middle and high tom; ride and crash.
KICK, SNARE, HAT_CLOSED, HAT_OPEN, CRASH, RIDE = 36, 38, 42, 46, 49, 51
TOMS = (43, 47, 50)
TOM_STEP = 1.2  # ratio of spectral centres from one tom to the next
OPEN_FALL_DB = 12.0  # a hat that loses less within 0.15 s is open
RIDE_GAP_S = 0.8  # a cymbal with others this near on both sides is a ride
SLOWEST, FASTEST, USUAL = 60.0, 200.0, 120.0  # quarter notes per minute
GRID_S = 0.01


class DrumNote(NamedTuple):
    """A note: time in seconds, General MIDI key, velocity 1 to 127."""

    time: float
    key: int
    velocity: int


def drum_notes(hits: Mapping[str, Sequence[Hit]]) -> list[DrumNote]:
    """Notes by time of {piece: hits}; pieces that are no part of a kit are left out.

    A tom's key follows from its spectrum beside the others', a hat's from how it dies away, a
    cymbal's from what is beside it.
    """
    keys = {
        "kick": lambda found: [KICK] * len(found),
        "snare": lambda found: [SNARE] * len(found),
        "toms": _toms,
        "hats": lambda found: [HAT_OPEN if h.fall < OPEN_FALL_DB else HAT_CLOSED for h in found],
        "cymbals": _cymbals,
    }
    notes = [
        DrumNote(hit.time, key, hit.velocity)
        for piece, found in hits.items()
        if piece in keys
        for hit, key in zip(found, keys[piece](found))
    ]
    return sorted(notes)


def _toms(found: Sequence[Hit]) -> list[int]:
    middle = np.median([hit.centre for hit in found]) if found else 0.0
    return [
        TOMS[1 + int(hit.centre > middle * TOM_STEP) - int(hit.centre < middle / TOM_STEP)]
        for hit in found
    ]


def _cymbals(found: Sequence[Hit]) -> list[int]:
    times = np.array([-np.inf, *(hit.time for hit in found), np.inf])
    near = np.diff(times) < RIDE_GAP_S
    return [RIDE if both else CRASH for both in near[:-1] & near[1:]]


def tempo(notes: Sequence[DrumNote]) -> float:
    """The quarter notes per minute that fit best, 60 to 200; 120 where nothing repeats.

    The lag at which the notes resemble themselves most, tempos near 120 preferred (Ellis, "Beat
    tracking by dynamic programming", 2007, section 3.2).
    """
    if len(notes) < 4:
        return USUAL
    times = np.array([note.time for note in notes])
    curve = np.zeros(int(times[-1] / GRID_S) + 2)
    np.add.at(curve, (times / GRID_S).astype(int), [note.velocity / 127 for note in notes])
    curve = np.convolve(curve, np.hanning(7), "same")
    size = 1 << (2 * len(curve) - 1).bit_length()
    similar = np.fft.irfft(np.abs(np.fft.rfft(curve, size)) ** 2)
    longest = min(round(60 / SLOWEST / GRID_S), len(curve) - 2)
    lags = np.arange(round(60 / FASTEST / GRID_S), longest + 1)
    if not len(lags):
        return USUAL
    likely = np.exp(-0.5 * np.log2(60 / (lags * GRID_S) / USUAL) ** 2)
    score = similar[lags] * likely
    if score.max() < 0.05 * similar[0]:
        return USUAL
    best = int(lags[score.argmax()])
    around = similar[best - 1 : best + 2]
    bend = around[0] - 2 * around[1] + around[2]
    shift = 0.5 * (around[0] - around[2]) / bend if bend < 0 else 0.0
    return float(np.clip(60 / ((best + shift) * GRID_S), SLOWEST, FASTEST))
