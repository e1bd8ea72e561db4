"""Miniatures of real layouts, generated; helpers for tests on files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets import audio

STEMS = ("drums", "bass", "other", "vocals")


def noise(samples: int, channels: int = 2, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Coloured noise with swells and pauses, which every encoder treats differently in time."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((samples, channels))
    time = np.arange(samples)[:, None] / 44100
    tones = np.sin(2 * np.pi * (220 + 110 * np.arange(channels)) * time)
    swell = np.abs(np.sin(2 * np.pi * 0.9 * time + seed))
    return (level * (0.5 * white * swell + tones * (1 - swell))).astype(np.float32)


@pytest.fixture(scope="session")
def make_audio() -> Callable[..., np.ndarray]:
    """make_audio(samples, channels, seed, level) → float32 (samples, channels)."""
    return noise


@pytest.fixture(scope="session")
def make_song() -> Callable[..., dict[str, np.ndarray]]:
    """Write a folder of stems; returns what was written, by stem."""

    def make(
        folder: Path,
        stems=STEMS,
        *,
        mixture: bool = False,
        samples: int = 3000,
        channels: int = 2,
        rate: int = 44100,
        suffix: str = ".wav",
        bits: int | str = 16,
    ) -> dict[str, np.ndarray]:
        seed = sum(map(ord, folder.name))
        written = {stem: noise(samples, channels, seed + n) for n, stem in enumerate(stems)}
        if mixture:
            written["mixture"] = sum(written.values()) * np.float32(0.9)
        for stem, data in written.items():
            audio.write(folder / f"{stem}{suffix}", data, rate, bits=bits)
        return written

    return make


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, str]]:
    """tree(folder) → path within it → checksum, for every file."""

    def checksums(folder: Path) -> dict[str, str]:
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    return checksums
