"""Streaming sample-rate conversion with soxr: aligned, of exact length, without drift."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from common.audio_files import resampled_length


class StreamResampler:
    """Resamples blocks; sample 0 stays at time 0 whatever the rates.

    Args:
      rate_in, rate_out: in Hz; equal rates pass audio on untouched.
      channels: as many as the blocks have.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int):
        self._rates = rate_in, rate_out
        self._channels = channels
        self._taken = 0
        self._given = 0
        # soxr compensates the filter's delay itself and carries the exact ratio.
        same = rate_in == rate_out
        self._soxr = None if same else soxr.ResampleStream(*self._rates, channels, "float32")

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take (samples, channels) in; return what is ready, possibly nothing."""
        self._taken += len(block)
        if self._soxr is None or not len(block):
            return self._give(block)
        return self._give(self._soxr.resample_chunk(np.ascontiguousarray(block, np.float32)))

    def finish(self) -> np.ndarray:
        """The rest; all outputs together are `resampled_length` of all inputs."""
        rest = resampled_length(self._taken, *self._rates) - self._given
        if self._soxr is None or not rest:
            return np.zeros((0, self._channels), np.float32)
        # soxr rounds its length to the nearest; silence behind the end makes up for the difference.
        silence = np.zeros((-(-self._rates[0] // self._rates[1]), self._channels), np.float32)
        return self._give(self._soxr.resample_chunk(silence, last=True)[:rest])

    def _give(self, block: np.ndarray) -> np.ndarray:
        self._given += len(block)
        return block


def resample_blocks(
    blocks: Iterable[np.ndarray], rate_in: int, rate_out: int, channels: int
) -> Iterator[np.ndarray]:
    """Resample an iterable of (samples, channels) blocks."""
    resampler = StreamResampler(rate_in, rate_out, channels)
    for block in blocks:
        ready = resampler.push(block)
        if len(ready):
            yield ready
    rest = resampler.finish()
    if len(rest):
        yield rest
