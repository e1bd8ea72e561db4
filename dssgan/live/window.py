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

    wants_level = False  # nobody knows the level of a song that still plays

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
        self.first, self.behind = 0, self.ahead

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
        advance = self.running(channels)
        waiting, taken, given = Fifo(channels), 0, -self.behind
        opened = False
        for block in blocks:
            waiting.append(block)
            taken += len(block)
            if not opened and len(waiting) >= self.first:
                advance.start(waiting.pop(self.first))
                opened = True
            while opened and len(waiting) >= self.block:
                found = advance(waiting.pop(self.block))
                yield found[max(0, -given) :]
                given += self.block
        rest = waiting.pop(len(waiting))
        if not opened:
            advance.start(lengthened(rest, self.first))
            rest = rest[:0]
        while given < taken:
            found = advance(lengthened(rest, self.block))
            rest = rest[:0]
            yield found[max(0, -given) : taken - given]
            given += self.block

    def running(self, channels: int):
        """What takes block after block, once `start` got the `first` samples.

        It gives as many samples that lie `behind` them: (block, channels) → (block, sources,
        channels).
        """
        return Window(self, channels)


class Window:
    """The latest samples of a stream, which the model hears anew with every block."""

    def __init__(self, live: LiveSeparator, channels: int):
        self.live, self.tail = live, None
        self.inference = live.separator.inference(channels)
        self.heard = np.zeros((1, live.separator.segment, channels), np.float32)
        rise = (np.arange(live.fade, dtype=np.float32) + 0.5) / live.fade
        self.rise = rise[:, None, None]

    def start(self, opening: np.ndarray) -> None:
        """Begin; there are no samples that must come before the first block."""

    def __call__(self, block: np.ndarray) -> np.ndarray:
        live, size = self.live, self.live.block
        self.heard[:, :-size] = self.heard[:, size:].copy()
        self.heard[0, -size:] = block
        found = np.moveaxis(live.separator.infer(self.heard, self.inference)[0], 0, 1)
        first = len(found) - live.ahead - size
        given = found[first : first + size].copy()
        if self.tail is not None:
            count = min(live.fade, size)
            risen = self.rise[:count] * (given[:count] - self.tail[:count])
            given[:count] = self.tail[:count] + risen
        self.tail = found[first + size : first + size + live.fade]
        return given


def lengthened(samples: np.ndarray, length: int) -> np.ndarray:
    """Samples (up to length, channels) with silence behind them."""
    silence = np.zeros((length - len(samples), samples.shape[1]), np.float32)
    return np.concatenate([samples, silence])
