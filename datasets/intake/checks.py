"""What is measured of a song while its stems are decoded: alignment, sum, and bleed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from datasets.intake.fingerprint import Fingerprinter

SPAN = 2**19  # samples that are correlated at once; lags up to a quarter of it are found
FRAME = 8192  # samples; bleed that comes later than about half of it is not seen
FAINT = 1e-5  # of a spectrum's strongest bin; what is below has no phase
FLOOR = -60.0  # dB; less bleed is none


@dataclass(frozen=True)
class Lag:
    """Where a signal lies in the mixture.

    Attributes:
      samples: that it comes late (early: negative) where it agrees best.
      strength: of the correlation there: 1 the mixture itself, 0 nothing of it.
      here: of the correlation where it should lie.
    """

    samples: int
    strength: float
    here: float


class Alignment:
    """Lags of signals behind the mixture, by cross-correlation of whitened spectra.

    Whitened (generalised cross-correlation with phase transform; Knapp and Carter, 1976), a loud
    bass says no more than a faint voice.
    """

    def __init__(self, names: Sequence[str], tolerance: int):
        """Nothing was heard yet.

        Args:
          names: of the signals.
          tolerance: lag in samples that counts as none.
        """
        self.names, self.tolerance = tuple(names), tolerance
        self._held = np.zeros((len(self.names) + 1, SPAN), np.float32)
        self._filled = 0
        self._cross = np.zeros((len(self.names), SPAN // 2 + 1), np.complex128)
        self._power = np.zeros((len(self.names), SPAN // 2 + 1))

    def add(self, signals: np.ndarray) -> None:
        """Take the next samples: float32 (signals and last the mixture, samples)."""
        while signals.shape[1]:
            count = min(SPAN - self._filled, signals.shape[1])
            self._held[:, self._filled : self._filled + count] = signals[:, :count]
            self._filled += count
            signals = signals[:, count:]
            if self._filled == SPAN:
                self._transform()

    def _transform(self) -> None:
        self._held[:, self._filled :] = 0
        mixture = fft.rfft(self._held[-1]).conj()
        for row in range(len(self.names)):
            spectrum = fft.rfft(self._held[row])
            self._cross[row] += mixture * spectrum
            self._power[row] += np.square(np.abs(spectrum))
        self._filled = 0

    def lags(self) -> dict[str, Lag]:
        """Name → lag, of the signals that are not silent."""
        if self._filled:
            self._transform()
        found = {}
        for row, name in enumerate(self.names):
            audible = self._power[row] > FAINT * self._power[row].max()
            size = np.abs(self._cross[row])
            audible &= size > 0
            if not audible.any():
                continue
            phases = np.where(audible, self._cross[row], 0) / np.where(audible, size, 1)
            lags = np.abs(fft.irfft(phases, SPAN)) / audible.mean()
            most = SPAN // 4
            near = np.concatenate([lags[-most:], lags[: most + 1]])
            place = int(near.argmax())
            here = near[most - self.tolerance : most + self.tolerance + 1].max()
            found[name] = Lag(place - most, float(near[place]), float(here))
        return found


class Sum:
    """How well a sum explains the mixture, after the gain that fits best."""

    def __init__(self):
        """Nothing was heard yet."""
        self._sum = self._both = self._mixture = 0.0

    def add(self, total: np.ndarray, mixture: np.ndarray) -> None:
        """Take the next samples of both, float32 (samples, channels)."""
        total, mixture = total.astype(np.float64), mixture.astype(np.float64)
        self._sum += float(np.vdot(total, total))
        self._both += float(np.vdot(total, mixture))
        self._mixture += float(np.vdot(mixture, mixture))

    def decibels(self) -> float:
        """Level of the mixture over what the sum leaves of it, in dB; at most 120."""
        if not self._sum or not self._mixture:
            return 0.0
        left = self._mixture - self._both**2 / self._sum
        return float(10 * np.log10(self._mixture / max(left, 1e-12 * self._mixture)))

    def gain(self) -> float:
        """The gain of the sum that fits best, in dB; 0 where none does."""
        good = self._sum and self._both > 0
        return float(20 * np.log10(self._both / self._sum)) if good else 0.0


class Bleed:
    """How much of a stem follows another one through a filter that adds no gain.

    The share of one stem's energy that the least-squares filter of FRAME samples explains from
    the other: |S₁₂|² / S₂₂ of spectra averaged over frames, less what it is by chance where phases
    are independent, Σ|X₁|²|X₂|² / S₂₂. Frequencies at which the filter would amplify are not bleed.
    Stems that play the same notes in the same phases, as machines do, look like it; which of two
    stems is in the other is told by their levels alone.
    """

    def __init__(self, names: Sequence[str]):
        """Nothing was heard yet; `names` are those of the stems."""
        self.names = tuple(names)
        count = len(self.names)
        self._cross = np.zeros((count, count, FRAME // 2 + 1), np.complex128)
        self._chance = np.zeros((count, count, FRAME // 2 + 1))
        self._left = np.zeros((count, 0), np.float32)
        self._window = np.hanning(FRAME).astype(np.float32)

    def add(self, signals: np.ndarray) -> None:
        """Take the next samples: float32 (stems, samples)."""
        signals = np.concatenate([self._left, signals], 1)
        count = signals.shape[1] // FRAME
        frames = signals[:, : count * FRAME].reshape(len(self.names), count, FRAME)
        self._left = signals[:, count * FRAME :]
        spectra = fft.rfft(frames * self._window)
        for one in range(len(self.names)):
            for two in range(one + 1):
                both = spectra[one].conj() * spectra[two]
                self._cross[one, two] += both.sum(0)
                self._chance[one, two] += np.square(np.abs(both)).sum(0)

    def shares(self) -> dict[tuple[str, str], float]:
        """(stem, another) → dB of the stem's energy that follows the other; FLOOR at least."""
        found = {}
        for one in range(len(self.names)):
            for two in range(one):
                size = np.square(np.abs(self._cross[one, two]))
                for stem, other in ((one, two), (two, one)):
                    own = self._cross[stem, stem].real.sum()
                    power = np.maximum(self._cross[other, other].real, 1e-30)
                    explained = np.where(
                        size <= np.square(power), (size - self._chance[one, two]) / power, 0
                    )
                    share = explained.sum() / own if own else 0.0
                    level = 10 * np.log10(max(share, 10 ** (FLOOR / 10)))
                    found[self.names[stem], self.names[other]] = float(level)
        return found


