"""Instruments of the other stem: guitars, keys, organs, strings, brass, synthesisers, bells.

`instrument(rng, name, part, sample_rate)` draws a timbre and returns a function
(MIDI note, held samples, force) → float32 (samples,).
"""

from collections.abc import Callable

import numpy as np

from datasets.band.sound import (
    SINE,
    child,
    envelope,
    falling,
    hertz,
    oscillate,
    partials,
    pluck,
    shaped_noise,
    swept_sine,
    wavetable,
)

Instrument = Callable[[int, int, float], np.ndarray]
_HARMONIC = np.arange(1, 160, dtype=np.float64)


def instrument(rng: np.random.Generator, name: str, part: str, sample_rate: int) -> Instrument:
    """Draw an instrument of a kind; `part` matters where hands mute strings."""
    if name in ("electric", "acoustic"):
        return _guitar(rng, name, part, sample_rate)
    return _MAKERS[name](rng, sample_rate)


def _guitar(rng: np.random.Generator, name: str, part: str, rate: int) -> Instrument:
    steel = name == "acoustic" or rng.random() < 0.3
    bright = float(rng.uniform(0.55, 0.95) if steel else rng.uniform(0.3, 0.8))
    t60 = float(rng.uniform(0.9, 3.5) if name == "acoustic" else rng.uniform(1.5, 6.0))
    damping = float(rng.uniform(0.3, 1.8))
    where = float(rng.uniform(0.05, 0.35))
    muted = {"scratch": 0.85, "power": 0.35, "skank": 0.6}.get(part, 0.0)
    noise = float(rng.uniform(0.02, 0.15))
    own = child(rng)

    def play(note: int, held: int, force: float) -> np.ndarray:
        mute = rng.random() < muted and part != "power"
        samples = held + int(0.1 * rate)
        life = 0.09 if mute else 0.25 if part == "power" and held < 0.2 * rate else t60
        sound = pluck(
            own, hertz(note), samples, rate, t60=life, brightness=bright * (0.7 + 0.3 * force),
            position=where, damping=3.0 * damping if mute else damping,
        )  # fmt: skip
        short = min(samples, int(0.025 * rate))
        tick = shaped_noise(own, short, rate, lambda f: 1.0 / (1.0 + (1500.0 / (f + 1.0)) ** 2))
        sound[:short] += noise * force * 0.3 * tick * falling(short, 0.02, rate)
        return sound * envelope(samples, held, rate, attack=0.001, release=0.07)

    return play


def _groups(rng: np.random.Generator, rate: int, *, struck: bool) -> Instrument:
    """Harmonics in three groups that decay at their own speed (struck or bowed strings)."""
    slope = float(rng.uniform(0.9, 1.9))
    even = float(rng.uniform(0.4, 1.0))
    point = float(rng.uniform(0.08, 0.2))
    lives = np.array([3.5, 1.6, 0.6]) * float(rng.uniform(0.5, 1.5))
    spread = float(rng.uniform(0.0, 0.0025))
    knock = float(rng.uniform(0.0, 0.12))
    spectrum = _HARMONIC**-slope * np.where(_HARMONIC % 2 == 0, even, 1.0)
    spectrum = spectrum * (np.abs(np.sin(np.pi * _HARMONIC * point)) + 0.1)
    edges = ((0, 3), (3, 9), (9, 160))
    tables: dict[int, list[np.ndarray]] = {}

    def play(note: int, held: int, force: float) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.15 * rate)
        if note not in tables:
            tables[note] = []
            for low, high in edges:
                part = np.zeros_like(spectrum)
                part[low:high] = spectrum[low:high]
                tables[note].append(wavetable(part, hz, rate))
        shorter = float(np.clip((hz / 260.0) ** -0.5, 0.3, 2.0))
        sound = np.zeros(samples, np.float32)
        for place, (table, life) in enumerate(zip(tables[note], lives)):
            wave = oscillate(table, hz * (1.0 + spread * place), samples, rate, 0.13 * place)
            sound += np.float32(force**place) * wave * falling(samples, life * shorter, rate)
        short = min(samples, int(0.04 * rate))
        if knock and struck:
            thump = shaped_noise(rng, short, rate, lambda f: 1.0 / (1.0 + (f / 900.0) ** 2))
            sound[:short] += knock * thump * falling(short, 0.04, rate)
        return sound * envelope(samples, held, rate, attack=0.0015, release=0.15)

    return play


def _piano(rng: np.random.Generator, rate: int) -> Instrument:
    return _groups(rng, rate, struck=True)


