"""Normal equations of filters, solved by their structure instead of as full matrices.

The Gram matrix of delayed signals is block-Toeplitz: its block (a, b), for the delays a and b of
all K channels, is R(a − b), with R(m)[k, l] = Σ_t x_k(t) x_l(t + m). Levinson's recursion over
blocks (Whittle, Biometrika 50, 1963; Akaike, SIAM J. Applied Mathematics 24, 1973) finds its
inverse in O(K³ taps²) operations, where Cholesky takes O(K³ taps³), and in the form of Gohberg and
Semencul (1972), of which two columns of blocks are all there is to store:

    T⁻¹ = L(F) E_f⁻¹ L(F)ᵀ − L(B↓) E_b⁻¹ L(B↓)ᵀ

F and B: the prediction filters forwards and backwards, E: their error powers, L(·): the lower
triangular block-Toeplitz matrix with this first column, ↓: moved down by one block. Products with
it, and with T itself, are convolutions. The recursion loses digits where T is badly conditioned;
iterative refinement against T gives them back, or does not converge, and then nothing is returned.

Several systems of one size are solved side by side; they stand along the first axis.
"""

import numpy as np
import scipy.fft

#: Residual up to which a solution counts as exact, relative to |T| |x|: some units of rounding.
EXACT = 4 * float(np.finfo(np.float64).eps)
#: Refinements at most; they end when they do not help. A healthy system takes one or two.
REFINEMENTS = 8
#: Unit vectors tried for the norm of an inverse, as in LAPACK.
GUESSES = 5


class BlockToeplitz:
    """Symmetric positive definite block-Toeplitz matrices and their inverses.

    Channels are brought to equal energy first, so that the digits of quiet ones are not lost beside
    loud ones.
    """

    def __init__(self, lags: np.ndarray, ridge: float = 0.0):
        """Prepare the inverses.

        Args:
          lags: (systems, K, K, 2 · taps − 1): R(m)[k, l] for k ≤ l and m = −(taps − 1) … taps − 1.
          ridge: added to the diagonal.

        Raises:
          numpy.linalg.LinAlgError: a matrix is singular in floating point.
        """
        count, self.taps = lags.shape[1], (lags.shape[-1] + 1) // 2
        centre = self.taps - 1
        below = np.tril_indices(count, -1)
        lags = lags.copy()
        lags[:, *below] = lags[:, below[1], below[0], ::-1]
        lags[:, range(count), range(count), centre] += ridge
        self.norms = _norms(lags, self.taps)
        energies = lags[:, range(count), range(count), centre]
        if not ((energies > 0) & np.isfinite(energies)).all():
            raise np.linalg.LinAlgError("a channel without energy")
        self.levels = np.sqrt(energies)
        lags /= self.levels[:, :, None, None] * self.levels[:, None, :, None]
        self.scale = _norms(lags, self.taps)
        self.size = scipy.fft.next_fast_len(2 * self.taps, real=True)
        ring = np.zeros((*lags.shape[:3], self.size))
        ring[..., : self.taps] = lags[..., centre:]
        ring[..., self.size - centre :] = lags[..., :centre]
        self.spectra = scipy.fft.rfft(ring).transpose(3, 0, 1, 2).copy()
        forward, backward, *powers = _levinson(lags.transpose(0, 3, 1, 2))
        moved = np.zeros_like(backward)
        moved[:, 1:] = backward[:, :-1]
        self.halves = [
            (self._transformed(filters.transpose(1, 0, 2, 3)), np.linalg.inv(power), sign)
            for filters, power, sign in zip((forward, moved), powers, (1, -1))
        ]

    def _transformed(self, signals: np.ndarray) -> np.ndarray:
        """Transform along the delays, which stand first."""
        return scipy.fft.rfft(signals, self.size, axis=0)

    def _back(self, spectra: np.ndarray) -> np.ndarray:
        return scipy.fft.irfft(spectra, self.size, axis=0)[: self.taps]

    def _product(self, x: np.ndarray) -> np.ndarray:
        """T x of the balanced matrices; x: (taps, systems, K, columns)."""
        return self._back(self.spectra @ self._transformed(x))

    def _inverse(self, x: np.ndarray) -> np.ndarray:
        """T⁻¹ x of the balanced matrices, as far as the recursion was exact."""
        spectra = self._transformed(x)
        total = 0.0
        for filters, weights, sign in self.halves:
            correlated = self._back(filters.conj().swapaxes(-1, -2) @ spectra)
            total = total + filters @ self._transformed(sign * weights @ correlated)
        return self._back(total)

    def solve(self, right: np.ndarray) -> np.ndarray | None:
        """Solve T x = right.

        Args:
          right: (systems, K, columns, taps).

        Returns:
          (systems, K, columns, taps), exact but for rounding; None where that was not reached.
        """
        levels = self.levels[:, :, None]
        right = right.transpose(3, 0, 1, 2) / levels
        found = np.zeros_like(right)
        rest, before = right, np.inf
        for _ in range(REFINEMENTS):
            with np.errstate(all="ignore"):
                found = found + self._inverse(rest)
                rest = right - self._product(found)
                sizes = np.abs(found).max(axis=(0, 2, 3)) * self.scale
                error = (np.abs(rest).max(axis=(0, 2, 3)) / np.where(sizes > 0, sizes, 1)).max()
            if not error < before / 2:
                break
            before = error
        return (found / levels).transpose(1, 2, 3, 0) if error <= EXACT else None

    def reciprocal_conditions(self) -> np.ndarray:
        """Estimates (systems,) of 1 / (‖T‖₁ ‖T⁻¹‖₁), before the channels were balanced.

        Hager's method (SIAM J. Sci. Stat. Comput. 5, 1984) with Higham's second guess, as in
        LAPACK.
        """
        systems, count = self.levels.shape
        levels = self.levels[:, :, None]

        def unbalanced(x: np.ndarray) -> np.ndarray:
            """T⁻¹ x; x: (taps · K, systems)."""
            x = x.reshape(self.taps, count, systems, 1).transpose(0, 2, 1, 3)
            y = self._inverse(x / levels) / levels
            return y.transpose(0, 2, 1, 3).reshape(-1, systems)

        size = self.taps * count
        largest = np.zeros(systems)
        x = np.full((size, systems), 1 / size)
        for _ in range(GUESSES):
            y = unbalanced(x)
            found = np.abs(y).sum(axis=0)
            if not (found > largest).any():
                break
            largest = np.maximum(largest, found)
            slopes = np.abs(unbalanced(np.where(y < 0, -1.0, 1.0)))
            x = np.zeros((size, systems))
            x[np.argmax(slopes, axis=0), range(systems)] = 1
        rows = np.arange(size)
        wave = (-1.0) ** rows * (1 + rows / max(size - 1, 1))
        wave = unbalanced(np.repeat(wave[:, None], systems, axis=1))
        largest = np.maximum(largest, np.abs(wave).sum(axis=0) * 2 / (3 * size))
        return 1 / (self.norms * largest)


