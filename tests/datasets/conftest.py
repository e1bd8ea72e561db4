"""Miniatures of real layouts, generated; helpers for tests on files."""

import hashlib
import os
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


def track_bytes(messages) -> bytes:
    """A track chunk of [(tick, bytes as they stand in a file)], in any order."""
    body, last = b"", 0
    for tick, message in sorted(messages, key=lambda one: one[0]):
        delta, last = tick - last, tick
        groups = [delta >> shift & 0x7F for shift in (21, 14, 7, 0)]
        while len(groups) > 1 and not groups[0]:
            del groups[0]
        body += bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]]) + message
    body += b"\x00\xff\x2f\x00"
    return b"MTrk" + len(body).to_bytes(4) + body


@pytest.fixture(scope="session")
def make_midi() -> Callable[..., bytes]:
    """make_midi(*tracks, division) → a MIDI file; see `track_bytes` for a track."""

    def make(*tracks, division: int = 96) -> bytes:
        kind = min(1, len(tracks) - 1)
        header = b"".join(number.to_bytes(2) for number in (kind, len(tracks), division))
        return b"MThd\x00\x00\x00\x06" + header + b"".join(map(track_bytes, tracks))

    return make


@pytest.fixture(scope="session")
def make_band(make_midi) -> Callable[..., bytes]:
    """A General MIDI song of two seconds per bar: drums, a bass, chords and, if asked for, a lead.

    make_band(bars, shift, lead, drums): keys are moved by `shift`.
    """

    def make(bars: int = 2, shift: int = 0, lead: bool = True, drums: bool = True) -> bytes:
        def part(channel, program, keys, step, length, name=b""):
            messages = [(0, b"\xff\x03" + bytes((len(name),)) + name)] if name else []
            messages.append((0, bytes((0xC0 | channel, program))))
            for number in range(bars * 384 // step):
                for key in keys[number % len(keys)]:
                    start = number * step
                    messages.append((start, bytes((0x90 | channel, key, 100))))
                    messages.append((start + length, bytes((0x80 | channel, key, 64))))
            return messages

        bass, low = 38 + shift, 60 + shift
        tracks = [
            [(0, b"\xff\x51\x03" + (500_000).to_bytes(3))],
            part(1, 33, [(bass,), (bass + 7,)], 48, 40),
            part(2, 0, [(low, low + 4, low + 7)], 96, 90),
        ]
        if drums:
            tracks.append(part(9, 0, [(36, 42), (42,), (38, 42), (42,)], 24, 12))
        if lead:
            tracks.append(part(3, 73, [(72 + shift,), (76 + shift,), (79 + shift,)], 96, 80))
        return make_midi(*tracks)

    return make


@pytest.fixture(scope="session")
def soundfont() -> str:
    """A sound font that is installed beside FluidSynth; skips without them, never in CI."""
    from datasets.midi import fluidsynth

    try:
        fluidsynth.program()
        fluidsynth.fonts("TimGM6mb")
    except ValueError as error:
        assert os.environ.get("CI") != "true", f"needed in CI: {error}"
        pytest.skip(str(error))
    return "TimGM6mb"
