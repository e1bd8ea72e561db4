"""The other stem of the band: one to three instruments that play chords, arpeggios and riffs."""

import numpy as np
from scipy import fft

from datasets.band.keys import instrument, noise_riser
from datasets.band.plan import BandSong, Chord, PlayedNote, Section
from datasets.band.sound import band, child, pan, place, shaped_noise, swept_sine


def render(rng: np.random.Generator, song: BandSong, sample_rate: int, samples: int) -> np.ndarray:
    """Play the other stem of a song → float32 (2, samples)."""
    choices = list(dict.fromkeys(song.style.layers))
    count = min(len(choices), int(rng.choice([1, 2, 2, 3])))
    picked = [str(name) for name in rng.choice(choices, size=count, replace=False)]
    if picked[0].startswith("electric") and rng.random() < 0.4:
        picked.append(picked[0])  # a double-tracked guitar
    bus = np.zeros((2, samples), np.float32)
    side = float(rng.choice([-1.0, 1.0]))
    for number, layer in enumerate(picked):
        spot = side * float(rng.uniform(0.1, 0.9)) * (-1.0) ** number if len(picked) > 1 else 0.0
        sections = [
            section
            for section in song.playing("other")
            if number == 0 or rng.random() < 0.35 + 0.6 * section.energy
        ]
        mono = _layer(rng, song, layer, sections, sample_rate, samples)
        level = float(np.sqrt(np.mean(mono**2))) + 1e-9
        gain = 10.0 ** (float(rng.normal(-2.5 * (number > 0), 2.0)) / 20.0) / level
        bus += gain * _stage(rng, mono, layer, spot, sample_rate)
    if song.style.duck > 0.3 and rng.random() < 0.6:
        _risers(child(rng), song, bus, sample_rate)
    return bus


def _layer(
    rng: np.random.Generator,
    song: BandSong,
    layer: str,
    sections: list[Section],
    sample_rate: int,
    samples: int,
) -> np.ndarray:
    name, part = layer.split(":")
    play = instrument(child(rng), name, part, sample_rate)
    bus = np.zeros((2, samples), np.float32)
    known: dict[tuple[int, int, int], list[np.ndarray]] = {}
    for seconds, length, note, force in _notes(rng, song, part, sections):
        held = int(length * sample_rate)
        key = (note, int(80 * length), int(4 * force))
        versions = known.setdefault(key, [])
        if len(versions) < 2:
            versions.append(play(note, held, force))
        sound = versions[int(rng.integers(len(versions)))]
        place(bus, int(seconds * sample_rate), sound, force, 0.0)
    mono = bus[0]
    if name == "electric" and rng.random() < song.style.drive:
        mono = _amplifier(rng, mono, sample_rate, hard=part in ("power", "riff"))
    return mono


def _amplifier(
    rng: np.random.Generator, mono: np.ndarray, sample_rate: int, *, hard: bool
) -> np.ndarray:
    """Distortion as a valve amplifier and its loudspeaker do it."""
    drive = float(rng.uniform(4.0, 25.0) if hard else rng.uniform(1.5, 6.0))
    level = 3.0 * float(np.sqrt(np.mean(mono[mono != 0.0] ** 2))) if np.any(mono) else 1.0
    bias = float(rng.uniform(0.0, 0.3))
    hot = np.tanh(drive * mono / (level + 1e-9) + bias) - np.tanh(bias)
    length = fft.next_fast_len(len(hot), real=True)
    spectrum = fft.rfft(hot, length)
    f = fft.rfftfreq(length, 1.0 / sample_rate)
    cabinet = band(float(rng.uniform(70, 140)), float(rng.uniform(3200, 6000)), 3.0)(f)
    return fft.irfft(spectrum * cabinet.astype(np.float32), length)[: len(hot)]


def _stage(
    rng: np.random.Generator, mono: np.ndarray, layer: str, spot: float, sample_rate: int
) -> np.ndarray:
    """Tremolo, chorus (a moving delay on one side) and a place in the stereo picture."""
    samples = len(mono)
    left, right = mono, mono
    if layer.startswith(("organ", "epiano")) and rng.random() < 0.6:
        slow = swept_sine(np.full(samples, float(rng.uniform(0.8, 7.0))), sample_rate)
        deep = np.float32(rng.uniform(0.1, 0.5))
        left, right = left * (1.0 - deep * slow), right * (1.0 + deep * slow)
    if layer.startswith(("synth", "strings", "electric")) and rng.random() < 0.5:
        slow = swept_sine(np.full(samples, float(rng.uniform(0.2, 1.2))), sample_rate)
        delay = sample_rate * (0.012 + np.float32(rng.uniform(0.001, 0.004)) * slow)
        where = np.maximum(np.arange(samples, dtype=np.float32) - delay, 0.0)
        before = where.astype(np.int64)
        part = where - before
        moved = right[before] * (1.0 - part) + right[np.minimum(before + 1, samples - 1)] * part
        left, right = left + 0.3 * moved, 0.5 * right + 0.8 * moved
    gains = pan(spot)
    return np.stack([np.float32(gains[0]) * left, np.float32(gains[1]) * right])


