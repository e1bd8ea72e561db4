"""How far an export's estimates are from those of TensorFlow."""

import os
from collections.abc import Callable

import numpy as np

from dssgan.runtime.onnx_separator import OnnxSeparator
from dssgan.separation.chunked import ChunkedSeparator


def difference_db(
    separator: ChunkedSeparator,
    export: str | os.PathLike | Callable[[np.ndarray], np.ndarray],
    channels: int = 1,
    seed: int = 0,
) -> float:
    """Level of the difference over a chunk of sound, in dB of the estimates' own level.

    Args:
      separator: computes what is right, with chunks as long as the export's.
      export: a folder with its separator.onnx, or what computes a chunk as an export does.
      channels: of the sound.
      seed: of the sound, decaying bursts of noise over a few tones.
    """
    audio = bursts(separator.segment, channels, separator.sample_rate, seed)[None]
    expected = separator.inference(channels)(audio)
    infer = export if callable(export) else OnnxSeparator.load(export).inference(channels)
    found = infer(audio)
    error = np.sqrt(np.mean(np.square(found - expected, dtype=np.float64)))
    level = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    return float(20 * np.log10(max(error, 1e-30) / max(level, 1e-30)))


def bursts(samples: int, channels: int, sample_rate: int, seed: int) -> np.ndarray:
    """float32 (samples, channels): four bursts of noise a second and a chord."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples)[:, None] / sample_rate
    noise = rng.standard_normal((samples, channels)) * np.exp(-20 * (time % 0.25))
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (110.0, 220.5, 331.0))
    return (0.15 * noise + 0.1 * chord).astype(np.float32)
