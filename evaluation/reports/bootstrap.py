"""Paired bootstrap: how sure a gain over a baseline is."""

import math

import numpy as np

DRAWS = 10_000


def gain(
    arm: dict[str, np.ndarray], baseline: dict[str, np.ndarray], draws: int = DRAWS
) -> tuple[float, float, float]:
    """Mean gain over the baseline and its 95 % interval by a paired bootstrap.

    Gains are taken song by song between runs of the same seed; every draw takes songs and seeds
    with replacement.

    Args:
      arm, baseline: seed → scores of the same songs in the same order.

    Returns:
      (mean, lowest, highest) in dB; NaN where no seed is common, or no song that all have a
      score of.
    """
    seeds = sorted(set(arm) & set(baseline))
    if not seeds:
        return math.nan, math.nan, math.nan
    gains = np.stack([arm[seed] - baseline[seed] for seed in seeds])
    gains = gains[:, np.isfinite(gains).all(axis=0)]
    if not gains.size:
        return math.nan, math.nan, math.nan
    rng = np.random.default_rng(0)
    rows = rng.integers(len(seeds), size=(draws, len(seeds)))
    columns = rng.integers(gains.shape[1], size=(draws, gains.shape[1]))
    means = gains[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2))
    low, high = np.percentile(means, (2.5, 97.5))
    return float(gains.mean()), float(low), float(high)
