"""Oscillators, plucked strings, noise and envelopes: what the instruments of the band are made of.

Everything is vectorised over the samples of a note. Sounds are float32 (samples,), mono.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft

TABLE_BITS = 15
TABLE = 1 << TABLE_BITS
_SHIFT = np.uint32(32 - TABLE_BITS)


def child(rng: np.random.Generator) -> np.random.Generator:
    """A generator of its own for noise, so that how much of it is drawn changes nothing else.

    That way a song is the same music at every sample rate.
    """
    return np.random.default_rng(rng.integers(2**63, size=2))


def hertz(note: float) -> float:
    """Frequency of a MIDI note number (69 is 440 Hz)."""
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def db(level: float) -> float:
    """Amplitude of a level in dB."""
    return float(10.0 ** (level / 20.0))


def wavetable(spectrum: np.ndarray, hz: float, sample_rate: int) -> np.ndarray:
    """One period of a sound with harmonic amplitudes `spectrum` (harmonic 1 first).

    Harmonics above 0.48 of the sample rate at the fundamental `hz` are left out: no aliasing.
    """
    count = min(len(spectrum), max(1, int(0.48 * sample_rate / max(hz, 1.0))))
    bins = np.zeros(TABLE // 2 + 1, np.complex64)
    bins[1 : count + 1] = -0.5j * TABLE * np.asarray(spectrum[:count])
    return fft.irfft(bins).astype(np.float32, copy=False)


def oscillate(
    table: np.ndarray, hz: float | np.ndarray, samples: int, sample_rate: int, phase: float = 0.0
) -> np.ndarray:
    """Read a table of `TABLE` samples at a constant or per-sample frequency.

    The phase is an unsigned 32-bit integer that wraps around by itself; a table this long needs no
    interpolation (error about −73 dB for the fundamental).
    """
    scale = 2.0**32 / sample_rate
    if np.ndim(hz) == 0:
        phases = np.arange(samples, dtype=np.uint32)
        phases *= np.uint32(int(hz * scale) & 0xFFFFFFFF)
    else:
        steps = (np.asarray(hz[:samples], np.float64) * scale).astype(np.uint32)
        phases = np.cumsum(steps, dtype=np.uint32)
    phases += np.uint32(int(phase * 2**32) & 0xFFFFFFFF)
    phases >>= _SHIFT
    return table.take(phases)


def gliding(spectrum: np.ndarray, hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """A tone whose frequency moves freely, full up to the highest harmonic at every moment.

    One table per quarter octave, side by side; each sample reads the one of its frequency.
    """
    lowest, highest = float(np.min(hz)), float(np.max(hz))
    count = int(np.ceil(4.0 * np.log2(highest / lowest) + 1e-6)) + 1
    edges = lowest * 2.0 ** (np.arange(1, count + 1) / 4.0)
    tables = np.concatenate([wavetable(spectrum, edge, sample_rate) for edge in edges])
    level = np.searchsorted(edges, hz).astype(np.uint32)
    steps = (hz * (2.0**32 / sample_rate)).astype(np.uint32)
    where = np.cumsum(steps, dtype=np.uint32) >> _SHIFT
    where += np.minimum(level, np.uint32(count - 1)) << np.uint32(TABLE_BITS)
    return tables.take(where)


SINE = wavetable(np.ones(1), 1.0, 48000)


def swept_sine(hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """A sine whose frequency follows `hz` (samples,), from phase zero."""
    return oscillate(SINE, hz, len(hz), sample_rate)


def falling(samples: int, t60: float, sample_rate: int) -> np.ndarray:
    """Exponential decay from 1 that loses 60 dB in `t60` seconds."""
    rate = np.float32(-6.9078 / max(t60 * sample_rate, 1.0))
    return np.exp(rate * np.arange(samples, dtype=np.float32))


def envelope(
    samples: int,
    held: int,
    sample_rate: int,
    *,
    attack: float = 0.003,
    t60: float | None = None,
    release: float = 0.05,
) -> np.ndarray:
    """Attack ramp, optional exponential decay, and a release that starts after `held` samples."""
    shape = np.ones(samples, np.float32) if t60 is None else falling(samples, t60, sample_rate)
    rise = min(samples, max(2, int(attack * sample_rate)))
    shape[:rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
    if held < samples:
        shape[held:] *= falling(samples - held, release, sample_rate)
    last = min(samples, 64)  # no click at the end, whatever is left of the decay
    shape[samples - last :] *= np.linspace(1.0, 0.0, last, dtype=np.float32)
    return shape


def shaped_noise(
    rng: np.random.Generator,
    samples: int,
    sample_rate: int,
    response: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Gaussian noise through a magnitude response over frequency in Hz; RMS about 1."""
    length = fft.next_fast_len(max(samples, 256), real=True)
    spectrum = fft.rfft(rng.standard_normal(length, dtype=np.float32))
    gains = response(fft.rfftfreq(length, 1.0 / sample_rate)).astype(np.float32)
    level = np.sqrt(np.mean(gains**2)) + 1e-9
    return fft.irfft(spectrum * (gains / level), length)[:samples]


