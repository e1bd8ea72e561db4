"""Drum kits of the band: every drum is synthesised, no two kits are alike.

A kit maps a drum to [soft hits, hard hits]; each is a list of variants, so that two hits in a row
are never the same samples. Families: acoustic, roomy, tight, brushes, clicky (metal), electronic,
nine and eight (drum machines), gated, dusty (sampled, low-passed), noisy (industrial), hybrid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from datasets.band.sound import (
    band,
    darkening_noise,
    envelope,
    falling,
    oscillate,
    partials,
    shaped_noise,
    swept_sine,
    wavetable,
)

DRUMS = ("kick", "snare", "rim", "clap", "hat", "open", "ride", "crash", "tom1", "tom2", "tom3",
         "shaker", "cowbell", "conga", "pedal")  # fmt: skip
_MACHINES = ("electronic", "nine", "eight", "gated", "noisy")
_LEVELS = {"kick": 0.9, "snare": 0.95, "rim": 0.5, "clap": 0.6, "hat": 0.32, "open": 0.36,
           "ride": 0.32, "crash": 0.5, "tom1": 0.75, "tom2": 0.75, "tom3": 0.8, "shaker": 0.22,
           "cowbell": 0.3, "conga": 0.45, "pedal": 0.2}  # fmt: skip
_PLACES = {"kick": 0.0, "snare": 0.05, "rim": 0.05, "clap": 0.0, "hat": -0.45, "open": -0.45,
           "pedal": -0.45, "ride": 0.5, "crash": 0.4, "tom1": -0.35, "tom2": 0.05, "tom3": 0.4,
           "shaker": 0.6, "cowbell": -0.5, "conga": -0.6}  # fmt: skip


@dataclass(frozen=True)
class Kit:
    """Hits per drum (soft, hard), their gains and their places from −1 (left) to 1 (right)."""

    hits: dict[str, tuple[list[np.ndarray], list[np.ndarray]]]
    gains: dict[str, float]
    places: dict[str, float]
    family: str


def build(rng: np.random.Generator, family: str, needed: set[str], sample_rate: int) -> Kit:
    """Synthesise the drums of `needed` for a kit of a family."""
    side = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.0, 1.0))
    hits, gains, places = {}, {}, {}
    for drum in DRUMS:
        # Drawn for all, so that what a song needs does not change how the others sound.
        seeds = rng.integers(2**32, size=2)
        gain = 10.0 ** (float(rng.normal(0.0, 2.2)) / 20.0)
        if drum not in needed:
            continue
        own = np.random.default_rng(seeds)
        machine = family in _MACHINES or (family in ("hybrid", "dusty") and own.random() < 0.5)
        make = _MAKERS[drum](own, family, machine, sample_rate)
        variants = 1 if machine else 3
        layers = []
        for hardness in (0.45, 1.0):
            layer = []
            for _ in range(variants):
                sound = make(own, hardness)
                layer.append((sound / (np.max(np.abs(sound)) + 1e-9)).astype(np.float32))
            layers.append(layer)
        hits[drum] = (layers[0], layers[1])
        gains[drum] = _LEVELS[drum] * gain
        places[drum] = _PLACES[drum] * side
    return Kit(hits, gains, places, family)


Maker = Callable[[np.random.Generator, float], np.ndarray]


def _kick(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    low = float(rng.uniform(40.0, 62.0) if machine else rng.uniform(46.0, 82.0))
    sweep = float(rng.uniform(1.5, 7.0) if machine else rng.uniform(0.8, 3.0))
    fall = float(rng.uniform(0.008, 0.05) if machine else rng.uniform(0.006, 0.025))
    length = float(rng.uniform(0.25, 0.6) if machine else rng.uniform(0.18, 0.5))
    click = float(rng.uniform(0.02, 0.35))
    pitch = (float(rng.uniform(900.0, 2500.0)), float(rng.uniform(3000.0, 8000.0)))
    drive = float(rng.uniform(0.5, 4.0) if machine else rng.uniform(0.3, 1.5))
    body = float(rng.uniform(0.0, 0.12) if machine else rng.uniform(0.05, 0.35))
    if family == "eight":
        length, fall, sweep = float(rng.uniform(0.7, 1.6)), 0.02, float(rng.uniform(0.6, 3.0))
    if family == "clicky":
        click, length = float(rng.uniform(0.5, 1.2)), float(rng.uniform(0.15, 0.3))
    if family == "brushes":
        click, drive = 0.03, 0.3

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        samples = int((length + 0.05) * rate)
        time = np.arange(samples, dtype=np.float32) / rate
        tune = 1.0 + 0.01 * own.standard_normal()
        hz = low * tune * (1.0 + sweep * (0.6 + 0.4 * hardness) * np.exp(-time / fall))
        tone = swept_sine(hz, rate) * envelope(samples, samples, rate, attack=0.0008, t60=length)
        skin = shaped_noise(own, samples, rate, band(90.0, 1400.0)) * falling(samples, 0.14, rate)
        tick = shaped_noise(own, samples, rate, band(*pitch)) * falling(samples, 0.018, rate)
        sound = tone + 0.3 * body * skin + 0.3 * click * hardness**2 * tick
        return np.tanh(drive * sound) / np.tanh(drive)

    return make


def _snare(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    low = float(rng.uniform(150.0, 290.0))
    ratio = float(rng.uniform(1.45, 1.95))
    tone = float(rng.uniform(0.25, 1.1))
    ring = float(rng.uniform(0.06, 0.35))
    wires = float(rng.uniform(0.1, 0.32))
    bright = float(rng.uniform(0.25, 1.6))
    split = float(rng.uniform(1800.0, 4500.0))
    body = float(rng.uniform(0.5, 1.5))
    bend = float(rng.uniform(0.0, 0.5) if machine else rng.uniform(0.0, 0.15))
    drive = float(rng.uniform(0.3, 3.0))
    if family == "gated":
        wires = float(rng.uniform(0.4, 0.7))
    if family == "brushes":
        tone, wires, bright = 0.2, float(rng.uniform(0.15, 0.4)), float(rng.uniform(0.6, 1.4))
    if family == "tight":
        ring, wires = 0.06, float(rng.uniform(0.08, 0.16))

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        samples = int((max(ring, wires) * 1.4 + 0.05) * rate)
        time = np.arange(samples, dtype=np.float32) / rate
        tune = low * (1.0 + 0.008 * own.standard_normal())
        glide = 1.0 + bend * np.exp(-time / 0.02)
        head = swept_sine(tune * glide, rate) * falling(samples, ring, rate)
        head += 0.6 * swept_sine(tune * ratio * glide, rate) * falling(samples, 0.7 * ring, rate)
        top = bright * (0.5 + 0.5 * hardness)
        rattle = darkening_noise(
            own, samples, rate, (250.0, 1200.0, split, 7500.0, 20000.0),
            (1.7 * body, 1.4 * body, 0.8 * top, 0.5 * top),
            (0.7 * wires, wires, wires, 0.75 * wires),
        )  # fmt: skip
        if family == "gated":
            gate = int(0.55 * wires * rate)
            rattle[gate:] *= falling(samples - gate, 0.03, rate)
        attack = envelope(samples, samples, rate, attack=0.03 if family == "brushes" else 0.0006)
        sound = (tone * head + 1.2 * rattle) * attack
        return np.tanh(drive * sound) / drive

    return make


def _rim(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    hz = np.array([rng.uniform(400, 900), rng.uniform(1400, 2100), rng.uniform(2300, 3600)])
    length = float(rng.uniform(0.03, 0.09))

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        samples = int(0.14 * rate)
        tune = hz * (1.0 + 0.01 * own.standard_normal(3))
        tone = partials(tune, np.array([1.0, 0.9, 0.5]), length * np.array([1, 0.8, 0.5]),
                        samples, rate)  # fmt: skip
        tick = shaped_noise(own, samples, rate, band(1500.0, 8000.0)) * falling(samples, 0.02, rate)
        return tone + 0.4 * hardness * tick

    return make


def _clap(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    center, length = float(rng.uniform(900.0, 1900.0)), float(rng.uniform(0.08, 0.3))
    gaps = rng.uniform(0.006, 0.014, size=int(rng.integers(2, 5)))

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        samples = int((length + 0.1) * rate)
        noise = shaped_noise(own, samples, rate, band(center * 0.7, center * 3.0))
        shape = np.zeros(samples, np.float32)
        starts = np.concatenate([[0.0], np.cumsum(gaps * (1 + 0.1 * own.standard_normal()))])
        for place, start in enumerate(starts):
            begin = int(start * rate)
            t60 = length if place == len(starts) - 1 else 0.03
            shape[begin:] = np.maximum(shape[begin:], falling(samples - begin, t60, rate))
        return noise * shape

    return make


def _cymbal(closed: float, opened: float, floor: tuple[float, float]):
    """Functions that make hats, rides and crashes: metal partials or squares, plus dark noise."""

    def maker(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
        length = float(rng.uniform(closed, opened))
        low = float(rng.uniform(*floor))
        metal = float(rng.uniform(0.1, 0.9))
        squares = machine and rng.random() < 0.7
        roots = rng.uniform(280.0, 900.0, size=6) if squares else None
        modes = np.sort(rng.uniform(low * 0.7, 15000.0, size=28))
        weights = rng.uniform(0.2, 1.0, size=28)
        lives = length * rng.uniform(0.5, 1.3, size=28)
        air = float(rng.uniform(0.4, 1.3))
        dull = 0.35 if family == "dusty" else 1.0
        attack = 0.0004 if closed < 0.4 else float(rng.uniform(0.0005, 0.006))

        def make(own: np.random.Generator, hardness: float) -> np.ndarray:
            samples = int((1.1 * length + 0.03) * rate)
            if squares:
                tone = np.zeros(samples, np.float32)
                for hz in roots:
                    square = np.where(np.arange(1, 120) % 2 == 1, 1.0 / np.arange(1, 120), 0.0)
                    tone += oscillate(wavetable(square, hz, rate), hz, samples, rate, own.random())
                tone *= falling(samples, length, rate)
                spectrum = fft.rfft(tone)
                f = fft.rfftfreq(samples, 1.0 / rate)
                tone = fft.irfft(spectrum * band(1.2 * low, 16000.0, 4.0)(f), samples)
            else:
                tune = modes * (1.0 + 0.001 * own.standard_normal())
                tone = partials(tune, weights * own.uniform(0.6, 1.0, 28), lives, samples, rate)
            tone /= np.max(np.abs(tone)) + 1e-9
            top = air * dull * (0.6 + 0.4 * hardness)
            noise = darkening_noise(
                own, samples, rate, (low, 6000.0, 10000.0, 20000.0),
                (0.7, 1.0 * top, 0.8 * top), (length, 0.9 * length, 0.6 * length),
            )  # fmt: skip
            noise /= np.max(np.abs(noise)) + 1e-9
            shape = envelope(samples, samples, rate, attack=attack)
            return (metal * tone + (1.2 - metal) * noise) * shape

        return make

    return maker


def _tom(center: float):
    def maker(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
        hz = center * float(rng.uniform(0.8, 1.3))
        length = float(rng.uniform(0.25, 0.7))
        bend = float(rng.uniform(0.4, 1.5) if machine else rng.uniform(0.05, 0.4))
        noise = float(rng.uniform(0.05, 0.4))

        def make(own: np.random.Generator, hardness: float) -> np.ndarray:
            samples = int((length + 0.05) * rate)
            time = np.arange(samples, dtype=np.float32) / rate
            sweep = hz * (1.0 + bend * hardness * np.exp(-time / 0.04))
            tone = swept_sine(sweep, rate) * falling(samples, length, rate)
            tone += 0.35 * swept_sine(1.58 * sweep, rate) * falling(samples, 0.5 * length, rate)
            stick = shaped_noise(own, samples, rate, band(300.0, 5000.0))
            return tone + noise * hardness * stick * falling(samples, 0.08, rate)

        return make

    return maker


def _shaker(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    low, length = float(rng.uniform(3000.0, 6500.0)), float(rng.uniform(0.05, 0.13))
    jingle = rng.random() < 0.4  # a tambourine

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        samples = int(2.0 * length * rate)
        sound = shaped_noise(own, samples, rate, band(low, 13000.0, 3.0))
        if jingle:
            hz = own.uniform(4000.0, 12000.0, size=12)
            sound = sound + partials(hz, np.full(12, 0.8), np.full(12, 2 * length), samples, rate)
        return sound * envelope(samples, samples, rate, attack=0.2 * length, t60=1.5 * length)

    return make


def _cowbell(rng: np.random.Generator, family: str, machine: bool, rate: int) -> Maker:
    hz, length = float(rng.uniform(480.0, 720.0)), float(rng.uniform(0.1, 0.35))
    ratios = np.array([1.0, float(rng.uniform(1.45, 1.55)), 2.55, 3.9])

    def make(own: np.random.Generator, hardness: float) -> np.ndarray:
        gains = np.array([1.0, 0.9, 0.3 * hardness, 0.2 * hardness])
        return partials(hz * ratios, gains, length * np.array([1.0, 0.9, 0.5, 0.3]),
                        int((length + 0.03) * rate), rate)  # fmt: skip

    return make


_MAKERS = {
    "kick": _kick,
    "snare": _snare,
    "rim": _rim,
    "clap": _clap,
    "hat": _cymbal(0.04, 0.14, (3000.0, 7000.0)),
    "pedal": _cymbal(0.03, 0.08, (2500.0, 6000.0)),
    "open": _cymbal(0.35, 1.1, (3000.0, 7000.0)),
    "ride": _cymbal(0.8, 2.0, (2000.0, 4500.0)),
    "crash": _cymbal(1.2, 3.0, (900.0, 2500.0)),
    "tom1": _tom(165.0),
    "tom2": _tom(120.0),
    "tom3": _tom(82.0),
    "shaker": _shaker,
    "cowbell": _cowbell,
    "conga": _tom(260.0),
}
