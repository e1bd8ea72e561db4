"""A song that several read, each at a place of its own."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from dssgan.separation.buffers import DiskBuffer, DiskBufferReader, Fifo

Queue = Fifo | DiskBufferReader


class Copies:
    """Queues of the blocks of a song; whoever runs out of them makes all of them longer.

    Args:
      blocks: float32 (samples, channels).
      channels: of the song. count: how many queues.
      folder: where the song waits on disk; None: in memory, up to the slowest reader.
    """

    def __init__(
        self,
        blocks: Iterable[np.ndarray],
        channels: int,
        count: int,
        folder: str | os.PathLike | None = None,
    ):
        self._blocks, self._disk = iter(blocks), None
        self.queues: list[Queue] = [Fifo(channels) for _ in range(count)]
        self._stores: list[Fifo | DiskBuffer] = list(self.queues)
        if folder is not None:
            self._disk = DiskBuffer(channels, folder=folder)
            self.queues = [self._disk.reader() for _ in range(count)]
            self._stores = [self._disk]

    def __enter__(self) -> "Copies":
        return self

    def __exit__(self, *_) -> None:
        if self._disk is not None:
            self._disk.__exit__()

    def blocks(self, queue: Queue) -> Iterator[np.ndarray]:
        """The song, block by block, as one of the queues has it."""
        while True:
            if not len(queue):
                block = next(self._blocks, None)
                if block is None:
                    return
                for store in self._stores:
                    store.append(block)
            if len(queue):
                yield queue.pop(min(len(queue), 1 << 16))