def _epiano(rng: np.random.Generator, rate: int) -> Instrument:
    ratio = float(rng.choice([1.0, 2.0, 3.0, 7.0, 14.0]))
    index = float(rng.uniform(0.3, 1.8)) / np.sqrt(ratio)
    t60 = float(rng.uniform(1.5, 5.0))
    tine = float(rng.uniform(0.15, 1.0))

    def play(note: int, held: int, force: float) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.15 * rate)
        if hz * ratio > 0.3 * rate:
            return _fm(hz, 1.0, index * force, t60, tine, samples, rate) * envelope(
                samples, held, rate, attack=0.002, release=0.12
            )
        sound = _fm(hz, ratio, index * (0.3 + 0.7 * force), t60, tine, samples, rate)
        return sound * envelope(samples, held, rate, attack=0.002, release=0.12)

    return play


def _fm(hz, ratio, index, t60, tine, samples, rate) -> np.ndarray:
    """A sine whose phase another sine moves; the movement dies away in `tine` seconds."""
    modulator = oscillate(SINE, hz * ratio, samples, rate) * falling(samples, tine, rate)
    turns = np.arange(samples, dtype=np.float64) * (hz / rate)
    phase = (turns % 1.0).astype(np.float32) * np.float32(2.0 * np.pi)
    return np.sin(phase + np.float32(index) * modulator) * falling(samples, t60, rate)


def _organ(rng: np.random.Generator, rate: int) -> Instrument:
    bars = np.zeros(16)
    for harmonic in (1, 2, 3, 4, 6, 8, 10, 12, 16):
        bars[harmonic - 1] = rng.random() ** 1.5
    bars[0] += 0.3
    click = float(rng.uniform(0.0, 0.15))
    tables: dict[int, np.ndarray] = {}

    def play(note: int, held: int, force: float) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.05 * rate)
        if note not in tables:
            tables[note] = wavetable(bars / np.sqrt(np.sum(bars**2)), hz, rate)
        sound = oscillate(tables[note], hz, samples, rate, phase=0.21 * (note % 5))
        short = min(samples, int(0.01 * rate))
        sound[:short] += click * rng.standard_normal(short, dtype=np.float32)
        return 0.7 * sound * envelope(samples, held, rate, attack=0.004, release=0.03)

    return play


def _bowed(
    rng: np.random.Generator,
    rate: int,
    *,
    attack: tuple[float, float],
    cutoff: tuple[float, float],
    unison: int,
    opening: float,
    shape: str,
) -> Instrument:
    """Sustained tones: a spectrum under a low-pass, opened by the attack, in slight unison."""
    rise = float(np.exp(rng.uniform(*np.log(attack))))
    bright = float(np.exp(rng.uniform(*np.log(cutoff))))
    cents = float(rng.uniform(3.0, 18.0))
    vibrato = float(rng.uniform(0.0, 0.006)) if unison == 1 else 0.0
    speed = float(rng.uniform(4.5, 6.5))
    spectrum = 1.0 / _HARMONIC
    if shape == "square":
        spectrum = np.where(_HARMONIC % 2 == 1, spectrum, spectrum * float(rng.uniform(0.0, 0.3)))
    elif shape == "pulse":
        spectrum = spectrum * np.abs(np.sin(np.pi * _HARMONIC * float(rng.uniform(0.08, 0.4))))
    formant = float(rng.uniform(600.0, 2200.0))
    fades = float(rng.uniform(0.4, 3.0)) if rng.random() < 0.3 else None
    tables: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def play(note: int, held: int, force: float) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.25 * rate)
        if note not in tables:
            f = _HARMONIC * hz
            body = spectrum * (1.0 + 1.5 * np.exp(-(((f - formant) / (0.4 * formant)) ** 2)))
            dark = body / np.sqrt(1.0 + (f / (opening * bright)) ** 4)
            light = body / np.sqrt(1.0 + (f / bright) ** 4)
            tables[note] = (wavetable(dark, 1.02 * hz, rate), wavetable(light, 1.02 * hz, rate))
        dark, light = tables[note]
        sound = np.zeros(samples, np.float32)
        mix = envelope(samples, held, rate, attack=2.0 * rise, t60=fades, release=0.3)
        for voice in range(unison):
            detune = (voice - (unison - 1) / 2.0) * cents / max(unison - 1, 1)
            pitch: float | np.ndarray = hz * 2.0 ** (detune / 1200.0)
            if vibrato:
                time = np.arange(samples) * (speed / rate)
                grown = np.minimum(time / 2.0, 1.0)
                pitch = hz * (1.0 + vibrato * grown * np.sin(2.0 * np.pi * time))
            phase = 0.37 * voice
            low = oscillate(dark, pitch, samples, rate, phase)
            high = oscillate(light, pitch, samples, rate, phase)
            sound += low + mix * (high - low)
        loud = envelope(samples, held, rate, attack=rise, t60=fades, release=0.25)
        return (0.5 + 0.5 * force) / np.sqrt(unison) * sound * loud

    return play


