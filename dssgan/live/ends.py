"""Where a running signal comes from and goes to: files and pipes."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets import audio
from datasets.audio.wav import quantise

BLOCK = 256  # samples
TYPES = {"f32": "<f4", "s16": "<i2"}  # of numbers in a pipe


def file_blocks(path: Path, paced: bool) -> Iterator[np.ndarray]:
    """The blocks of a file, as fast as they are played or as fast as they can be read.

    Raises:
      ValueError, OSError: as the readers do.
    """
    rate, begun, count = audio.probe(path).sample_rate, time.perf_counter(), 0
    for block in audio.blocks(path, BLOCK):
        count += len(block)
        if paced:
            time.sleep(max(0.0, begun + count / rate - time.perf_counter()))
        yield block


def pipe_blocks(channels: int, kind: str, stream=None) -> Iterator[np.ndarray]:
    """The blocks of interleaved numbers on standard input.

    Args:
      kind: of TYPES. stream: in place of standard input.

    Raises:
      ValueError: it ends within a sample.
    """
    stream = stream or sys.stdin.buffer
    size = channels * np.dtype(TYPES[kind]).itemsize
    left = b""
    while data := stream.read1(BLOCK * size):
        data = left + data
        whole = len(data) - len(data) % size
        left = data[whole:]
        if whole:
            numbers = np.frombuffer(data[:whole], TYPES[kind]).reshape(-1, channels)
            yield numbers.astype(np.float32) / (32768 if kind == "s16" else 1)
    if left:
        raise ValueError(
            f"standard input ends within a sample of {channels} channels of {kind}: are --channels "
            "and --type right?"
        )


class PipeWriter:
    """Interleaved numbers on standard output.

    Args:
      kind: of TYPES. stream: in place of standard output.
    """

    def __init__(self, kind: str, stream=None):
        self.kind, self.stream = kind, stream or sys.stdout.buffer

    def write(self, block: np.ndarray) -> None:
        """Write a block at once, so that it waits in no buffer."""
        numbers = quantise(block, 16) if self.kind == "s16" else block
        self.stream.write(np.ascontiguousarray(numbers, TYPES[self.kind]).tobytes())
        self.stream.flush()

    def __enter__(self) -> "PipeWriter":
        return self

    def __exit__(self, *_) -> None:
        pass
