"""Sound devices: what comes from one, and what goes to one a fixed time later.

Both run on one clock, the device's: sample n goes out `delay` after it came in, or is replaced by
silence where it is not there in time; what comes too late is dropped, so that nothing drifts.
"""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from dssgan.separation.buffers import Fifo

INSTALL = "pip install sounddevice (on Debian also: apt-get install libportaudio2)"
PATIENCE = 5.0  # seconds without a sample, after which a device counts as gone


class Duplex:
    """A device for input and output.

    with Duplex(sounddevice, 48000, 2, delay=24000) as device:
        for block in device.blocks():
            device.write(stem_of(block))

    Args:
      library: the module sounddevice.
      sample_rate: in Hz. channels: of both directions.
      delay: samples from input to output.
      names: of input and output, as the library takes them; None is the usual one.

    Attributes:
      missed: samples that were not there in time.

    Raises:
      ValueError: no such device, or one that cannot do that.
    """

    def __init__(
        self, library: Any, sample_rate: int, channels: int, delay: int, names=(None, None)
    ):
        self.channels, self.delay, self.missed = channels, delay, 0
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._ready, self._late = Fifo(channels), 0
        self._place = -delay  # of the next sample that goes out
        self._lock = threading.Lock()
        try:
            self._stream = library.Stream(
                samplerate=sample_rate,
                channels=channels,
                dtype="float32",
                device=names,
                callback=self._played,
                finished_callback=lambda: self._waiting.put(None),
            )
        except (library.PortAudioError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"sound device: {reason}; see --list-devices") from error

    def _played(self, indata: np.ndarray, outdata: np.ndarray, frames: int, time, status) -> None:
        """What the device calls: its samples, and room for those that it wants."""
        self._waiting.put(indata.copy())
        outdata[:] = 0
        silent = min(frames, max(0, -self._place))
        self._place += frames
        with self._lock:
            count = min(len(self._ready), frames - silent)
            if count:
                outdata[silent : silent + count] = self._ready.pop(count)
            lacking = frames - silent - count
            self.missed += lacking
            self._late += lacking

    def blocks(self) -> Iterator[np.ndarray]:
        """What the device hears, until it is closed.

        Raises:
          OSError: it has gone.
        """
        while True:
            try:
                block = self._waiting.get(timeout=PATIENCE)
            except queue.Empty:
                block = None
            if block is None:
                raise OSError("the sound device has gone: it gives no samples any more")
            yield block

    def write(self, block: np.ndarray) -> None:
        """Give the next samples; those whose time has passed are dropped."""
        with self._lock:
            drop = min(self._late, len(block))
            self._late -= drop
            if drop < len(block):
                self._ready.append(block[drop:])

    def __enter__(self) -> "Duplex":
        self._stream.start()
        return self

    def __exit__(self, *_) -> None:
        self._stream.close()


def library() -> Any:
    """The module sounddevice.

    Raises:
      ValueError: it, or the PortAudio library, is not installed.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise ValueError(f"sound devices need {INSTALL}") from error
    return sounddevice