def _voicing(chord: Chord, center: int) -> list[int]:
    """The notes of a chord, each in the octave nearest to `center`."""
    notes = []
    for interval in chord.intervals:
        pitch = chord.root + interval
        notes.append(int(pitch + 12 * round((center - pitch) / 12.0)))
    return sorted(set(notes))


def _notes(
    rng: np.random.Generator, song: BandSong, part: str, sections: list[Section]
) -> list[PlayedNote]:
    """The notes of one layer."""
    center = int(rng.integers(50, 72)) if part not in ("power",) else int(rng.integers(42, 50))
    if part in ("riff", "arp"):
        center = int(rng.integers(57, 79))
    beat, steps = song.style.steps, song.steps
    jitter = float(rng.uniform(*song.style.jitter)) / 1200.0
    strum = float(rng.uniform(0.004, 0.022)) if part in ("strum", "scratch", "skank") else 0.002
    rhythm = _rhythm(rng, part, beat, steps)
    order = rng.permutation(8)
    melody = rng.integers(-2, 5, size=64)
    notes: list[PlayedNote] = []
    for section in sections:
        force = 0.5 + 0.45 * section.energy
        for bar in range(section.first, section.first + section.bars):
            chord = song.chords[bar]
            voicing = _voicing(chord, center)
            if part == "power":
                root = center + (chord.root - center) % 12
                voicing = [root, root + 7, root + 12]
            for number, (step, span) in enumerate(rhythm):
                start = song.time(bar, step) + jitter * float(rng.standard_normal())
                length = max(song.time(bar, step + span) - song.time(bar, step), 0.06)
                loud = float(np.clip(force * (1.05 if step % beat == 0 else 0.85), 0.2, 1.0))
                if part in ("arp", "pick"):
                    places = [order[number % 8] % len(voicing)]
                    octave = 12 * (number % 3 == 2 and part == "arp")
                    chosen = [voicing[places[0]] + octave]
                elif part == "riff":
                    chosen = [_step(song, voicing[-1], int(melody[(bar % 4) * 16 + number % 16]))]
                elif part == "montuno":
                    chosen = [voicing[0], voicing[0] + 12] if number % 2 else voicing[1:]
                else:
                    chosen = voicing
                down = bool(number % 2)
                for place_, note in enumerate(chosen[::-1] if down else chosen):
                    seconds = start + strum * place_
                    if 0.0 <= seconds < song.seconds:
                        notes.append((seconds, length, int(note), loud))
    return notes


def _step(song: BandSong, note: int, steps: int) -> int:
    """Move along the scale."""
    scale = song.scale()
    ladder = [pitch for pitch in range(note - 16, note + 17) if pitch % 12 in scale]
    here = int(np.argmin([abs(pitch - note) for pitch in ladder]))
    return ladder[int(np.clip(here + steps, 0, len(ladder) - 1))]


def _rhythm(rng: np.random.Generator, part: str, beat: int, steps: int) -> list[tuple[int, float]]:
    """Onsets and lengths in steps within a bar, kept for the song."""
    half = max(beat // 2, 1)
    if part == "pad":
        return [(0, steps)]
    if part == "skank":
        return [(step, half * 0.7) for step in range(half, steps, 2 * half)]
    if part in ("arp", "pick"):
        size = int(rng.choice([1, half]))
        return [(step, size * 1.5) for step in range(0, steps, size)]
    chances = {"strum": (0.95, 0.75, 0.35), "power": (0.95, 0.8, 0.25), "scratch": (0.9, 0.7, 0.65),
               "stab": (0.4, 0.35, 0.2), "comp": (0.7, 0.35, 0.1), "riff": (0.7, 0.5, 0.25),
               "montuno": (0.5, 0.9, 0.3)}[part]  # fmt: skip
    onsets = []
    for step in range(steps):
        level = 0 if step % beat == 0 else 1 if step % half == 0 else 2
        if rng.random() < chances[level]:
            onsets.append(step)
    onsets = onsets or [0]
    short = {"stab": 0.5 * half, "scratch": 0.8}.get(part)
    ends = [*onsets[1:], steps]
    return [(a, min(b - a, short) if short else b - a) for a, b in zip(onsets, ends)]


def _risers(rng: np.random.Generator, song: BandSong, bus: np.ndarray, sample_rate: int) -> None:
    """Noise that leads into choruses, and a fall of noise after their first beat."""
    level = 0.5 * float(np.sqrt(np.mean(bus**2)))
    for section in song.sections:
        if section.name != "chorus" or section.first == 0:
            continue
        end = int(song.time(section.first, 0) * sample_rate)
        count = min(int(song.time(section.first, 0) * sample_rate), 3 * sample_rate)
        sound = noise_riser(rng, count, sample_rate)
        place(bus, end - count, sound, level * 2.0, level * 2.0)
        tail = shaped_noise(rng, sample_rate, sample_rate, band(800.0, 9000.0))
        fade = np.linspace(1.0, 0.0, sample_rate, dtype=np.float32) ** 3
        place(bus, end, tail * fade, level, level)
