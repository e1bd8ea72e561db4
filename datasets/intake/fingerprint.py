"""Audio fingerprints: 32 bits per frame, and where two of them agree.

The bits are signs of energy differences between neighbouring bands and frames (Haitsma and Kalker,
"A highly robust audio fingerprinting system", ISMIR 2002): level, file format and sampling rate
leave most of them as they are. Speed and pitch do not.
"""

from dataclasses import dataclass

import numpy as np
import soxr

RATE = 5000  # Hz
FRAME = 2048  # samples at RATE
HOP = 64
BANDS = 33  # between neighbours of them lie 32 differences
LOWEST, HIGHEST = 300.0, 2000.0  # Hz
QUIET = 1e-6  # of the loudest frame's energy; what is below tells nothing
GROUP = 512  # frames that are transformed at once
WINDOW = 10.0  # seconds that have to agree; all of a song that is shorter
SHORTEST = 2.0  # seconds of which anything is said
FEWEST = 0.5  # share of a window that must tell anything
COMMON = 64  # a word that a song has more often leads nowhere
OFFSETS = 8  # places that are looked at closely


class Fingerprinter:
    """The fingerprint of a signal that comes block by block.

    Attributes:
      seconds: HOP / RATE, from one frame to the next.
    """

    seconds = HOP / RATE

    def __init__(self, sample_rate: int):
        """Nothing was heard yet.

        Args:
          sample_rate: in Hz.
        """
        self._resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32", quality="HQ")
        self._left = np.zeros(0, np.float32)
        self._energies: list[np.ndarray] = []
        edges = np.geomspace(LOWEST, HIGHEST, BANDS + 1) * FRAME / RATE
        self._edges = np.rint(edges).astype(int)
        self._window = np.hanning(FRAME).astype(np.float32)

    def add(self, block: np.ndarray) -> None:
        """Take the next samples: float32 (samples, channels), full scale ±1."""
        self._add(block)

    def _add(self, block: np.ndarray, last: bool = False) -> None:
        mono = np.ascontiguousarray(block.mean(1, dtype=np.float32))
        signal = np.concatenate([self._left, self._resampler.resample_chunk(mono, last=last)])
        count = max(0, (len(signal) - FRAME) // HOP + 1)
        for start in range(0, count, GROUP):
            stop = min(start + GROUP, count)
            part = signal[start * HOP : (stop - 1) * HOP + FRAME]
            frames = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP]
            power = np.square(np.abs(np.fft.rfft(frames * self._window)))
            self._energies.append(
                np.add.reduceat(power[:, : self._edges[-1]], self._edges[:-1], axis=1)
            )
        self._left = signal[count * HOP :]

    def end(self) -> np.ndarray:
        """Return the fingerprint, once, when nothing follows.

        Returns:
          uint32 (2, frames): the words, and whether each tells anything.
        """
        self._add(np.zeros((0, 1), np.float32), last=True)
        energies = np.concatenate([np.zeros((0, BANDS)), *self._energies])
        if len(energies) < 2:
            return np.zeros((2, 0), np.uint32)
        across = np.diff(energies, axis=1)
        bits = np.diff(across, axis=0) < 0
        words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
        total = energies.sum(1)
        loud = total > QUIET * total.max()
        return np.stack([words, (loud[1:] & loud[:-1]).astype(np.uint32)])


def fingerprint_of(blocks, sample_rate: int) -> np.ndarray:
    """Return the fingerprint of blocks (samples, channels); see `Fingerprinter`."""
    heard = Fingerprinter(sample_rate)
    for block in blocks:
        heard.add(block)
    return heard.end()


@dataclass(frozen=True)
class Agreement:
    """How well two recordings agree where they agree best.

    Attributes:
      errors: share of bits that differ: 0 the same audio, 0.5 what chance gives.
      at: seconds in the one where the window begins.
      other: seconds in the other.
    """

    errors: float = 0.5
    at: float = 0.0
    other: float = 0.0


class Known:
    """A recording that others are compared with."""

    def __init__(self, fingerprint: np.ndarray):
        """Sort its words.

        Args:
          fingerprint: as of `Fingerprinter.end`.
        """
        self.words, self.valid = fingerprint[0], fingerprint[1].astype(bool)
        places = np.flatnonzero(self.valid).astype(np.int32)
        order = np.argsort(self.words[places], kind="stable")
        self._places = places[order]
        self._sorted = self.words[self._places]

    def agreement(self, other: "Known") -> Agreement:
        """Compare with another recording; symmetric up to the order of `at` and `other`."""
        best = Agreement()
        for offset in self._offsets(other):
            start, stop = max(0, offset), min(len(self.words), len(other.words) + offset)
            found = _best_window(
                self.words[start:stop],
                other.words[start - offset : stop - offset],
                self.valid[start:stop] & other.valid[start - offset : stop - offset],
            )
            if found and found[0] < best.errors:
                errors, place = found
                at = (start + place) * Fingerprinter.seconds
                best = Agreement(errors, at, at - offset * Fingerprinter.seconds)
        return best

    def _offsets(self, other: "Known") -> list[int]:
        """The offsets of `other` in this recording at which most words are equal."""
        places = np.flatnonzero(other.valid)
        words = other.words[places]
        first = np.searchsorted(self._sorted, words, side="left")
        counts = np.searchsorted(self._sorted, words, side="right") - first
        few = (counts > 0) & (counts <= COMMON)
        first, counts, places = first[few], counts[few], places[few]
        if not len(counts):
            return []
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        here = self._places[np.repeat(first, counts) + within]
        hits = np.bincount(here - np.repeat(places, counts) + len(other.words))
        hits = hits + np.append(hits[1:], 0) + np.append(0, hits[:-1])  # a hop more or less
        most = np.argsort(-hits, kind="stable")[:OFFSETS]
        return [int(place) - len(other.words) for place in most if hits[place]]


def _best_window(one: np.ndarray, two: np.ndarray, valid: np.ndarray) -> tuple[float, int] | None:
    """The least share of differing bits in a window, and where it begins; None: too short."""
    window = min(int(WINDOW / Fingerprinter.seconds), len(one))
    if window < SHORTEST / Fingerprinter.seconds:
        return None
    wrong = np.bitwise_count(one ^ two) * valid
    sums = np.concatenate([[0], np.cumsum(wrong, dtype=np.int64)])
    counts = np.concatenate([[0], np.cumsum(valid, dtype=np.int64)])
    heard = counts[window:] - counts[:-window]
    errors = (sums[window:] - sums[:-window]) / (32 * np.maximum(heard, 1))
    errors[heard < FEWEST * window] = 0.5
    place = int(errors.argmin())
    return float(errors[place]), place
