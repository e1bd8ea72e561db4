"""Chunks of fixed length out of a stream, and their estimates cross-faded back into one.

Every chunk has the same shape, so that one graph serves a clip of one sample and a song of three
hours. The weights that a sample received are added up beside it and divided out (true
normalisation): whatever the overlap, audio that the separator passes on comes out as it went in.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dssgan.separation.buffers import Fifo

# Weight of samples that should not count unless nothing else covers them (ends of the track).
FLOOR = 1e-6


class Chunk(NamedTuple):
    """A chunk and its place.

    Attributes:
      audio: float32 (segment, channels).
      lead: samples at its start that come before its nominal place; only chunks that are not full
        have them, real audio in place of padding.
      length: samples from its nominal place to the end of real audio.
      more: a chunk follows although this one is not full.
    """

    audio: np.ndarray
    lead: int
    length: int
    more: bool = False


def fade_window(segment: int, hop: int, context: int) -> np.ndarray:
    """Weights of a chunk: raised-cosine flanks inside the overlap.

    The outermost samples lack the context that the separator needs; up to a quarter of the overlap
    at each end they get (almost) no weight. With `hop` of half a segment or more, the weights of
    neighbours add up to one.

    Args:
      segment: length of a chunk.
      hop: distance between chunks, 1 ≤ hop ≤ segment.
      context: samples of past and future that an estimate depends on.

    Returns:
      float32 (segment,), all positive.
    """
    overlap = min(segment - hop, segment // 2)
    dropped = min(context, overlap // 4)
    rise = np.arange(overlap - 2 * dropped) + 0.5
    rise = np.sin(0.5 * np.pi * rise / max(len(rise), 1)) ** 2
    window = np.ones(segment)
    window[:dropped] = 0
    window[dropped : dropped + len(rise)] = rise
    window = np.minimum(window, window[::-1])
    return np.maximum(window, FLOOR).astype(np.float32)


def triangle_window(segment: int) -> np.ndarray:
    """Weights of a chunk that rise to its middle and fall from there, as Demucs joins chunks.

    Returns:
      float32 (segment,), all positive, 1 in the middle.
    """
    rise = np.arange(1, segment // 2 + 1, dtype=np.float32)
    fall = np.arange(segment - segment // 2, 0, -1, dtype=np.float32)
    window = np.concatenate([rise, fall])
    return window / window.max()


def split_chunks(
    blocks: Iterable[np.ndarray], segment: int, hop: int, channels: int, grid: int = 1
) -> Iterator[Chunk]:
    """Cut blocks (samples, channels) of any length into chunks as soon as they are full.

    A last chunk that is not full begins earlier, by a multiple of `grid`; what that leaves open,
    and audio shorter than one segment, is padded with silence at the end.
    """
    # The hop before the nominal place is kept for a last chunk that begins earlier.
    buffer = np.zeros((hop + segment, channels), np.float32)
    filled = 0
    fresh = 0
    first = True
    for block in blocks:
        while len(block):
            count = min(len(block), segment - filled)
            buffer[hop + filled : hop + filled + count] = block[:count]
            block = block[count:]
            filled += count
            fresh += count
            if filled == segment:
                yield Chunk(buffer[hop:].copy(), 0, segment)
                buffer[:-hop] = buffer[hop:]
                filled = segment - hop
                fresh = 0
                first = False
    if fresh:
        lead = 0 if first else (segment - filled) // grid * grid
        buffer[hop + filled :] = 0
        yield Chunk(buffer[hop - lead : hop - lead + segment].copy(), lead, filled)


def split_centred(
    blocks: Iterable[np.ndarray], segment: int, hop: int, channels: int, grid: int = 1
) -> Iterator[Chunk]:
    """Cut blocks into chunks that begin every `hop` samples, as far as there is audio.

    Those at the end that are not full have real audio before them and silence behind, half of what
    is missing each (but for what `grid` moves); where there is no audio before, silence too.
    """
    # Half a segment before the nominal place is kept.
    kept = segment // 2
    buffer = np.zeros((kept + segment, channels), np.float32)
    filled = 0
    for block in blocks:
        while len(block):
            count = min(len(block), segment - filled)
            buffer[kept + filled : kept + filled + count] = block[:count]
            block = block[count:]
            filled += count
            if filled == segment:
                yield Chunk(buffer[kept:].copy(), 0, segment)
                buffer[:-hop] = buffer[hop:]
                filled = segment - hop
    while filled > 0:
        buffer[kept + filled :] = 0
        lead = (segment - filled) // 2 // grid * grid
        audio = buffer[kept - lead : kept - lead + segment].copy()
        yield Chunk(audio, lead, filled, more=filled > hop)
        buffer[:-hop] = buffer[hop:]
        filled -= hop


def overlap_add(
    chunks: Iterable[Chunk],
    infer: Callable[[np.ndarray], np.ndarray],
    window: np.ndarray,
    hop: int,
    batch_size: int,
) -> Iterator[np.ndarray]:
    """Separate chunks and join their estimates.

    Args:
      chunks: from `split_chunks` or `split_centred` with the same segment and hop.
      infer: (batch, segment, channels) → (batch, sources, segment, channels).
      window: (segment,), from `fade_window` or `triangle_window`.
      hop: distance between chunks in samples.
      batch_size: chunks per call of `infer`; the last call may get fewer.

    Yields:
      float32 (samples, sources, channels), as long as the stream in all.
    """
    segment = len(window)
    weight = np.zeros(segment, np.float32)
    total = None
    rest = 0
    for batch in _batches(chunks, batch_size):
        estimates = infer(np.stack([chunk.audio for chunk in batch]))
        for chunk, estimate in zip(batch, estimates):
            rows = np.moveaxis(estimate, 0, 1)
            if total is None:
                total = np.zeros(rows.shape, np.float32)
            covered = segment - chunk.lead
            total[:covered] += window[:covered, None, None] * rows[chunk.lead :]
            weight[:covered] += window[:covered]
            if chunk.length < segment and not chunk.more:
                rest = chunk.length
                continue
            yield total[:hop] / weight[:hop, None, None]
            rest = segment - hop
            for array in (total, weight):
                array[:rest] = array[hop:]
                array[rest:] = 0
    if rest:
        yield total[:rest] / weight[:rest, None, None]


def shifted_average(
    blocks: Iterable[np.ndarray],
    separate: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]],
    shifts: Iterable[int],
    channels: int,
) -> Iterator[np.ndarray]:
    """Average passes that see the audio later by `shifts` samples.

    Args:
      blocks: (samples, channels) each.
      separate: one pass, blocks → (samples, sources, channels) blocks.
      shifts: in samples, one per pass.
      channels: of the blocks.

    Yields:
      float32 (samples, sources, channels), aligned with the blocks.
    """
    shifts = list(shifts)
    if shifts == [0]:
        yield from separate(blocks)
        return
    passes = []
    # The passes advance together, so that tee holds no more than they differ by.
    for shift, copy in zip(shifts, itertools.tee(blocks, len(shifts))):
        silence = [np.zeros((shift, channels), np.float32)] if shift else []
        passes.append(_skip(separate(itertools.chain(silence, copy)), shift))
    queues = [Fifo() for _ in passes]
    while True:
        for one, queue in zip(passes, queues):
            if not len(queue):
                queue.append(next(one, ()))
        count = min(len(queue) for queue in queues)
        if not count:
            return
        yield sum(queue.pop(count) for queue in queues) / np.float32(len(passes))


def _skip(blocks: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count -= min(count, len(block))


def _batches(chunks: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Up to `size` chunks; never waits for one more than that."""
    chunks = iter(chunks)
    while batch := list(itertools.islice(chunks, size)):
        yield batch
