"""The mix of the band: tone, room, compression, ducking and levels of the four stems."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from datasets.band.plan import STEMS, BandSong
from datasets.band.sound import child, db

HEADROOM = 0.97
_BLOCK = 32  # samples per gain value of the compressor
_GRID = np.exp2(np.arange(3.0, 16.01, 0.05))  # Hz; equaliser curves are computed here


@dataclass(frozen=True)
class Rooms:
    """Spectra of two stereo rooms (a small one, a large one) at one FFT length."""

    length: int
    below: np.ndarray  # for every bin: the point of `_GRID` below it, and how far it is above it
    above: np.ndarray
    small: np.ndarray
    large: np.ndarray


def mix(
    rng: np.random.Generator, song: BandSong, buses: dict[str, np.ndarray], sample_rate: int
) -> np.ndarray:
    """Turn raw buses (2, samples) into finished stems → float32 (stems, samples, 2).

    The mixture, the sum of the stems, has an RMS about −18 dBFS and stays below full scale.
    """
    samples = buses["drums"].shape[1]
    rooms = _rooms(child(rng), samples, sample_rate)
    pump = _pump(rng, song, buses["drums"], sample_rate)
    stems = np.zeros((len(STEMS), samples, 2), np.float32)
    for place, name in enumerate(STEMS):
        bus = buses[name]
        if pump is not None and name in ("bass", "other"):
            bus = bus * pump
        bus = _tone_and_room(rng, name, bus, rooms)[:, :samples]
        bus = _normalised(bus, sample_rate)
        strength = float(rng.uniform(0.0, 0.75 if name != "other" else 0.5))
        bus = compress(bus, sample_rate, threshold=0.11, strength=strength,
                       attack=float(rng.uniform(0.002, 0.03)),
                       release=float(rng.uniform(0.06, 0.3)))  # fmt: skip
        bus = _normalised(bus, sample_rate)
        spread = {"drums": (0.5, 2.0), "bass": (-0.5, 2.0), "other": (-1.0, 2.5),
                  "vocals": (0.0, 2.0)}[name]  # fmt: skip
        level = db(float(np.clip(rng.normal(*spread), spread[0] - 6.0, spread[0] + 4.0)))
        # Peaks far above the level are rounded off, as on tape.
        crest = float(rng.uniform(*((7.0, 14.0) if name == "drums" else (5.0, 9.0))))
        ceiling = np.float32(0.1 * crest)
        bus = np.tanh(bus / ceiling) * ceiling
        stems[place] = (level * bus).T
    mixture = stems.sum(axis=0)
    target = db(float(rng.uniform(-19.5, -16.5)))
    gain = target / (float(np.sqrt(np.mean(mixture**2))) + 1e-9)
    peak = max(float(np.max(np.abs(mixture))), float(np.max(np.abs(stems))))
    return stems * np.float32(min(gain, HEADROOM / (peak + 1e-9)))


def active_rms(audio: np.ndarray, sample_rate: int) -> float:
    """RMS over the blocks of 0.4 s of audio (2, samples) that are not silent."""
    block = max(1, int(0.4 * sample_rate))
    count = max(1, audio.shape[1] // block)
    energy = np.mean(audio[:, : count * block].reshape(2, count, -1) ** 2, axis=(0, 2))
    loudest = float(np.max(energy))
    if loudest == 0.0:
        return 0.0
    return float(np.sqrt(np.mean(energy[energy > 1e-4 * loudest])))


def _normalised(bus: np.ndarray, sample_rate: int) -> np.ndarray:
    """Scale to an RMS of 0.1 where something plays."""
    return bus * np.float32(0.1 / (active_rms(bus, sample_rate) + 1e-9))


def _rooms(rng: np.random.Generator, samples: int, sample_rate: int) -> Rooms:
    longest = int(2.2 * sample_rate)
    length = fft.next_fast_len(samples + longest, real=True)
    spectra = []
    for t60 in (float(rng.uniform(0.12, 0.5)), float(rng.uniform(0.7, 2.2))):
        count = min(longest, int(1.2 * t60 * sample_rate))
        time = np.arange(count, dtype=np.float32) / sample_rate
        noise = rng.standard_normal((2, count), dtype=np.float32)
        # High frequencies die first: two decays, the brighter one shorter.
        dull = signal.lfilter([0.3], [1.0, -0.7], noise, axis=1).astype(np.float32)
        late = dull * np.exp(-6.9 * time / t60) + 0.5 * (noise - dull) * np.exp(-14.0 * time / t60)
        late[:, : int(float(rng.uniform(0.003, 0.03)) * sample_rate)] = 0.0
        for _ in range(7):  # early reflections
            spot = int(float(rng.uniform(0.003, 0.05)) * sample_rate)
            if spot < count:
                late[int(rng.integers(2)), spot] += float(rng.uniform(-3.0, 3.0))
        late /= np.sqrt(np.sum(late**2) / 2.0) + 1e-9
        spectra.append(fft.rfft(late.astype(np.float32), length))
    frequencies = np.maximum(fft.rfftfreq(length, 1.0 / sample_rate), _GRID[0]).astype(np.float32)
    above = (np.log2(frequencies) - np.float32(3.0)) * np.float32(20.0)
    below = above.astype(np.int32)
    return Rooms(length, below, above - below, *spectra)


def _tone_and_room(
    rng: np.random.Generator, name: str, bus: np.ndarray, rooms: Rooms
) -> np.ndarray:
    """Equaliser and reverb of a stem in one pass through the spectrum."""
    spectrum = fft.rfft(bus, rooms.length)
    f = _GRID
    tilt = float(rng.normal(0.0, 0.9)) / 20.0  # dB per octave around 1 kHz, in powers of ten
    curve = 10.0 ** (np.clip(tilt * np.log2(f / 1000.0), -0.35, 0.35))
    for _ in range(2):  # two broad bells
        center = float(np.exp(rng.uniform(np.log(120.0), np.log(9000.0))))
        height = float(rng.normal(0.0, 3.0)) / 20.0
        curve *= 10.0 ** (height * np.exp(-((np.log2(f / center) / 0.8) ** 2)))
    low_cut = {"drums": 25.0, "bass": 28.0}.get(name, float(rng.uniform(60.0, 180.0)))
    curve *= 1.0 / np.sqrt(1.0 + (low_cut / f) ** 4)
    if rng.random() < 0.12:  # a dull recording
        curve *= 1.0 / np.sqrt(1.0 + (f / float(rng.uniform(5000.0, 10000.0))) ** 6)
    ranges = {"drums": (0.02, 0.5, 0.08), "bass": (0.0, 0.08, 0.02), "other": (0.02, 0.35, 0.3),
              "vocals": (0.02, 0.25, 0.4)}[name]  # fmt: skip
    near = np.float32(rng.uniform(ranges[0], ranges[1]))
    far = np.float32(ranges[2] * rng.random() ** 2)
    send = 0.5 * (spectrum[0] + spectrum[1])
    wet = near * rooms.small + far * rooms.large
    spectrum += send * wet
    curve = curve.astype(np.float32)
    slope = np.diff(curve, append=curve[-1])
    spectrum *= curve.take(rooms.below) + rooms.above * slope.take(rooms.below)
    return fft.irfft(spectrum, rooms.length, overwrite_x=True)


def compress(
    bus: np.ndarray,
    sample_rate: int,
    *,
    threshold: float,
    strength: float,
    attack: float,
    release: float,
) -> np.ndarray:
    """A compressor on a bus (2, samples): above `threshold`, `strength` of the excess (in dB) goes.

    The level is the peak of both channels in blocks of 32 samples, smoothed by the attack while it
    rises and by the release while it falls.
    """
    samples = bus.shape[1]
    blocks = -(-samples // _BLOCK)
    level = np.zeros((2, blocks * _BLOCK), np.float32)
    level[:, :samples] = np.abs(bus)
    level = level.reshape(2, blocks, _BLOCK).max(axis=(0, 2))
    pole = float(np.exp(-_BLOCK / (release * sample_rate)))
    # Falling: a held peak that decays, computed as a running maximum in the log domain.
    slope = np.log(pole) * np.arange(blocks)
    held = np.exp(np.maximum.accumulate(np.log(level + 1e-6) - slope) + slope)
    pole = float(np.exp(-_BLOCK / (attack * sample_rate)))
    held = signal.lfilter([1.0 - pole], [1.0, -pole], held)
    gain = np.minimum(1.0, (np.maximum(held, 1e-6) / threshold) ** -strength).astype(np.float32)
    after = np.append(gain[1:], gain[-1:])
    ramp = np.arange(_BLOCK, dtype=np.float32) / _BLOCK
    curve = (gain[:, None] + (after - gain)[:, None] * ramp).ravel()[:samples]
    return bus * curve


def _pump(
    rng: np.random.Generator, song: BandSong, drums: np.ndarray, sample_rate: int
) -> np.ndarray | None:
    """The gain by which kicks on the beat duck bass and other, or None."""
    if rng.random() >= song.style.duck:
        return None
    depth, length = float(rng.uniform(0.3, 0.95)), float(rng.uniform(0.12, 0.35))
    gain = np.ones(drums.shape[1], np.float32)
    count = int(length * sample_rate)
    dip = 1.0 - depth * (1.0 - np.linspace(0.0, 1.0, count, dtype=np.float32) ** 0.7)
    for section in song.playing("drums"):
        for bar in range(section.first, section.first + section.bars):
            for step, mark in enumerate(song.kicks[bar]):
                start = int(song.time(bar, step) * sample_rate)
                if mark != "." and 0 <= start < len(gain):
                    part = gain[start : start + count]
                    np.minimum(part, dip[: len(part)], out=part)
    return gain
