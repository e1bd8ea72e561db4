"""How much the bands of a signal rise, frame by frame, from audio that comes in blocks."""

import numpy as np

FRAME_S = 0.023  # about; the next power of two
STEPS = 8  # frames per frame length
BEFORE = 3  # frames that a rise is measured over
BANDS = 32
LOWEST_HZ, HIGHEST_HZ = 30.0, 16000.0
FLOOR = 1e-4  # −80 dBFS, below which nothing rises


class RiseCurve:
    """Rise, level and spectral centre of every frame.

    Args:
      rate: in Hz.

    Attributes:
      step: seconds from one frame to the next.
      shift: seconds from a frame's beginning to the hit whose rise is steepest there.
    """

    def __init__(self, rate: int):
        self._length = 1 << round(np.log2(FRAME_S * rate))
        self._hop = self._length // STEPS
        self.step = self._hop / rate
        self.shift = -2.5 * self.step - 0.0029  # measured on sampled kits
        self._window = np.hanning(self._length + 1)[:-1].astype(np.float32)
        self._weights, self._centres = bands(self._length, rate)
        self._rest = np.zeros(self._length, np.float32)  # so that a hit at 0 rises from silence
        self._magnitudes: list[np.ndarray] = []
        self._levels: list[np.ndarray] = []

    def push(self, block: np.ndarray) -> None:
        """The next samples, float (samples, channels)."""
        signal = np.concatenate([self._rest, np.asarray(block, np.float32).mean(1)])
        count = max(0, (len(signal) - self._length) // self._hop + 1)
        self._rest = signal[count * self._hop :]
        if not count:
            return
        frames = np.lib.stride_tricks.sliding_window_view(signal, self._length)
        for start in range(0, count, 1024):
            some = frames[start * self._hop : count * self._hop : self._hop][:1024]
            spectra = np.abs(np.fft.rfft(some * self._window)).astype(np.float32)
            magnitudes = spectra @ self._weights * (2 / self._window.sum())
            self._magnitudes.append(magnitudes.astype(np.float16))
            newest = some[:, -self._length // 2 :]
            self._levels.append(np.sqrt(np.mean(np.square(newest), 1)))

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rise (of natural logarithms, summed over bands), level in dBFS and centre in Hz."""
        if not self._magnitudes:
            return tuple(np.zeros(0) for _ in range(3))
        magnitudes = np.concatenate(self._magnitudes).astype(np.float32)
        logs = np.log(np.maximum(magnitudes, FLOOR) / FLOOR)
        wide = np.pad(logs, ((0, 0), (1, 1)), mode="edge")
        wide = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
        rise = np.zeros(len(logs))
        rise[BEFORE:] = np.maximum(0.0, logs[BEFORE:] - wide[:-BEFORE]).sum(1)
        level = 20 * np.log10(np.maximum(np.concatenate(self._levels), 1e-10))
        power = np.square(magnitudes)
        centre = power @ self._centres / np.maximum(power.sum(1), 1e-20)
        return rise, level, centre


def bands(length: int, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles on a logarithmic scale (bins, bands), and their centres in Hz; none is empty."""
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.49 * rate), BANDS + 2)
    width = rate / length
    for place in range(1, len(edges)):  # at least a bin apart
        edges[place] = max(edges[place], edges[place - 1] + width)
    edges = edges[edges < rate / 2]
    bins = np.arange(length // 2 + 1) * width
    up = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(up, down)).astype(np.float32), edges[1:-1].astype(np.float32)
