"""The loop: blocks come in by a thread of their own, stems go out, and the delay is watched."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dssgan.live.window import LiveSeparator

END = object()  # nothing follows


@dataclass
class Watch:
    """How late samples go out, against what was promised.

    Attributes:
      sample_rate: of the signal, in Hz. latency: that was promised, in seconds.
      longest: latency that was measured: from a sample's coming to its going.
      pieces, late: that went out, and those of them beyond the latency.
    """

    sample_rate: int
    latency: float
    longest: float = 0.0
    pieces: int = 0
    late: int = 0

    def __post_init__(self):
        self._came: deque[tuple[int, float]] = deque()  # (one past the last sample, when)
        self._in = self._out = 0
        self._lock = threading.Lock()

    def came(self, samples: int) -> None:
        """So many samples have come; the first of them came that much earlier."""
        with self._lock:
            self._in += samples
            self._came.append((self._in, time.perf_counter()))

    def went(self, samples: int) -> None:
        """So many samples are going out."""
        if not samples:
            return
        with self._lock:
            while self._came[0][0] <= self._out:
                self._came.popleft()
            last, when = self._came[0]
            first_came = when - (last - self._out) / self.sample_rate
            self._out += samples
        spent = time.perf_counter() - first_came
        self.longest = max(self.longest, spent)
        self.pieces += 1
        self.late += spent > self.latency

    def __str__(self) -> str:
        return (
            f"latency {self.longest:.3f} s at most, {self.latency:g} promised; "
            f"{self.late} of {self.pieces} pieces late"
        )


def run(
    live: LiveSeparator,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    source: str,
    write: Callable[[np.ndarray], object],
    watch: Watch | None,
) -> None:
    """Separate a running signal until it ends.

    Args:
      blocks: float32 (samples, channels) at the speed at which they are played.
      source: whose stem goes out.
      write: takes that stem, block by block, as long as what came in.
      watch: is told what comes and goes; None for blocks that wait until they are asked for.

    Raises:
      What the blocks raise (a device that vanishes), and what `write` does.
    """
    if watch is None:
        for pieces in live.stream(blocks, sample_rate, [source]):
            write(pieces[source])
        return
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    stopped = threading.Event()

    def read() -> None:
        last: object = END
        try:
            for block in blocks:
                watch.came(len(block))
                waiting.put(block)
                if stopped.is_set():
                    break
        except BaseException as error:  # told where the stems go out
            last = error
        waiting.put(last)

    def heard() -> Iterator[np.ndarray]:
        while (block := waiting.get()) is not END:
            if isinstance(block, BaseException):
                raise block
            yield block

    thread = threading.Thread(target=read, name="input", daemon=True)
    thread.start()
    try:
        for pieces in live.stream(heard(), sample_rate, [source]):
            watch.went(len(pieces[source]))
            write(pieces[source])
    finally:
        stopped.set()