def _strings(rng: np.random.Generator, rate: int) -> Instrument:
    return _bowed(rng, rate, attack=(0.04, 0.4), cutoff=(1500.0, 8000.0), unison=2, opening=0.5,
                  shape="saw")  # fmt: skip


def _brass(rng: np.random.Generator, rate: int) -> Instrument:
    return _bowed(rng, rate, attack=(0.02, 0.08), cutoff=(2000.0, 8000.0), unison=1, opening=0.2,
                  shape="saw")  # fmt: skip


def _synth(rng: np.random.Generator, rate: int) -> Instrument:
    shape = str(rng.choice(["saw", "square", "pulse"]))
    if rng.random() < 0.5:  # a soft one or a plucky one
        return _bowed(rng, rate, attack=(0.004, 0.5), cutoff=(800.0, 12000.0),
                      unison=int(rng.integers(1, 4)), opening=0.4, shape=shape)  # fmt: skip
    closing = float(rng.uniform(0.08, 0.6))
    t60 = float(rng.uniform(0.25, 2.0))
    bright, dark = float(rng.uniform(2000.0, 10000.0)), float(rng.uniform(250.0, 900.0))
    even = 1.0 if shape == "saw" else 0.1
    spectrum = np.where(_HARMONIC % 2 == 0, even, 1.0) / _HARMONIC

    def play(note: int, held: int, force: float) -> np.ndarray:
        hz, samples = hertz(note), held + int(0.1 * rate)
        f = _HARMONIC * hz
        light = wavetable(spectrum / np.sqrt(1.0 + (f / (bright * force)) ** 4), hz, rate)
        low = wavetable(spectrum / np.sqrt(1.0 + (f / dark) ** 4), hz, rate)
        first = oscillate(low, hz, samples, rate)
        sound = first + falling(samples, closing, rate) * (
            oscillate(light, hz, samples, rate) - first
        )
        return sound * envelope(samples, held, rate, attack=0.002, t60=t60, release=0.08)

    return play


def _bell(rng: np.random.Generator, rate: int) -> Instrument:
    kinds = {
        "marimba": ((1.0, 3.93, 9.2), (1.0, 0.35, 0.12), (0.7, 0.25, 0.1)),
        "vibes": ((1.0, 4.0, 10.1), (1.0, 0.3, 0.05), (3.0, 1.2, 0.3)),
        "glass": ((1.0, 2.76, 5.4, 8.93), (1.0, 0.6, 0.4, 0.2), (2.5, 1.6, 0.9, 0.5)),
        "bell": ((0.5, 1.0, 1.19, 1.5, 2.0, 2.67, 4.1), (0.4, 0.8, 0.5, 0.3, 0.6, 0.3, 0.2),
                 (4.0, 3.0, 2.0, 1.6, 1.6, 1.0, 0.6)),
        "toy": ((1.0, 2.0, 6.2), (1.0, 0.4, 0.3), (1.0, 0.5, 0.15)),
    }  # fmt: skip
    ratios, gains, lives = (np.array(part) for part in kinds[str(rng.choice(list(kinds)))])
    lives = lives * float(rng.uniform(0.6, 1.4))
    mallet = float(rng.uniform(0.0, 0.15))

    def play(note: int, held: int, force: float) -> np.ndarray:
        samples = max(held, int(0.6 * rate)) + int(0.1 * rate)
        hz = hertz(note)
        loud = gains * force ** np.arange(len(gains))
        sound = partials(hz * ratios, loud, lives, samples, rate)
        short = min(samples, int(0.01 * rate))
        sound[:short] += mallet * force * rng.standard_normal(short, dtype=np.float32)
        return sound * envelope(samples, samples, rate, attack=0.0008)

    return play


def noise_riser(rng: np.random.Generator, samples: int, rate: int) -> np.ndarray:
    """A swell of noise and a rising tone that lead into the next section."""
    ramp = np.linspace(0.0, 1.0, samples, dtype=np.float32) ** 2
    low = float(rng.uniform(300.0, 2500.0))
    air = shaped_noise(rng, samples, rate, lambda f: 1.0 / (1.0 + (low / (f + 1.0)) ** 2))
    tone = swept_sine(200.0 + (float(rng.uniform(800.0, 3000.0))) * ramp, rate)
    return (0.35 * air + float(rng.uniform(0.0, 0.3)) * tone) * ramp


_MAKERS = {
    "piano": _piano,
    "epiano": _epiano,
    "organ": _organ,
    "strings": _strings,
    "brass": _brass,
    "synth": _synth,
    "bell": _bell,
}
