"""The metrics of a protocol on sources that are scored together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluation.metrics.bss_eval import METRICS, bss_eval_all
from evaluation.metrics.ratios import scaled_snr, usdr
from evaluation.protocols import Protocol

#: Every metric there is, in dB, in the order of tables. With N: less what the mixture scores.
KNOWN = (*METRICS, "NSDR", "NSIR", "NSAR", "SNR", "NSNR", "uSDR")


class Measured(NamedTuple):
    """{metric: (sources, frames)} in dB; `permutation`, `singular` as of `BssEvalScores`."""

    values: dict[str, np.ndarray]
    permutation: np.ndarray
    singular: bool


def measure(
    references: np.ndarray,
    sets: Sequence[np.ndarray],
    mixture: np.ndarray | None,
    protocol: Protocol,
    sample_rate: int,
) -> list[Measured]:
    """Measure what a protocol asks for.

    Args:
      references: (sources, samples, channels).
      sets: estimates likewise, of one separator or several.
      mixture: (samples, channels); None where the protocol needs none.
      protocol: its metrics, frames and version of BSS Eval.
      sample_rate: in Hz.

    Returns:
      `Measured` for every set; NaN where a frame has no score.

    Raises:
      ValueError: as of `bss_eval_all`.
    """
    silent = ~references.any(axis=(1, 2))
    if protocol.silent == "noise" and silent.any():
        references = with_noise(references)
    silent_estimates = [~estimates.any(axis=(1, 2)) for estimates in sets]
    if protocol.version != "energies":  # no score depends on the estimate of another source
        sets = [
            np.where(quiet[:, None, None], references, estimates) if quiet.any() else estimates
            for quiet, estimates in zip(silent_estimates, sets)
        ]
    beside = [np.broadcast_to(mixture, references.shape)] if protocol.needs_mixture() else []
    found = _plain(references, [*sets, *beside], protocol, sample_rate)
    baseline = found.pop().values if beside else {}
    beside_mixture = [name for name in protocol.metrics if name.startswith("N")]
    for one, quiet in zip(found, silent_estimates):
        for metric in beside_mixture:
            one.values[metric] = one.values[metric[1:]] - baseline[metric[1:]]
        if protocol.silent == "noise" and silent.any():
            for metric in ("SNR", *beside_mixture):
                if metric in one.values:
                    one.values[metric] = np.full_like(one.values[metric], np.nan)
        if protocol.silence_counts:
            of_silence(one.values, quiet)
        elif protocol.version != "energies":
            for values in filter(lambda rows: rows is not None, one.values.values()):
                values[quiet] = np.nan
    return [
        one._replace(values={metric: one.values[metric] for metric in protocol.metrics})
        for one in found
    ]


def with_noise(references: np.ndarray) -> np.ndarray:
    """Put evenly distributed noise in the place of silent sources, always the same.

    Its level is 1: "v3-sources" does not depend on the level of a reference, and noise of 1e-10,
    which the original system takes, would be lost in the rounding of the projections.
    """
    rng = np.random.default_rng(0)
    return np.stack(
        [
            source if source.any() else rng.uniform(-1, 1, source.shape)
            for source in references.astype(np.float64)
        ]
    )


def of_silence(values: dict[str, np.ndarray], rows: np.ndarray) -> None:
    """Put the scores of silence into the rows of some sources, where their frames have scores.

    All of the reference is distortion, and spatial distortion: 0 dB. Interference and
    artifacts cannot be separated: NaN.
    """
    for metric, found in values.items():
        score = 0.0 if metric in ("SDR", "ISR") else np.nan
        found[rows] = np.where(np.isnan(found[rows]), np.nan, score)


def _plain(
    references: np.ndarray, sets: Sequence[np.ndarray], protocol: Protocol, sample_rate: int
) -> list[Measured]:
    """Metrics of references and estimates alone, those that the N ones are computed from too."""
    wanted = dict.fromkeys(metric.removeprefix("N") for metric in protocol.metrics)
    identity = np.arange(len(references))[:, None]
    results = [Measured({}, identity, False) for _ in sets]
    if protocol.version != "energies":

        def samples(seconds: float | None) -> int | None:
            return None if seconds is None else int(seconds * sample_rate)

        scores = bss_eval_all(
            references,
            sets,
            window=samples(protocol.window_s),
            hop=samples(protocol.hop_s),
            version=protocol.version,
            filter_length=protocol.filter_length,
            compute_permutation=protocol.permuted,
            metrics=[metric for metric in METRICS if metric in wanted],
            same_rounding=protocol.same_rounding,
        )
        results = [
            Measured(dict(zip(METRICS, found[:4])), found.permutation, found.singular)
            for found in scores
        ]
    for result, estimates in zip(results, sets):
        if "SNR" in wanted:
            result.values["SNR"] = scaled_snr(references, estimates)[:, None]
        if "uSDR" in wanted:
            result.values["uSDR"] = usdr(references, estimates)[:, None]
    return results
