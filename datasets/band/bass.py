"""The bass of the band: lines over the chords that follow the kick, plucked or synthesised."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.band.plan import BandSong, PlayedNote
from datasets.band.sound import (
    SINE,
    child,
    envelope,
    falling,
    hertz,
    oscillate,
    place,
    pluck,
    shaped_noise,
    wavetable,
)


def render(rng: np.random.Generator, song: BandSong, sample_rate: int, samples: int) -> np.ndarray:
    """Play the bass of a song → float32 (2, samples), in the middle."""
    family = str(rng.choice(song.style.basses))
    instrument = (_string if family in _STRINGS else _synth)(child(rng), family, sample_rate)
    drive = float(rng.uniform(1.5, 6.0)) if rng.random() < 0.5 * song.style.drive else 0.0
    tight = float(rng.uniform(0.45, 1.0))
    bus = np.zeros((2, samples), np.float32)
    known: dict[tuple[int, int], np.ndarray] = {}
    for seconds, length, note, force in line(rng, song):
        held = int(tight * length * sample_rate)
        key = (note, int(500 * tight * length))
        if key not in known:  # riffs repeat: every note is made once
            known[key] = instrument(note, held)
        gain = (0.55 + 0.45 * force) * (1.0 + 0.05 * float(rng.standard_normal()))
        place(bus, int(seconds * sample_rate), known[key], gain, gain)
    if drive:
        peak = float(np.max(np.abs(bus))) + 1e-9
        bus = np.tanh(drive * bus / peak) * (0.6 * peak) + 0.4 * bus
    return bus


def line(rng: np.random.Generator, song: BandSong) -> list[PlayedNote]:
    """The notes of a song's bass line."""
    kind = str(rng.choice(song.style.lines))
    low = int(rng.integers(26, 33))  # lowest note used: D1 to G#1
    jitter = float(rng.uniform(*song.style.jitter)) / 1500.0
    cell = _cell(rng, song.steps, song.style.steps)
    notes: list[PlayedNote] = []
    for section in song.playing("bass"):
        for bar in range(section.first, section.first + section.bars):
            for step, span, note, force in _bar(rng, kind, cell, _harmony(song, bar, low)):
                seconds = song.time(bar, step) + jitter * float(rng.standard_normal())
                length = song.time(bar, step + span) - song.time(bar, step)
                if 0.0 <= seconds < song.seconds:
                    notes.append((seconds, max(length, 0.05), note, force))
    return notes


