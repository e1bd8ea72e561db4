"""A small world that commands work in: songs, their cache, a separator, estimates, a recipe."""

import os
from pathlib import Path

import numpy as np
import soundfile

from common.cli import one_line
from experiments.benchmarks.robustness import processes

RATE = 8000
STEMS = ("drums", "bass")
RECIPE = """\
name: small
sources: [drums, accompaniment]
phases: [supervised, adversarial, test]
alpha: 0.1
beta: 0.1
data:
  name: folders
  root: songs
  cache: songs-cache
  valid: [b]
  test: [c]
  seconds: 0.25
  batch: 2
  workers: 1
unpaired:
  mixtures: [{name: recordings, root: mixes}]
  solos: [{name: recordings, root: solos, source: drums, options: {stem: drums}}]
model: {name: unet, sample_rate: 8000, frame_length: 64, hop: 32, levels: 2, filters: 2}
loss: {name: log_magnitudes}
supervised: {epochs: 6, steps: 4, calibration: 2}
adversarial:
  epochs: 6
  steps: 1
  critic_steps: 1
  critic_warmup: 1
  critics:
    - {name: dcgan, frame_length: 64, hop: 32, frames: 8, width: 2, hidden: 4, objective: hinge,
       penalty: 0}
optimiser: {average: 0.9}
validation: {songs: 1}
checkpoint: {steps: 3}
tracking: {folder: runs, every: 2, tensorboard: false}
separation: {segment: 1.0}
"""
PREPARE = ("datasets", "prepare", "folders", "songs", "--out", "cache", "--rates", "8000")
SCORE = ("evaluation", "score", "--references", "songs", "--estimates", "estimates")
TRAIN = ("dssgan.train", "with", "small.yaml", "name=run")


def make(root: Path) -> None:
    """Fill an empty folder.

    Raises:
      RuntimeError: a command fails on what is in order.
    """
    rng = np.random.default_rng(7)
    for song in "abcd":
        for stem in STEMS:
            write(root / "songs" / song / f"{stem}.wav", noise(rng, 3.0))
            write(root / "estimates" / song / f"{stem}.wav", noise(rng, 3.0))
    for place in ("mixes", "solos"):
        for number in range(3):
            write(root / place / f"{number}.wav", noise(rng, 3.0))
    (root / "small.yaml").write_text(RECIPE)
    for words in (TRAIN, PREPARE, (*SCORE, "--out", "scores")):
        done = processes.run(words, root)
        if done.code:
            raise RuntimeError(f"{' '.join(words)}: {one_line(RuntimeError(done.text))}")
    os.rename(root / "runs" / "run" / "separator", root / "separator")


def noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Bursts of noise: float32 (samples, 2)."""
    audio = rng.standard_normal((round(seconds * RATE), 2)).astype(np.float32)
    bursts = np.exp(-(np.arange(len(audio)) % 2000) / 400.0).astype(np.float32)
    return 0.1 * audio * bursts[:, None]


def write(path: Path, audio: np.ndarray, rate: int = RATE) -> None:
    """Write a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate)
