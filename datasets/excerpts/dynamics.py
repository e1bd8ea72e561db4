"""Levels of the sources of an excerpt: width, saturation, level, compression.

Audio is float32 (channels, samples) of a source, or (sources, channels, samples).
"""

import numpy as np

_FRAME_S = 0.005  # over which the compressor measures
_ATTACK_S, _RELEASE_S = 0.01, 0.15
_FAINT = 1e-3  # −60 dB: what is fainter relative to the mixture has no level worth matching


def rms(audio: np.ndarray) -> float:
    """Root of the mean square of all samples."""
    return float(np.linalg.norm(audio.ravel())) / max(audio.size, 1) ** 0.5


def with_energy(audio: np.ndarray, wanted: float) -> np.ndarray:
    """Scale to an RMS; silence stays silent."""
    found = rms(audio)
    return audio * np.float32(wanted / found) if found > 0.0 else audio


def widened(audio: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the side signal of a stereo source; mono is returned as it is."""
    if len(audio) != 2:
        return audio
    middle, side = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) * np.float32(factor / 2)
    return np.stack([middle + side, middle - side])


def saturated(audio: np.ndarray, drive: float) -> np.ndarray:
    """Clip softly, tanh(drive · audio / peak), and scale to the energy of before."""
    peak = float(np.max(np.abs(audio), initial=0.0))
    if not peak > 0.0:
        return audio
    return with_energy(np.tanh(audio / np.float32(peak) * np.float32(drive)), rms(audio))


def level_factor(sources: np.ndarray, number: int, decibels: float) -> float:
    """Return the factor that sets the RMS of a source so many dB above that of all others.

    It is 1 where the source or the sum of the others is below −60 dB of the louder of the two.
    """
    rest = sources.sum(axis=0) - sources[number]
    own, others = rms(sources[number]), rms(rest)
    if min(own, others) <= _FAINT * max(own, others):
        return 1.0
    return 10.0 ** (decibels / 20.0) * others / own


def compression_curve(
    mixture: np.ndarray, rate: int, threshold_db: float, ratio: float
) -> np.ndarray:
    """Compute the gains of a bus compressor: float32 (samples,), all above 0.

    The level is that of frames of 5 ms over all channels, relative to the RMS of the mixture;
    what exceeds the threshold is divided by the ratio in dB, with an attack of 10 ms and a release
    of 150 ms. A constant factor keeps the energy of the mixture.
    """
    samples = mixture.shape[-1]
    power = np.mean(np.square(mixture), axis=0)
    mean = float(np.mean(power)) if samples else 0.0
    if not mean > 0.0:
        return np.ones(samples, np.float32)
    frame = max(1, round(_FRAME_S * rate))
    starts = np.arange(0, samples, frame)
    sizes = np.minimum(starts + frame, samples) - starts
    levels = 10.0 * np.log10(np.add.reduceat(power, starts) / sizes / mean + 1e-9)
    reductions = (1.0 - 1.0 / ratio) * np.maximum(levels - threshold_db, 0.0)
    gains = 10.0 ** (-_smoothed(reductions, frame / rate) / 20.0)
    curve = np.interp(np.arange(samples), starts + (sizes - 1) / 2, gains).astype(np.float32)
    after = float(np.mean(power * np.square(curve)))
    return curve * np.float32((mean / after) ** 0.5) if after > 0.0 else curve


def _smoothed(reductions: np.ndarray, step: float) -> np.ndarray:
    """Let reductions in dB rise within the attack and fall within the release; step in seconds."""
    rise, fall = 1.0 - np.exp(-step / _ATTACK_S), 1.0 - np.exp(-step / _RELEASE_S)
    state, found = 0.0, []
    for wanted in reductions.tolist():
        state += (rise if wanted > state else fall) * (wanted - state)
        found.append(state)
    return np.array(found)