def band(low: float, high: float, slope: float = 2.0) -> Callable[[np.ndarray], np.ndarray]:
    """A response that passes `low` to `high` Hz and falls off with 6·`slope` dB per octave."""

    def response(frequencies: np.ndarray) -> np.ndarray:
        f = np.maximum(frequencies, 1.0)
        return 1.0 / np.sqrt((1.0 + (low / f) ** (2 * slope)) * (1.0 + (f / high) ** (2 * slope)))

    return response


def darkening_noise(
    rng: np.random.Generator,
    samples: int,
    sample_rate: int,
    edges: tuple[float, ...],
    gains: tuple[float, ...],
    t60s: tuple[float, ...],
) -> np.ndarray:
    """Noise in neighbouring bands that decay each at their own speed, as cymbals and snares do."""
    length = fft.next_fast_len(max(samples, 256), real=True)
    spectrum = fft.rfft(rng.standard_normal(length, dtype=np.float32))
    frequencies = fft.rfftfreq(length, 1.0 / sample_rate)
    total = np.zeros(samples, np.float32)
    for low, high, gain, t60 in zip(edges[:-1], edges[1:], gains, t60s):
        shape = band(low, high, 4.0)(frequencies).astype(np.float32)
        part = fft.irfft(spectrum * shape, length)[:samples]
        total += np.float32(gain) * part * falling(samples, t60, sample_rate)
    return total


def partials(
    frequencies: np.ndarray, gains: np.ndarray, t60s: np.ndarray, samples: int, sample_rate: int
) -> np.ndarray:
    """A sum of decaying sines at any frequencies (bars, bells, drum heads, cymbals)."""
    total = np.zeros(samples, np.float32)
    for place, (hz, gain, t60) in enumerate(zip(frequencies, gains, t60s)):
        if hz < 0.46 * sample_rate:
            wave = oscillate(SINE, float(hz), samples, sample_rate, phase=0.377 * place)
            total += np.float32(gain) * wave * falling(samples, float(t60), sample_rate)
    return total


def pluck(
    rng: np.random.Generator,
    hz: float,
    samples: int,
    sample_rate: int,
    *,
    t60: float,
    brightness: float,
    position: float,
    damping: float,
) -> np.ndarray:
    """A plucked string: Karplus and Strong's loop (1983), solved in closed form.

    In the loop every period is the period before it through a fixed loss filter H, so the spectrum
    of period k is that of the pluck times H^k: one inverse FFT gives all periods at once.

    Args:
      hz: fundamental; it is exact (the table of periods is read at a fractional step).
      t60: seconds in which the fundamental loses 60 dB.
      brightness: 0 to 1, how flat the spectrum of the pluck is.
      position: where the string is plucked, 0 to 0.5 of its length (a comb in the spectrum).
      damping: how much faster high harmonics decay than the fundamental.
    """
    size = max(16, int(np.ceil(sample_rate / hz)))
    bins = size // 2 + 1
    harmonic = np.arange(bins, dtype=np.float64)
    start = rng.standard_normal(bins) + 1j * rng.standard_normal(bins)
    start = 0.7 * np.exp(1j * np.angle(start)) + 0.3 * start
    slope = 2.2 - 1.7 * brightness
    start *= np.abs(np.sin(np.pi * harmonic * position)) + 0.05
    start[1:] *= harmonic[1:] ** -slope
    start[0] = 0.0
    start[harmonic * hz > 0.48 * sample_rate] = 0.0
    periods = int(np.ceil(samples * hz / sample_rate)) + 2
    loss = -6.9078 / (t60 * hz) * (1.0 + damping * (harmonic / 10.0) ** 1.5)
    spectra = np.outer(np.arange(periods, dtype=np.float32), loss.astype(np.float32))
    np.maximum(spectra, -30.0, out=spectra)
    string = fft.irfft(np.exp(spectra) * start.astype(np.complex64), size, axis=1).ravel()
    where = np.arange(samples, dtype=np.float64) * (size * hz / sample_rate)
    before = where.astype(np.int64)
    weight = (where - before).astype(np.float32)
    sound = string[before] * (1.0 - weight) + string[before + 1] * weight
    return sound / (np.max(np.abs(sound[: 4 * size])) + 1e-9)


def place(bus: np.ndarray, start: int, sound: np.ndarray, left: float, right: float) -> None:
    """Add a mono sound into a bus (2, samples) from sample `start`; what hangs over is cut."""
    if start < 0:
        sound, start = sound[-start:], 0
    count = min(len(sound), bus.shape[1] - start)
    if count > 0:
        bus[0, start : start + count] += np.float32(left) * sound[:count]
        bus[1, start : start + count] += np.float32(right) * sound[:count]


def pan(position: float) -> tuple[float, float]:
    """Constant-power gains of left and right for a position from −1 (left) to 1 (right)."""
    angle = (float(position) + 1.0) * np.pi / 4.0
    return float(np.cos(angle) * np.sqrt(2.0)), float(np.sin(angle) * np.sqrt(2.0))
