"""Energies of the parts that BSS Eval splits an estimate into, and their ratios."""

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.fft

from evaluation.metrics.projection import (
    BLOCK,
    FilterBank,
    correlations,
    excerpt,
    excerpts,
    solve,
    solve_all,
    solve_generally,
    whole_correlations,
)
from evaluation.metrics.ratios import decibels

#: Longest transform in samples; longer frames are filtered block by block.
LONGEST = 8 * BLOCK
#: Reciprocal condition number below which rounding may reach the third decimal of a score.
#: Measured between two equivalent computations: differences of 1e-3 dB and more below 1e-15, of
#: 1e-5 dB at 1e-12, of 5e-7 dB at 1e-11 (16-bit recordings) and of 1e-12 dB at 1e-9.
SINGULAR = 1e-12
#: Below this the references hold less than the rounding noise of 16 bits in some direction.
BELOW_16_BITS = 1e-13
#: Energy per sample of that noise: steps of 2⁻¹⁵, evenly distributed.
NOISE_OF_16_BITS = 2.0**-30 / 12

Pairs = Sequence[tuple[int, int]]


class Projections:
    """Projections of estimates on the references of one span, ready to be applied to its frames.

    `singular`: whether the references leave some direction all but empty.
    """

    def __init__(
        self,
        references: np.ndarray,
        sets: Sequence[np.ndarray],
        pairs: Pairs,
        *,
        taps: int,
        size: int,
        own: bool = True,
        joint: bool = True,
        same_rounding: bool = True,
    ):
        """Find the filters.

        Args:
          references: (sources, samples, channels) of the span that fits the filters.
          sets: estimates likewise, of one separator or several.
          pairs: (reference, estimate) pairs that will be scored; estimates count over all sets.
          taps: length of the filters.
          size: length of the transforms of the blocks to come.
          own: prepare the projection of an estimate on its own reference.
          joint: prepare the projection on all references.
          same_rounding: where a Gram matrix is nearly singular, repeat the reference programs'
            arithmetic so that the results are theirs; otherwise give the references the noise of
            16-bit recordings there, so that the results do not hang on rounding.
        """
        sources, _, channels = references.shape
        self.channels = channels
        everything = slice(0, sources * channels)
        rows = [slice(j * channels, (j + 1) * channels) for j in range(sources * len(sets))]
        wanted = rows[:sources] if own or sources == 1 else []
        wanted += [everything] if joint and sources > 1 else []
        found, self.singular = _solutions(references, sets, wanted, taps, same_rounding)
        self.joint = FilterBank(found.pop(), size) if joint and sources > 1 else None
        self.own: dict[tuple[int, int], FilterBank] = {}
        for j, k in pairs if found else ():
            self.own[j, k] = FilterBank(found[j][rows[k]], size)

    def __call__(self, references: np.ndarray) -> tuple[dict, np.ndarray | None]:
        """Project a block of references (sources · channels, size).

        Returns:
          {pair: (channels, samples)} and (estimates, channels, samples); None where not prepared.
        """
        size = references.shape[1]
        spectra = scipy.fft.rfft(references, size)
        rows = spectra.reshape(-1, self.channels, spectra.shape[1])
        own = {pair: bank(rows[pair[0]]) for pair, bank in self.own.items()}
        if self.joint is not None:
            everything = self.joint(spectra)
            return own, everything.reshape(-1, self.channels, everything.shape[-1])
        # With one source both projections are the same one, and there is no interference.
        return own, np.stack(list(own.values())) if len(rows) == 1 and own else None


