"""Contributed multitracks of a few seconds, generated."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets import audio
from datasets.intake.limits import Limits
from datasets.intake.run import Options, intake
from datasets.intake.terms import Terms

RATE = 32000
TERMS = Terms("", licence="CC0-1.0", credit="Some One")


@functools.lru_cache(maxsize=256)
def played(seconds: float, seed: int, rate: int = RATE) -> np.ndarray:
    """Notes and hits drawn by a seed: float32 (samples, 2), peak below 0.25."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * rate)
    signal = np.zeros(samples)
    for start in range(0, samples, rate // 8):
        count = min(rate // 4, samples - start)
        time = np.arange(count) / rate
        pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
        note = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3))
        signal[start : start + count] += note * np.exp(-8 * time)
        signal[start : start + count] += rng.standard_normal(count) * np.exp(-40 * time)
    signal *= 0.2 / np.abs(signal).max()
    return np.stack([signal, 0.8 * signal], 1).astype(np.float32)


@pytest.fixture(scope="session")
def play() -> Callable[..., np.ndarray]:
    """play(seconds, seed, rate) → float32 (samples, 2)."""
    return played


@pytest.fixture(scope="session")
def contribute() -> Callable[..., dict[str, np.ndarray]]:
    """contribute(folder, names, seed, seconds, rate, suffix) writes files; returns them."""

    def write(
        folder: Path,
        names=("KickIn", "Bass DI", "Gtr 1", "LeadVox"),
        seed: int = 0,
        seconds: float = 3.0,
        rate: int = RATE,
    ) -> dict[str, np.ndarray]:
        written = {}
        for number, name in enumerate(names):
            data = played(seconds, 100 * seed + number, rate)
            audio.write(folder / f"{name}.wav", data, rate, bits=24)
            written[name] = audio.read(folder / f"{name}.wav")[0]
        return written

    return write


@pytest.fixture(scope="session")
def take() -> Callable:
    """take(sources, out, **options) runs an intake with terms and limits for short songs."""

    def run(sources, out, *, workers=1, limits=None, **options):
        sources = sources if isinstance(sources, list) else [sources]
        given = {"terms": TERMS, **options}
        held = Limits(**{"seconds": 2.0, **(limits or {})})
        return intake(sources, out, Options(limits=held, **given), workers=workers)

    return run
