"""A separator that hears a window of the latest samples again and again, block after block.

├──────── past ────────┼── block ──┼─ ahead ─┤   what the model hears each time
                       └─ given ───┘
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dssgan.separation.buffers import Fifo
from dssgan.separation.chunked import ChunkedSeparator
from dssgan.separation.stream import Report, separated_stream

FADE = 0.01  # seconds from the estimate of one window to that of the next


class LiveSeparator:
    """Separates a stream in one pass, `ahead` + `block` behind it.

    Args:
      separator: of which every window is a chunk; its `segment` is the window's length.
      block: samples at the model's rate that one window gives.
      ahead: samples behind these that the model hears before it gives them; 10 ms of the next
        window's block lie within, and the two estimates are cross-faded there.

    Raises:
      ValueError: the window is shorter than block and ahead; a model that needs the whole song.
    """

    def __init__(self, separator: ChunkedSeparator, block: int, ahead: int):
        model = separator.model
        if model.scale_free or model.unit_variance:
            raise ValueError(
                "this separator needs the level of the whole song, which nobody knows while it "
                "plays; take one without, such as the shipped drums"
            )
        if block < 1 or ahead < 1 or block + ahead > separator.segment:
            raise ValueError(
                f"block {block} and look-ahead {ahead}: expected 1 or more, in sum no more than "
                f"the window of {separator.segment} samples"
            )
        self.separator, self.block, self.ahead = separator, int(block), int(ahead)
        self.model, self.consistent = model, separator.consistent
        self.temporary_folder = separator.temporary_folder
        self.fade = min(self.ahead, max(1, round(FADE * self.sample_rate)))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the estimates, in order."""
        return self.separator.sources

    @property
    def sample_rate(self) -> int:
        """The model's own rate in Hz; streams of any rate are taken."""
        return self.separator.sample_rate

    def stream(
        self, blocks: Iterable[np.ndarray], sample_rate: int, sources: Sequence[str]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Separate blocks (samples, channels) as they come; the stems are aligned with them.

        Yields:
          {source: float32 (samples, channels)}. Together they are as long as the blocks.

        Raises:
          ValueError: a source that there is not; blocks that are no audio.
        """
        return separated_stream(
            self,
            blocks,
            sample_rate,
            self.separator.asked(sources),
            known=(None, None),
            name="input",
            report=Report(),
            progress=None,
        )

    def estimates(self, blocks: Iterable[np.ndarray], channels: int) -> Iterator[np.ndarray]:
        """What `ChunkedSeparator.estimates` gives, from overlapping windows.

        Args:
          blocks: float32 (samples, channels) at the model's rate.
          channels: of the blocks.

        Yields:
          float32 (samples, sources, channels), aligned with the blocks.
        """
        inference = self.separator.inference(channels)
        window = np.zeros((1, self.separator.segment, channels), np.float32)
        first = self.separator.segment - self.ahead - self.block
        rise = (np.arange(self.fade, dtype=np.float32) + 0.5) / self.fade
        rise = rise[:, None, None]
        tail = None

        def step(heard: np.ndarray) -> np.ndarray:
            nonlocal tail
            window[:, : -self.block] = window[:, self.block :].copy()
            window[0, -self.block :] = heard
            found = np.moveaxis(self.separator.infer(window, inference)[0], 0, 1)
            given = found[first : first + self.block].copy()
            if tail is not None:
                count = min(self.fade, self.block)
                given[:count] = tail[:count] + rise[:count] * (given[:count] - tail[:count])
            tail = found[first + self.block : first + self.block + self.fade]
            return given

        waiting, taken, given = Fifo(channels), 0, -self.ahead
        for block in blocks:
            waiting.append(block)
            taken += len(block)
            while len(waiting) >= self.block:
                found = step(waiting.pop(self.block))
                yield found[max(0, -given) :]
                given += self.block
        rest = waiting.pop(len(waiting))
        while given < taken:
            silence = np.zeros((self.block - len(rest), channels), np.float32)
            found = step(np.concatenate([rest, silence]))
            rest = rest[:0]
            yield found[max(0, -given) : taken - given]
            given += self.block
