"""How much the bands of a signal rise, frame by frame, from audio that comes in blocks."""

import numpy as np

FRAME_S = 0.023  # about; the next power of two
STEPS = 8  # frames per frame length
BEFORE = 3  # frames that a rise is measured over
BANDS = 32
LOWEST_HZ, HIGHEST_HZ = 30.0, 16000.0
FLOOR = 1e-4  # −80 dBFS, below which nothing rises
AT_ONCE = 1024  # frames
#: Rise (of natural logarithms, summed over bands), level in dBFS and centre in Hz, a value a frame.
Curve = tuple[np.ndarray, np.ndarray, np.ndarray]


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
        # Of the frames before; nothing rises within the first ones.
        self._before = np.full((BEFORE, len(self._centres)), np.inf, np.float32)

    def push(self, block: np.ndarray) -> Curve:
        """The next samples, float (samples, channels); returns the frames that are complete."""
        signal = np.concatenate([self._rest, np.asarray(block, np.float32).mean(1)])
        count = max(0, (len(signal) - self._length) // self._hop + 1)
        self._rest = signal[count * self._hop :]
        frames = np.lib.stride_tricks.sliding_window_view(signal, self._length)
        found = [
            self._described(frames[start * self._hop : count * self._hop : self._hop][:AT_ONCE])
            for start in range(0, count, AT_ONCE)
        ]
        return tuple(map(np.concatenate, zip(*found))) if found else (np.zeros(0),) * 3

    def _described(self, frames: np.ndarray) -> Curve:
        """Rise, level and centre of frames (frames, samples)."""
        spectra = np.abs(np.fft.rfft(frames * self._window)).astype(np.float32)
        magnitudes = spectra @ self._weights * (2 / self._window.sum())
        # Rounded, so that how many frames come at once changes nothing.
        magnitudes = magnitudes.astype(np.float16).astype(np.float32)
        logs = np.log(np.maximum(magnitudes, FLOOR) / FLOOR)
        wide = np.pad(logs, ((0, 0), (1, 1)), mode="edge")
        wide = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
        wide = np.concatenate([self._before, wide])
        self._before = wide[len(logs) :]
        rise = np.maximum(0.0, logs - wide[: len(logs)]).sum(1)
        newest = np.sqrt(np.mean(np.square(frames[:, -self._length // 2 :]), 1))
        level = 20 * np.log10(np.maximum(newest, 1e-10))
        power = np.square(magnitudes)
        centre = (power * self._centres).sum(1) / np.maximum(power.sum(1), 1e-20)
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
