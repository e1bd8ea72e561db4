"""Audio in blocks, changed in its spectrum and put together again, in constant memory.

Frames of a Hann window overlap by three quarters. They are changed a group at a time: what a group
is changed by may depend on all of its frames, and on some frames to either side of it.
"""

from collections.abc import Callable, Iterator

import numpy as np

FRAME_S = 0.093  # 4096 samples at 44.1 kHz
SHARE = 4  # hops in a frame
GROUP = 300  # frames that are changed at once, 7 s

#: (frames, bins, rows, channels) and how many frames of it are context → the frames in between.
Change = Callable[[np.ndarray, int, int], np.ndarray]


def frame_length(sample_rate: int) -> int:
    """The power of two that is nearest to `FRAME_S`, at least 64."""
    return max(64, 2 ** round(np.log2(FRAME_S * sample_rate)))


class SpectralBlocks:
    """Changes signals that come in blocks; what comes out is as long, and aligned.

    Args:
      change: complex64 (before + frames + after, bins, rows, channels), before, after → complex64
        (frames, bins, rows out, channels).
      sample_rate: in Hz. rows, channels: of what comes in.
      context: frames to either side that `change` sees; fewer at the ends of the signal.
      group: frames that are changed at once.
    """

    def __init__(
        self,
        change: Change,
        sample_rate: int,
        rows: int,
        channels: int,
        *,
        context: int = 0,
        group: int = GROUP,
    ):
        self.frame = frame_length(sample_rate)
        self.hop = self.frame // SHARE
        self._change, self._context, self._group = change, context, group
        window = np.hanning(self.frame + 1)[:-1]
        self._window = np.sqrt(window).astype(np.float32)[:, None, None]
        self._scale = np.float32(2 / SHARE)  # Hann windows at a quarter of their length add up to 2
        # The first frames begin before the first sample.
        self._waiting = np.zeros((self.frame - self.hop, rows, channels), np.float32)
        self._spectra: list[np.ndarray] = []  # frames that are context before, then new ones
        self._before = 0
        self._tail: np.ndarray | None = None  # what later frames still add to
        self._skip = self.frame - self.hop
        self._received = self._given = 0

    def push(self, block: np.ndarray) -> Iterator[np.ndarray]:
        """Take float32 (samples, rows, channels); yield what is complete, (samples, …)."""
        self._received += len(block)
        self._waiting = np.concatenate([self._waiting, block]) if len(block) else self._waiting
        yield from self._advance()

    def finish(self) -> Iterator[np.ndarray]:
        """Yield the rest; nothing may be pushed after it."""
        missing = -len(self._waiting) % self.hop + self.frame
        zeros = np.zeros((missing, *self._waiting.shape[1:]), np.float32)
        self._waiting = np.concatenate([self._waiting, zeros])
        yield from self._advance()
        while self._fresh():
            yield from self._grouped(min(self._fresh(), self._group))

    def _fresh(self) -> int:
        return len(self._spectra) - self._before

    def _advance(self) -> Iterator[np.ndarray]:
        count = (len(self._waiting) - self.frame) // self.hop + 1
        for number in range(max(count, 0)):
            start = number * self.hop
            framed = self._waiting[start : start + self.frame] * self._window
            self._spectra.append(np.fft.rfft(framed, axis=0).astype(np.complex64))
        self._waiting = self._waiting[max(count, 0) * self.hop :]
        while self._fresh() >= self._group + self._context:
            yield from self._grouped(self._group)

    def _grouped(self, count: int) -> Iterator[np.ndarray]:
        """Change `count` frames and yield what no later frame adds to."""
        after = min(self._context, self._fresh() - count)
        seen = np.stack(self._spectra[: self._before + count + after])
        changed = self._change(seen, self._before, after)
        kept = min(self._context, self._before + count)
        self._spectra = self._spectra[self._before + count - kept :]
        self._before = kept
        audio = np.fft.irfft(changed, self.frame, axis=1).astype(np.float32)
        audio *= self._window[None] * self._scale
        total = np.zeros(((count - 1) * self.hop + self.frame, *audio.shape[2:]), np.float32)
        if self._tail is not None:
            total[: len(self._tail)] = self._tail
        for number, piece in enumerate(audio):
            total[number * self.hop : number * self.hop + self.frame] += piece
        ready, self._tail = total[: count * self.hop], total[count * self.hop :]
        skipped = min(self._skip, len(ready))
        self._skip -= skipped
        ready = ready[skipped : skipped + self._received - self._given]
        self._given += len(ready)
        if len(ready):
            yield ready