def _cell(rng: np.random.Generator, steps: int, beat: int) -> list[int]:
    """A rhythm that a song keeps: onsets on the grid, the first on one."""
    chances = np.full(steps, 0.15)
    chances[::beat] = 0.5
    chances[beat // 2 :: beat] = 0.35
    onsets = [step for step in range(steps) if step == 0 or rng.random() < chances[step]]
    return onsets


def _spans(onsets: list[int], steps: int) -> list[tuple[int, int]]:
    return [(a, b - a) for a, b in zip(onsets, [*onsets[1:], steps])]


@dataclass(frozen=True)
class _Bar:
    """What a bar offers the bass: MIDI notes, and the grid in steps.

    Attributes:
      root, third, fifth: of its chord. after: the root of the next bar's.
      kick: the pattern of the kick drum, a mark per step.
      steps: per bar. beat: steps per beat.
    """

    root: int
    third: int
    fifth: int
    after: int
    kick: str
    steps: int
    beat: int


def _harmony(song: BandSong, bar: int, low: int) -> _Bar:
    """A bar of a song, its notes from `low` up."""
    chord = song.chords[bar]
    root = low + (chord.root - low) % 12
    following = song.chords[min(bar + 1, len(song.chords) - 1)]
    return _Bar(
        root=root,
        third=root + chord.intervals[1],
        fifth=root + (7 if 7 in chord.intervals else chord.intervals[2]),
        after=low + (following.root - low) % 12,
        kick=song.kicks[bar],
        steps=song.steps,
        beat=song.style.steps,
    )


def _bar(
    rng: np.random.Generator, kind: str, cell: list[int], bar: _Bar
) -> list[tuple[int, int, int, float]]:
    """(step, span in steps, note, force) of the notes of one bar."""
    root, fifth, steps, beat = bar.root, bar.fifth, bar.steps, bar.beat
    pick = float(rng.random())
    if kind in ("roots8", "roots16", "gallop", "octaves", "offbeat"):
        return _straight(kind, bar, pick)
    if kind == "long":
        if pick < 0.3:
            return [(0, steps // 2, root, 0.8), (steps // 2, steps - steps // 2, fifth, 0.7)]
        return [(0, steps, root, 0.8)]
    if kind == "fifths":
        middle = (steps // beat // 2) * beat or beat
        return [(0, middle, root, 0.9), (middle, steps - middle, fifth, 0.75)]
    if kind == "walking":
        ladder = [root, bar.third, fifth, bar.after + (1 if pick < 0.5 else -1)]
        return [
            (step, beat, ladder[min(place, 3) if step < steps - beat else 3], 0.75)
            for place, step in enumerate(range(0, steps, beat))
        ]
    if kind == "unison":
        onsets = [step for step, mark in enumerate(bar.kick) if mark != "."] or [0]
        return [(step, span, root, 0.85) for step, span in _spans(onsets, steps)]
    if kind == "reggae":
        onsets = [step for step in cell if step] or [beat]
    elif kind == "tumbao":
        onsets = [step for step in (0, 3, 6, 12) if step < steps] if pick < 0.3 else [3, 6, 12]
        onsets = [step for step in onsets if step < steps]
    else:
        onsets = cell
    choices = [root, root, fifth, root + 12, bar.third]
    out = []
    for step, span in _spans(onsets, steps):
        note = root if step == onsets[0] else choices[int(rng.integers(len(choices)))]
        if kind == "funk":
            if rng.random() < 0.25:
                note = root + 12
            span = min(span, 2)
        out.append((step, span, note, 0.95 if step % beat == 0 else 0.7))
    return out


def _straight(kind: str, bar: _Bar, pick: float) -> list[tuple[int, int, int, float]]:
    """(step, span in steps, note, force) of a bar of even notes; `pick` is drawn, 0 to 1."""
    root, fifth, steps, beat = bar.root, bar.fifth, bar.steps, bar.beat
    half = max(beat // 2, 1)
    size = 1 if kind in ("roots16", "gallop") else half
    places = list(range(0, steps, size))
    if kind == "gallop":
        places = [step for step in places if step % beat != 1]
    if kind == "offbeat":
        places = [step for step in places if step % beat == half]
    out = []
    for step, span in _spans(places, steps):
        note = root + (12 if kind == "octaves" and step % beat == half else 0)
        if step >= steps - beat and pick < 0.2:
            note = fifth
        out.append((step, min(span, 2 * size), note, 0.9 if step % beat == 0 else 0.7))
    return out


_STRINGS = ("finger", "pick", "slap", "upright", "fretless")
Instrument = Callable[[int, int], np.ndarray]


def _string(rng: np.random.Generator, family: str, rate: int) -> Instrument:
    ranges = {  # brightness, plucking position, damping, seconds to fall by 60 dB
        "finger": ((0.25, 0.55), (0.12, 0.3), (0.5, 2.0), (1.5, 6.0)),
        "pick": ((0.55, 0.9), (0.06, 0.16), (0.2, 1.0), (2.0, 6.0)),
        "slap": ((0.7, 1.0), (0.05, 0.2), (0.3, 1.2), (1.0, 4.0)),
        "upright": ((0.1, 0.35), (0.2, 0.4), (2.0, 5.0), (0.6, 1.8)),
        "fretless": ((0.15, 0.4), (0.15, 0.3), (0.5, 1.5), (2.0, 5.0)),
    }[family]
    bright, where, damping, t60 = (float(rng.uniform(*span)) for span in ranges)
    noise = float(rng.uniform(0.0, 0.06)) + (0.12 if family in ("slap", "pick") else 0.0)
    sub = float(rng.uniform(0.0, 0.5))

    def play(note: int, held: int) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.12 * rate)
        sound = pluck(
            rng, hz, samples, rate, t60=t60, brightness=bright, position=where, damping=damping
        )
        sound += sub * oscillate(SINE, hz, samples, rate) * falling(samples, t60, rate)
        short = min(samples, int(0.03 * rate))
        tick = shaped_noise(rng, short, rate, lambda f: 1.0 / (1.0 + (f / 3500.0) ** 2))
        sound[:short] += 0.3 * noise * tick * falling(short, 0.02, rate)
        attack = 0.02 if family == "fretless" else 0.002
        return sound * envelope(samples, held, rate, attack=attack, release=0.08)

    return play


def _synth(rng: np.random.Generator, family: str, rate: int) -> Instrument:
    harmonic = np.arange(1, 200, dtype=np.float64)
    raw = {"square": np.where(harmonic % 2 == 1, 1.0 / harmonic, 0.0), "saw": 1.0 / harmonic}.get(
        family, np.where(harmonic == 1, 1.0, 0.0) + rng.uniform(0.0, 0.15) / harmonic**2
    )
    dark, bright = float(rng.uniform(120.0, 500.0)), float(rng.uniform(700.0, 4500.0))
    sweep = float(rng.uniform(0.08, 0.6))
    t60 = float(rng.uniform(0.4, 4.0)) if rng.random() < 0.5 else 30.0
    detune = float(rng.uniform(0.0, 0.006)) if family == "saw" else 0.0
    drive = float(rng.uniform(0.3, 2.5))
    drop = float(rng.uniform(0.0, 1.5)) if family == "eight" else 0.0
    if family == "eight":
        t60 = float(rng.uniform(1.0, 3.0))

    def play(note: int, held: int) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.15 * rate)
        pitch: float | np.ndarray = hz
        if drop:
            pitch = hz * (1.0 + drop * falling(samples, 0.12, rate))

        def filtered(cutoff: float) -> np.ndarray:
            spectrum = raw / np.sqrt(1.0 + (harmonic * hz / cutoff) ** 6)
            table = wavetable(spectrum, hz * (1.0 + drop), rate)
            sound = oscillate(table, pitch, samples, rate)
            if detune:
                sound = 0.6 * (sound + oscillate(table, hz * (1.0 + detune), samples, rate, 0.3))
            return sound

        opened = falling(samples, sweep, rate)
        sound = filtered(dark) + opened * (filtered(bright) - filtered(dark))
        sound = np.tanh(drive * sound) / np.tanh(drive)
        return sound * envelope(samples, held, rate, attack=0.004, t60=t60, release=0.1)

    return play
