"""What a player shows of a stem: its waveform and its spectrogram, small whatever its length."""

import base64
from collections.abc import Mapping, Sequence

import numpy as np

COLUMNS = 1200  # of a waveform
FRAMES = 600  # of a spectrogram
BANDS = 64
FRAME = 2048  # samples of a Fourier transform
LOWEST = 40.0  # Hz
FLOOR = -90.0  # dB below full scale


class Overview:
    """Waveforms and spectrograms of stems that come block by block.

    Args:
      names: of the stems. samples: of the song. sample_rate: in Hz.
    """

    def __init__(self, names: Sequence[str], samples: int, sample_rate: int):
        self.samples, self.sample_rate = samples, sample_rate
        self._stems = {
            name: (_Peaks(samples), _Spectrogram(samples, sample_rate)) for name in names
        }

    def add(self, block: Mapping[str, np.ndarray]) -> None:
        """Take the next samples: {stem: (samples, channels)}."""
        for name, (peaks, spectrogram) in self._stems.items():
            peaks.add(block[name])
            spectrogram.add(block[name].mean(axis=1))

    def result(self) -> dict:
        """What `GET /api/jobs/ID/overview` returns: numbers of 8 bits, as base64 texts."""
        return {
            "columns": COLUMNS,
            "frames": FRAMES,
            "bands": BANDS,
            "lowest": LOWEST,
            "highest": self.sample_rate / 2,
            "floor": FLOOR,
            "stems": {
                name: {"peaks": _text(peaks.result()), "spectrogram": _text(spectrogram.result())}
                for name, (peaks, spectrogram) in self._stems.items()
            },
        }


def _text(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")


class _Peaks:
    """The lowest and the highest sample of every column."""

    def __init__(self, samples: int):
        self.starts = np.arange(COLUMNS) * samples // COLUMNS
        self.low, self.high = np.zeros(COLUMNS), np.zeros(COLUMNS)
        self.place = 0

    def add(self, audio: np.ndarray) -> None:
        stop = self.place + len(audio)
        first = np.searchsorted(self.starts, self.place, side="right") - 1
        last = np.searchsorted(self.starts, stop, side="left")
        starts = np.maximum(self.starts[first:last] - self.place, 0)
        if len(starts) and len(audio):
            low = np.minimum.reduceat(audio.min(axis=1), starts)
            high = np.maximum.reduceat(audio.max(axis=1), starts)
            self.low[first:last] = np.minimum(self.low[first:last], low)
            self.high[first:last] = np.maximum(self.high[first:last], high)
        self.place = stop

    def result(self) -> np.ndarray:
        """int8 (COLUMNS, 2), full scale ±127."""
        both = np.stack([self.low, self.high], axis=1)
        return np.clip(np.rint(127 * both), -127, 127).astype(np.int8)


class _Spectrogram:
    """Levels of bands, equally wide in octaves, of frames spread evenly over a song."""

    def __init__(self, samples: int, sample_rate: int):
        latest = max(0, samples - FRAME)
        self.starts = np.rint(np.linspace(0, latest, FRAMES)).astype(int)
        self.window = np.hanning(FRAME).astype(np.float32)
        edges = np.geomspace(LOWEST, sample_rate / 2, BANDS + 1) * FRAME / sample_rate
        centres = np.arange(FRAME // 2 + 1)
        self.first = np.minimum(np.searchsorted(centres, edges[:-1]), FRAME // 2)
        self.last = np.maximum(np.searchsorted(centres, edges[1:]), self.first + 1)
        self.levels = np.full((FRAMES, BANDS), FLOOR)
        self.waiting, self.place, self.next = np.zeros(0, np.float32), 0, 0

    def add(self, mono: np.ndarray) -> None:
        self.waiting = np.concatenate([self.waiting, mono])
        stop = self.place + len(self.waiting)
        ready = np.searchsorted(self.starts, stop - FRAME, side="right")
        if ready > self.next:
            offsets = self.starts[self.next : ready] - self.place
            self._transform(self.waiting[offsets[:, None] + np.arange(FRAME)], self.next)
            self.next = int(ready)
        needed = self.starts[self.next] if self.next < FRAMES else stop
        drop = min(max(0, needed - self.place), len(self.waiting))
        self.waiting, self.place = self.waiting[drop:], self.place + drop

    def _transform(self, frames: np.ndarray, place: int) -> None:
        power = np.square(np.abs(np.fft.rfft(frames * self.window))) / np.square(
            self.window.sum() / 2
        )
        sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
        bands = (sums[:, self.last] - sums[:, self.first]) / (self.last - self.first)
        self.levels[place : place + len(frames)] = 10 * np.log10(bands + 1e-12)

    def result(self) -> np.ndarray:
        """uint8 (FRAMES, BANDS): 0 is FLOOR dB, 255 is full scale."""
        if self.next < FRAMES and len(self.waiting):
            short = np.zeros((1, FRAME), np.float32)  # a song shorter than a frame
            short[0, : len(self.waiting)] = self.waiting[:FRAME]
            self._transform(np.repeat(short, FRAMES - self.next, axis=0), self.next)
        return np.clip(np.rint(255 * (1 - self.levels / FLOOR)), 0, 255).astype(np.uint8)