class Measurements:
    """All that is measured of a song while it is decoded.

    Attributes:
      rate: in Hz.
      bleed, sum: see there; `sum` is None where there is no mixture.
    """

    def __init__(self, stems: Sequence[str], rate: int, tolerance: int):
        """Nothing was heard yet.

        Args:
          stems: their names.
          rate: in Hz.
          tolerance: as of `Alignment`.
        """
        self.rate = rate
        self.bleed = Bleed(stems)
        self.sum: Sum | None = None
        names = [*stems, "the sum of its stems"] if len(stems) > 1 else stems
        self._alignment = Alignment(names, tolerance)
        self._fingerprinter = Fingerprinter(rate)

    def add(
        self, stems: Sequence[np.ndarray], total: np.ndarray, mixture: np.ndarray | None
    ) -> None:
        """Take the next samples of the stems, their sum and the mixture, (samples, channels)."""
        rows = np.stack([one.mean(1) for one in stems])
        self.bleed.add(rows)
        self._fingerprinter.add(total)
        if mixture is None:
            return
        self.sum = self.sum or Sum()
        self.sum.add(total, mixture)
        more = [total.mean(1)] if len(stems) > 1 else []
        self._alignment.add(np.stack([*rows, *more, mixture.mean(1)]))

    def lags(self) -> dict[str, Lag]:
        """As of `Alignment.lags`; empty where there is no mixture."""
        return self._alignment.lags() if self.sum is not None else {}

    def fingerprint(self) -> np.ndarray:
        """The fingerprint of the sum, once, when nothing follows."""
        return self._fingerprinter.end()
