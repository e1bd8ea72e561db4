"""Level of a signal, and where it is clipped, block by block."""

import math

import numpy as np

FULL_SCALE = 32767 / 32768
CLIPPED = 3  # equal samples in a row


class Meter:
    """Level of a stem, block by block, and where it is clipped.

    Clipped are `CLIPPED` or more equal samples of a channel in a row at full scale. A single sample
    there is none, and neither is a stem that goes beyond full scale: nothing held it back.
    """

    def __init__(self):
        """Nothing is measured yet."""
        self.count = 0
        self.energy = 0.0
        self.peak = 0.0
        self.runs: list[int] = []  # lengths of those that have ended
        self._last: list[tuple[float, int]] = []  # of each channel: value and length of its run

    def add(self, block: np.ndarray) -> None:
        """Take the next samples: float (samples, channels), always as many channels."""
        self.count += block.size
        self.energy += float(np.square(block, dtype=np.float64).sum())
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max(initial=0.0)))
        if not len(block) or self.peak > 1:
            return
        self._last = self._last or [(0.0, 0)] * block.shape[1]
        full = (magnitude >= FULL_SCALE).any(0)
        for channel, (value, length) in enumerate(self._last):
            if full[channel] or abs(value) >= FULL_SCALE:
                self._last[channel] = self._follow(block[:, channel], value, length)

    def _follow(self, samples: np.ndarray, value: float, length: int) -> tuple[float, int]:
        """Keep the runs at full scale that end in these samples; returns the one that does not."""
        starts = np.flatnonzero(np.diff(samples, prepend=np.float32(np.nan)))
        values = samples[starts].tolist()
        lengths = np.diff(starts, append=len(samples)).tolist()
        if values[0] == value:
            lengths[0] += length
        else:
            values.insert(0, value)
            lengths.insert(0, length)
        *ended, last = zip(values, lengths)
        self.runs += [n for level, n in ended if abs(level) >= FULL_SCALE and n >= CLIPPED]
        return last

    def levels(self) -> dict[str, float | None]:
        """RMS and peak in dBFS (0 is full scale; a full-scale sine has −3.01 RMS); None: silent."""
        rms = math.sqrt(self.energy / max(self.count, 1))
        return {"rms_dbfs": _decibels(rms), "peak_dbfs": _decibels(self.peak)}

    def clipped(self) -> list[int]:
        """Lengths in samples of the clipped runs so far."""
        still = [n for level, n in self._last if abs(level) >= FULL_SCALE and n >= CLIPPED]
        return [*self.runs, *still] if self.peak <= 1 else []

    def found(self) -> list[str]:
        """What is to be said of the signal, one line each, without its name."""
        if not self.peak:
            return ["is silent"]
        if runs := self.clipped():
            return [
                f"is clipped: {len(runs)} runs of {min(runs)} to {max(runs)} equal samples at "
                f"full scale, {sum(runs)} in all"
            ]
        return []


def _decibels(value: float) -> float | None:
    return round(20 * math.log10(value), 2) if value else None
