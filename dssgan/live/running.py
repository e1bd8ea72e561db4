"""A causal separator that carries its state along a stream: nothing is computed twice."""

from collections.abc import Iterable, Iterator

import numpy as np

from dssgan.live.window import LiveSeparator
from dssgan.separation.buffers import Fifo


class RunningSeparator(LiveSeparator):
    """Separates a stream in one pass, the model's own `delay` and a block behind it.

    Args:
      separator: whose model is causal.
      block: samples at the model's rate that are separated at once, a multiple of the model's.

    Raises:
      ValueError: the separator is not causal, or the block does not fit it.
    """

    def __init__(self, separator, block: int):
        super().__init__(separator, block, separator.model.delay)
        if block % self.model.multiple:
            raise ValueError(f"block {block}: expected a multiple of {self.model.multiple} samples")

    def estimates(self, blocks: Iterable[np.ndarray], channels: int) -> Iterator[np.ndarray]:
        """As of `LiveSeparator`."""
        advance = self.separator.running(channels, self.block)
        waiting, taken, given = Fifo(channels), 0, self.model.first - self.model.delay
        opened = False

        def opening(samples: np.ndarray) -> None:
            silence = np.zeros((self.model.first - len(samples), channels), np.float32)
            advance.start(np.concatenate([samples, silence]))

        for block in blocks:
            waiting.append(block)
            taken += len(block)
            if not opened and len(waiting) >= self.model.first:
                opening(waiting.pop(self.model.first))
                opened = True
            while opened and len(waiting) >= self.block:
                found = advance(waiting.pop(self.block))
                yield found[max(0, -given) :]
                given += self.block
        rest = waiting.pop(len(waiting))
        if not opened:
            opening(rest)
            rest = rest[:0]
        while given < taken:
            silence = np.zeros((self.block - len(rest), channels), np.float32)
            found = advance(np.concatenate([rest, silence]))
            rest = rest[:0]
            yield found[max(0, -given) : taken - given]
            given += self.block