def _solutions(
    references: np.ndarray,
    sets: Sequence[np.ndarray],
    wanted: Sequence[slice],
    taps: int,
    same_rounding: bool,
) -> tuple[list[np.ndarray], bool]:
    """Filters (E, channels of the slice, taps) for every wanted slice of reference channels.

    Silent channels and copies of others (mono stems in stereo files) add nothing to a projection
    and make its Gram matrix singular; they get filters of zeros.
    """
    lags, cross = correlations(references, sets, taps)
    originals = original_channels(references)
    exact = None
    channels = []
    for rows in wanted:
        inside = reversed(range(len(lags))[rows])
        first = {originals[k]: k for k in inside if originals[k] is not None}
        channels.append(sorted(first.values()))
    systems = [(lags[np.ix_(kept, kept)], cross[kept]) for kept in channels]
    solutions, singular = [], False
    for rows, kept, system, (found, reciprocal_condition) in zip(
        wanted, channels, systems, solve_all(systems)
    ):
        inside = range(len(lags))[rows]
        singular |= reciprocal_condition < BELOW_16_BITS
        if reciprocal_condition < BELOW_16_BITS and not same_rounding:
            found, _ = solve(*system, ridge=references.shape[1] * NOISE_OF_16_BITS)
        elif reciprocal_condition < SINGULAR and same_rounding:
            if exact is None:
                exact = whole_correlations(references, sets, taps)
            found, kept = solve_generally(exact[0][rows, rows], exact[1][rows]), list(inside)
        if found is None:
            found = solve_generally(*system)
        filters = np.zeros((len(found), len(inside), taps))
        filters[:, [k - inside[0] for k in kept]] = found
        solutions.append(filters)
    return solutions, singular


def original_channels(references: np.ndarray) -> list[int | None]:
    """For every channel of (sources, samples, channels) the first one that equals it.

    Channels count over all sources; None stands for a silent one.
    """
    rows = [source[:, channel] for source in references for channel in range(source.shape[1])]

    def same(first: np.ndarray, second: np.ndarray) -> bool:
        return all(np.array_equal(first[::step], second[::step]) for step in (997, 1))

    originals: list[int | None] = []
    for k, row in enumerate(rows):
        if not row.any():
            originals.append(None)
            continue
        earlier = (j for j in range(k) if originals[j] == j and same(rows[j], row))
        originals.append(next(earlier, k))
    return originals


def transform_size(longest: int, taps: int) -> int:
    """Length of the transforms for frames of at most `longest` samples."""
    return scipy.fft.next_fast_len(min(longest + 2 * taps, max(LONGEST, 8 * taps)), real=True)


def energies(
    references: np.ndarray,
    sets: Sequence[np.ndarray],
    pairs: Pairs,
    *,
    taps: int,
    size: int,
    projections: Projections | None,
) -> dict[str, np.ndarray]:
    """Sum the squares of every part over one frame and the `taps` − 1 samples its filters ring on.

    Args:
      references: (sources, samples, channels) of the frame.
      sets: estimates likewise, of one separator or several.
      pairs: (reference, estimate) pairs; estimates count over all sets.
      taps: length of the filters.
      size: length of the transforms.
      projections: fitted filters; None: only what needs none.

    Returns:
      {part: (pairs,)}; what the projections were not prepared for is zero.
    """
    sources, samples, channels = references.shape
    parts = ("true", "error", "spatial", "own", "rest", "joint", "interference", "artifacts")
    sums = {part: np.zeros(len(pairs)) for part in parts}
    margin = taps - 1
    step = size - margin
    for start in range(0, samples + margin, step):
        block = excerpt(references, start - margin, start + step)
        true = block[:, margin:].reshape(sources, channels, step)
        estimate = excerpts(sets, start, start + step).reshape(-1, channels, step)
        own, joint = ({}, None) if projections is None else projections(block)
        for index, (j, k) in enumerate(pairs):
            found = {"true": true[j], "error": estimate[k] - true[j]}
            if (j, k) in own:
                found["own"] = own[j, k]
                found["spatial"] = own[j, k] - true[j]
                found["rest"] = estimate[k] - own[j, k]
            if joint is not None:
                found["joint"] = joint[k]
                found["artifacts"] = estimate[k] - joint[k]
                if (j, k) in own:
                    found["interference"] = joint[k] - own[j, k]
            for part, signal in found.items():
                sums[part][index] += np.einsum("cn,cn->", signal, signal)
    return sums


def ratios(sums: dict[str, np.ndarray], metrics: Iterable[str], images: bool) -> dict:
    """Turn energies into {metric: (pairs,)} in dB; without `images` the "sources" criteria."""
    fractions = {
        "SDR": ("true", "error") if images else ("own", "rest"),
        "ISR": ("true", "spatial"),
        "SIR": ("own", "interference"),
        "SAR": ("joint", "artifacts"),
    }
    if not images:
        del fractions["ISR"]
    return {
        metric: decibels(*(sums[part] for part in fractions[metric]))
        for metric in metrics
        if metric in fractions
    }
