"""Least-squares projections on delayed references: the linear algebra below BSS Eval.

An estimate channel y is explained by all references x_k through filters of `taps` coefficients,
Σ_k Σ_a C[k, a] x_k(t − a), a = 0 … taps − 1. The normal equations need the correlations of the
signals at lags below `taps` only; they are accumulated in the frequency domain over short blocks,
so memory does not grow with the length of the track. `evaluation.metrics.toeplitz` solves them by
the structure of the Gram matrix, whose inverse serves every estimate; the matrix itself is
factorised only where that does not give all digits.

Music that was coded with losses has nothing above some frequency: its Gram matrix is singular but
for rounding, and rounding decides what a filter does there. Frames with hard edges have content
there, so museval's SIR of such songs is wrong by up to 20 dB, and moves by decibels with the order
of the sources or the number of threads. `whole_correlations` and `solve_generally` repeat its very
rounding for those who need its numbers.

Signals here are float64 `(channels, samples)`, where the channels of all sources stand in a row.
"""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import scipy.fft
import scipy.linalg

from evaluation.metrics.toeplitz import BlockToeplitz

#: Block length of the transforms in samples; larger ones fall out of the processor's cache.
BLOCK = 2**14
#: Channels that are worked on at a time, for the cache's sake too.
ROWS = 8
#: Whole-span transforms that run at once; each takes 32 bytes per sample of the span.
THREADS = 4
#: Added to the diagonal of the Gram matrix, as in museval: an absolute value, not a relative one.
RIDGE = float(np.finfo(np.float64).eps)


