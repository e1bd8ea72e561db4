"""Stems on their way to disk: all of a song or none, and never clipped."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dssgan.separation.buffers import DiskBuffer, Fifo

Block = Mapping[str, np.ndarray]
# The largest sample of 16 bits; at this peak no whole-number format clips.
CEILING = 1 - 2.0**-15


@contextlib.contextmanager
def all_or_none(paths: Iterable[Path]) -> Iterator[None]:
    """When the block raises, remove those of `paths` that it wrote, and the folders it made.

    Raises:
      OSError: a name that is too long, or a folder that may not be searched; nothing is written.
    """
    paths = set(paths)
    old = {path: _inode(path) for path in paths}
    made = {folder for path in paths for folder in path.parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for path in paths:
            with contextlib.suppress(OSError):
                if _inode(path) not in (None, old[path]):
                    path.unlink()
        for folder in sorted(made, key=lambda folder: -len(folder.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _inode(path: Path) -> int | None:
    """What names a file while it is there; None where nothing is."""
    try:
        return os.lstat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def with_mixture(stems: Iterable[Block], mixture: Iterable[np.ndarray]) -> Iterator[Block]:
    """Put the mixture, read once more in blocks of its own, beside blocks of stems."""
    mixture = iter(mixture)
    waiting = Fifo()
    for block in stems:
        length = len(next(iter(block.values())))
        while len(waiting) < length:
            waiting.append(next(mixture))
        yield {"mixture": waiting.pop(length), **block}


def with_accompaniment(blocks: Iterable[Block], source: str, complete: bool) -> Iterator[Block]:
    """Add the accompaniment of `source` to blocks of all sources, or of the mixture and `source`.

    Args:
      blocks: with all sources of a complete separator; else with "mixture".
      source: the one that is accompanied.
      complete: whether the other sources add up to the accompaniment.
    """
    for block in blocks:
        if complete:
            rest = [audio for name, audio in block.items() if name not in ("mixture", source)]
            yield {**block, "accompaniment": np.sum(rest, axis=0)}
        else:
            yield {**block, "accompaniment": block["mixture"] - block[source]}


def write_as_is(
    blocks: Iterable[Block], names: Sequence[str], write: Callable[[Block], object]
) -> float:
    """Write block by block, for formats that hold any number; returns the largest magnitude."""
    peak = 0.0
    for block in blocks:
        peak = max(peak, *(float(np.abs(block[name]).max()) for name in names))
        write({name: block[name] for name in names})
    return peak


def write_without_clipping(
    blocks: Iterable[Block],
    names: Sequence[str],
    write: Callable[[Block], object],
    channels: int,
    folder: str | os.PathLike,
) -> tuple[float, float]:
    """Keep the stems in a temporary file until their peaks are known; write all with one gain.

    One gain for all keeps their balance, and their sum in proportion to the mixture.

    Args:
      blocks: {name: (samples, channels)}.
      names: the ones to write.
      write: takes such blocks.
      channels: of the audio.
      folder: for the temporary file, 4 bytes per number.

    Returns:
      The largest magnitude before the gain, and the gain: 1, or what brings it below full scale.
    """
    peak = 0.0
    with DiskBuffer(len(names), channels, folder=folder) as kept:
        for block in blocks:
            rows = np.stack([block[name] for name in names], axis=1)
            peak = max(peak, float(np.abs(rows).max()))
            kept.append(rows)
        gain = CEILING / peak if peak > CEILING else 1.0
        for rows in kept.blocks():
            rows *= np.float32(gain)
            write({name: rows[:, place] for place, name in enumerate(names)})
    return peak, gain