def _norms(lags: np.ndarray, taps: int) -> np.ndarray:
    """1-norms (systems,) of the matrices with these correlations."""
    sums = np.abs(lags).sum(axis=1).cumsum(axis=-1)  # over the rows' channels, then over lags
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
    return (sums[..., taps:] - sums[..., :-taps]).max(axis=(1, 2))


def _levinson(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Prediction filters of matrices with the blocks R(m) (systems, 2 · taps − 1, K, K).

    Returns:
      F and B, each (systems, taps, K, K) with F[:, 0] = B[:, -1] = 1, and their error powers
      (systems, K, K): T F = (E_f, 0 … 0), T B = (0 … 0, E_b).

    Raises:
      numpy.linalg.LinAlgError: an error power cannot be inverted.
    """
    systems, lags, count, _ = blocks.shape
    taps = (lags + 1) // 2
    # R(taps − 1) … R(1) side by side: what comes before R(m) is one piece of it.
    row = blocks[:, : taps - 1 : -1].transpose(0, 2, 1, 3).reshape(systems, count, -1)
    forward = np.zeros((systems, taps * count, count))
    # Every step moves B down by one block: it stands still, and its beginning moves up.
    room = np.zeros((systems, (2 * taps - 1) * count, count))
    top = (taps - 1) * count
    forward[:, :count] = room[:, top : top + count] = np.eye(count)
    powers = np.repeat(blocks[None, :, taps - 1], 2, axis=0)  # of F and of B
    deltas = np.empty_like(powers)
    for length in range(count, taps * count, count):
        np.matmul(row[:, :, row.shape[-1] - length :], forward[:, :length], out=deltas[1])
        deltas[0] = deltas[1].swapaxes(1, 2)
        # Of B for F and the other way round: E_b⁻¹ Δ and E_f⁻¹ Δᵀ.
        steps = np.linalg.solve(powers, deltas)
        top -= count
        longer, backward = forward[:, : length + count], room[:, top : top + length + count]
        change = backward @ steps[1]
        backward -= longer @ steps[0]
        longer -= change
        powers -= deltas @ steps[::-1]
    shape = (systems, taps, count, count)
    return forward.reshape(shape), room[:, : taps * count].reshape(shape), *powers