def excerpt(audio: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Cut `audio` (sources, samples, channels) → float64 (sources · channels, stop − start).

    Positions before the first and after the last sample read as zeros.
    """
    sources, samples, channels = audio.shape
    out = np.zeros((sources, channels, stop - start))
    first, last = max(start, 0), min(stop, samples)
    if first < last:
        out[:, :, first - start : last - start] = audio[:, first:last].transpose(0, 2, 1)
    return out.reshape(sources * channels, stop - start)


def excerpts(sets: Sequence[np.ndarray], start: int, stop: int) -> np.ndarray:
    """`excerpt` of several arrays, behind each other."""
    return np.concatenate([excerpt(audio, start, stop) for audio in sets])


def channels_of(sets: Sequence[np.ndarray]) -> int:
    """Number of channels of all sources of all sets."""
    return sum(len(audio) * audio.shape[2] for audio in sets)


def correlations(
    references: np.ndarray, sets: Sequence[np.ndarray], taps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate references with each other and with the estimates.

    Args:
      references: (sources, samples, channels).
      sets: estimates of one separator or several, each (estimates, samples, channels).
      taps: length of the filters.

    Returns:
      Σ_t x_k(t) x_l(t + m) for k ≤ l and m = −(taps − 1) … taps − 1, shape
      (K, K, 2 · taps − 1), zero below the diagonal; and Σ_t x_k(t) y_c(t + a) for
      a = 0 … taps − 1, shape (K, E, taps), with K and E the numbers of channels in all.
    """
    samples = references.shape[1]
    margin = taps - 1
    size = scipy.fft.next_fast_len(min(samples + 2 * margin, max(BLOCK, 16 * taps)), real=True)
    step = size - 2 * margin
    count, others = channels_of([references]), channels_of(sets)
    gram = np.zeros((count, count, size // 2 + 1), np.complex128)
    cross = np.zeros((count, others, size // 2 + 1), np.complex128)
    product = np.empty((max(count, ROWS), size // 2 + 1), np.complex128)
    for start in range(0, samples, step):
        wide = excerpt(references, start - margin, start + step + margin)
        centre = np.zeros_like(wide)
        centre[:, :step] = wide[:, margin : margin + step]
        targets = excerpts(sets, start, start + step + margin)
        wide, centre = (scipy.fft.rfft(a, size) for a in (wide, centre))
        np.conjugate(centre, out=centre)
        for k in range(count):
            gram[k, k:] += np.multiply(wide[k:], centre[k], out=product[: count - k])
        for first in range(0, others, ROWS):
            some = scipy.fft.rfft(targets[first : first + ROWS], size)
            for k in range(count):
                found = np.multiply(some, centre[k], out=product[: len(some)])
                cross[k, first : first + ROWS] += found
    lags = scipy.fft.irfft(gram, size)[:, :, : 2 * margin + 1]
    return lags, scipy.fft.irfft(cross, size)[:, :, :taps]


def gram_matrix(lags: np.ndarray, taps: int) -> np.ndarray:
    """Lay out correlations (K, K, 2 · taps − 1) as the symmetric matrix (K · taps, K · taps)."""
    count = len(lags)
    matrix = np.empty((count, taps, count, taps))
    for k in range(count):
        for other in range(k, count):
            # Toeplitz: row a, column b holds lag a − b.
            windows = np.lib.stride_tricks.sliding_window_view(lags[k, other, ::-1], taps)
            matrix[k, :, other] = windows[::-1]
            if other > k:
                matrix[other, :, k] = windows[::-1].T
    return matrix.reshape(count * taps, count * taps)


def whole_correlations(
    references: np.ndarray, sets: Sequence[np.ndarray], taps: int
) -> tuple[np.ndarray, np.ndarray]:
    """`correlations` in the arithmetic of museval and mir_eval, to the last bit.

    They transform the whole span at once, to a power of two, and back as complex numbers. Slow,
    and its memory grows with the span; needed only where rounding decides the result.
    """
    samples = references.shape[1]
    size = int(2 ** np.ceil(np.log2(samples + taps - 1.0)))

    def correlate(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        # Written as there: NumPy multiplies into the temporary, which decides the last bit.
        half = later * np.conj(earlier)
        full = np.concatenate([half, np.conj(half[-2:0:-1])])
        return scipy.fft.ifft(full, overwrite_x=True).real

    spectra = scipy.fft.rfft(excerpt(references, 0, samples), size)
    count, others = len(spectra), channels_of(sets)
    lags = np.zeros((count, count, 2 * taps - 1))
    cross = np.empty((count, others, taps))

    def fill_lags(pair: tuple[int, int]) -> None:
        values = correlate(spectra[pair[1]], spectra[pair[0]])
        lags[pair][taps - 1 :] = values[:taps]
        lags[pair][: taps - 1] = values[size - taps + 1 :]

    def fill_cross(column: int, spectrum: np.ndarray, k: int) -> None:
        values = correlate(spectra[k], spectrum)
        cross[k, column, 0] = values[0]
        cross[k, column, 1:] = values[:-taps:-1]

    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        list(pool.map(fill_lags, itertools.combinations_with_replacement(range(count), 2)))
        for column, target in enumerate(excerpts(sets, 0, samples)):
            spectrum = scipy.fft.rfft(target, size)
            list(pool.map(partial(fill_cross, column, spectrum), range(count)))
    return lags, cross


Solution = tuple[np.ndarray | None, float]


def solve(lags: np.ndarray, cross: np.ndarray, ridge: float = RIDGE) -> Solution:
    """Solve the normal equations for every estimate channel at once.

    Args:
      lags: (K, K, 2 · taps − 1) from `correlations`.
      cross: (K, E, taps) from `correlations`.
      ridge: added to the diagonal of the Gram matrix: the energy of white noise in every channel.

    Returns:
      Filters (E, K, taps), and the reciprocal condition number of the Gram matrix (1-norm); None
      and 0 where it is not positive definite in floating point.
    """
    return solve_all([(lags, cross)], ridge)[0]


def solve_all(
    systems: Sequence[tuple[np.ndarray, np.ndarray]], ridge: float = RIDGE
) -> list[Solution]:
    """`solve` several systems (lags, cross); those of one shape are solved side by side."""
    groups: dict[tuple, list[int]] = {}
    for index, (lags, cross) in enumerate(systems):
        groups.setdefault((lags.shape, cross.shape), []).append(index)
    found: dict[int, Solution] = {}
    while groups:
        shape, group = groups.popitem()
        lags, cross = (np.stack([systems[index][part] for index in group]) for part in (0, 1))
        try:
            toeplitz = BlockToeplitz(lags, ridge)
            filters = toeplitz.solve(cross)
        except np.linalg.LinAlgError:
            filters = None
        if filters is not None:
            filters, conditions = filters.swapaxes(1, 2), toeplitz.reciprocal_conditions()
            found |= dict(zip(group, zip(filters, map(float, conditions))))
        elif len(group) > 1:  # find out which one it was
            groups |= {(shape, index): [index] for index in group}
        else:
            found[group[0]] = solve_by_cholesky(lags[0], cross[0], ridge)
    return [found[index] for index in range(len(systems))]


def solve_by_cholesky(lags: np.ndarray, cross: np.ndarray, ridge: float) -> Solution:
    """`solve` by factorising the whole Gram matrix."""
    count, others, taps = cross.shape
    # The transposed view is in Fortran order, so that LAPACK works in place.
    matrix = gram_matrix(lags, taps).T
    np.einsum("ii->i", matrix)[...] += ridge
    norm = scipy.linalg.lapack.dlange("1", matrix)
    factor, failed = scipy.linalg.lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if failed:
        return None, 0.0
    right = cross.transpose(0, 2, 1).reshape(count * taps, others)
    filters, _ = scipy.linalg.lapack.dpotrs(factor, right, lower=1)
    reciprocal_condition, _ = scipy.linalg.lapack.dpocon(factor, norm, uplo="L")
    return filters.T.reshape(others, count, taps), float(reciprocal_condition)


def solve_generally(lags: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Solve the normal equations as the reference programs do: filters (E, K, taps).

    A general solver, and least squares of minimal norm where that finds the matrix singular.
    """
    count, others, taps = cross.shape
    right = cross.transpose(0, 2, 1).reshape(count * taps, others)
    matrix = gram_matrix(lags, taps)
    diagonal = np.einsum("ii->i", matrix)
    diagonal += RIDGE
    try:
        filters = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        diagonal -= RIDGE
        filters = np.linalg.lstsq(matrix, right)[0]
    return filters.T.reshape(others, count, taps)


class FilterBank:
    """Filters (E, K, taps), transformed once for blocks of one length and applied to many."""

    def __init__(self, filters: np.ndarray, size: int):
        """`size`: length of the transforms; every applied block is at most that long."""
        self.size = size
        self.taps = filters.shape[2]
        self.spectra = scipy.fft.rfft(filters, size)

    def __call__(self, spectra: np.ndarray) -> np.ndarray:
        """Filter the block with these spectra (K, size // 2 + 1).

        Returns:
          (E, size − taps + 1): the outputs from the block's sample `taps − 1` on. Those before
          depend on samples in front of the block.
        """
        found = np.empty((len(self.spectra), self.size - self.taps + 1))
        for first in range(0, len(found), ROWS):
            bank = self.spectra[first : first + ROWS]
            out = bank[:, 0] * spectra[0]
            product = np.empty_like(out)
            for k in range(1, len(spectra)):
                out += np.multiply(bank[:, k], spectra[k], out=product)
            found[first : first + ROWS] = scipy.fft.irfft(out, self.size)[:, self.taps - 1 :]
        return found
