"""What only the whole track has: its level, and the scale that SI-SDR training leaves open.

Both are running sums in float64, so that a song of three hours needs no more memory than a second.
"""

import numpy as np

TINY = 1e-8  # what Demucs adds to a track's deviation


class Level:
    """Standard deviation per channel of a track that comes block by block."""

    def __init__(self, channels: int):
        self._count = 0
        self._sum = np.zeros(channels)
        self._squares = np.zeros(channels)

    def add(self, block: np.ndarray) -> None:
        """Count (samples, channels) in."""
        block = block.astype(np.float64)
        self._count += len(block)
        self._sum += block.sum(axis=0)
        self._squares += np.square(block).sum(axis=0)

    def value(self) -> np.ndarray:
        """float64 (channels,); 1 for a channel that is silent or constant, to divide by safely."""
        count = max(self._count, 1)
        power = self._squares / count
        variance = np.maximum(power - np.square(self._sum / count), 0)
        return np.where(variance > 1e-12 * power, np.sqrt(variance), 1.0)


class MonoLevel(Level):
    """Mean and standard deviation of the mean of all channels, one of each for a track."""

    def __init__(self):
        super().__init__(1)

    def add(self, block: np.ndarray) -> None:
        """Count (samples, channels) in."""
        super().add(block.mean(axis=1, keepdims=True, dtype=np.float64))

    def mean(self) -> float:
        """Of the samples so far."""
        return float(self._sum[0] / max(self._count, 1))

    def value(self) -> np.ndarray:
        """float64 (1,); 1 for a track that is silent or constant, to divide by safely."""
        spread = super().value() * np.sqrt(self._count / max(self._count - 1, 1))
        return spread + TINY


class Gains:
    """One gain per source and channel, by ordinary least squares of estimates against the mixture.

    Meta-TasNet's inference (arXiv 2002.07016, published program, step "gain recovery"): for every
    channel the gains minimise the power of mixture - Σ gain × estimate over the whole track.
    """

    def __init__(self, sources: int, channels: int):
        self._gram = np.zeros((channels, sources, sources))
        self._correlation = np.zeros((channels, sources))

    def add(self, mixture: np.ndarray, estimates: np.ndarray) -> None:
        """Count mixture (samples, channels) and estimates (samples, sources, channels) in."""
        mixture = mixture.astype(np.float64)
        estimates = np.moveaxis(estimates.astype(np.float64), 2, 0)
        self._gram += estimates.transpose(0, 2, 1) @ estimates
        self._correlation += np.einsum("cts,tc->cs", estimates, mixture, optimize=True)

    def value(self) -> np.ndarray:
        """float64 (sources, channels); 0 for a silent estimate, shared between equal ones."""
        pairs = zip(self._gram, self._correlation)
        return np.stack([_least_squares(gram, column) for gram, column in pairs], axis=1)


def _least_squares(gram: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Solve gram × gains = correlation; the smallest gains where estimates say the same."""
    norm = np.sqrt(np.maximum(np.diag(gram), 0))
    audible = norm > 1e-6 * norm.max(initial=0)
    gains = np.zeros_like(norm)
    if not audible.any():
        return gains
    norm = norm[audible]
    values, vectors = np.linalg.eigh(gram[np.ix_(audible, audible)] / np.outer(norm, norm))
    # Directions below this are rounding noise of estimates that are copies of each other; their
    # gains would be huge, opposite, and wrong.
    kept = values > 1e-8 * values[-1]
    vectors = vectors[:, kept]
    gains[audible] = vectors @ (vectors.T @ (correlation[audible] / norm) / values[kept]) / norm
    return gains


def as_gains(gains, sources: tuple[str, ...], channels: int) -> np.ndarray:
    """Check gains given by hand: (sources, channels), or {source: number or one per channel}.

    Raises:
      ValueError: a source is missing, or a shape or a value cannot be.
    """
    if isinstance(gains, dict):
        if set(gains) != set(sources):
            raise ValueError(f"gains name {', '.join(gains)}: expected {', '.join(sources)}")
        gains = [np.broadcast_to(np.asarray(gains[name], float), channels) for name in sources]
    return _checked(gains, (len(sources), channels), "gains")


def as_level(level, channels: int) -> np.ndarray:
    """Check a level given by hand: one standard deviation, or one per channel.

    Raises:
      ValueError: not positive, or as many numbers as there are not channels.
    """
    level = np.asarray(level, float)
    level = _checked(np.broadcast_to(level, channels) if level.ndim == 0 else level, (channels,))
    if (level <= 0).any():
        raise ValueError(f"level is {level.min()}: expected a standard deviation above 0")
    return level


def _checked(values, shape: tuple[int, ...], what: str = "level") -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{what} of shape {values.shape}: expected finite numbers {shape}")
    return values
