"""The metrics of a protocol on sources that are scored together."""

from typing import NamedTuple

import numpy as np

from evaluation.bss_eval import METRICS, bss_eval
from evaluation.metrics import scaled_snr, usdr
from evaluation.protocols import Protocol

#: Every metric there is, in dB, in the order of tables. With N: less what the mixture scores.
KNOWN = (*METRICS, "NSDR", "NSIR", "NSAR", "SNR", "NSNR", "uSDR")


class Measured(NamedTuple):
    """{metric: (sources, frames)} in dB; `permutation`, `singular` as of `bss_eval.Scores`."""

    values: dict[str, np.ndarray]
    permutation: np.ndarray
    singular: bool


def measure(
    references: np.ndarray,
    estimates: np.ndarray,
    mixture: np.ndarray | None,
    protocol: Protocol,
    sample_rate: int,
) -> Measured:
    """Measure what a protocol asks for.

    Args:
      references, estimates: (sources, samples, channels).
      mixture: (samples, channels); None where the protocol needs none.
      protocol: its metrics, frames and version of BSS Eval.
      sample_rate: in Hz.

    Returns:
      `Measured`; NaN where a frame has no score.

    Raises:
      ValueError: as of `bss_eval`.
    """
    silent = ~references.any(axis=(1, 2))
    if protocol.silent == "noise" and silent.any():
        references = with_noise(references)
    found = _plain(references, estimates, protocol, sample_rate)
    if protocol.needs_mixture():
        beside = np.broadcast_to(mixture, estimates.shape)
        baseline = _plain(references, beside, protocol, sample_rate).values
        for metric in protocol.metrics:
            if metric.startswith("N"):
                found.values[metric] = found.values[metric[1:]] - baseline[metric[1:]]
    if protocol.silent == "noise" and silent.any():
        for metric in ("SNR", *(name for name in protocol.metrics if name.startswith("N"))):
            if metric in found.values:
                found.values[metric] = np.full_like(found.values[metric], np.nan)
    return found._replace(values={metric: found.values[metric] for metric in protocol.metrics})


def with_noise(references: np.ndarray) -> np.ndarray:
    """Put evenly distributed noise in the place of silent sources, always the same.

    Its level is 1: "v3-sources" does not depend on the level of a reference, and noise of 1e-10,
    which the original system takes, would drown in the rounding of the projections.
    """
    rng = np.random.default_rng(0)
    return np.stack(
        [
            source if source.any() else rng.uniform(-1, 1, source.shape)
            for source in references.astype(np.float64)
        ]
    )


def _plain(
    references: np.ndarray, estimates: np.ndarray, protocol: Protocol, sample_rate: int
) -> Measured:
    """Metrics that look at references and estimates alone, those behind the N ones among them."""
    wanted = dict.fromkeys(metric.removeprefix("N") for metric in protocol.metrics)
    identity = np.arange(len(references))[:, None]
    values, permutation, singular = {}, identity, False
    if protocol.version != "energies":

        def samples(seconds: float | None) -> int | None:
            return None if seconds is None else int(seconds * sample_rate)

        found = bss_eval(
            references,
            estimates,
            window=samples(protocol.window_s),
            hop=samples(protocol.hop_s),
            version=protocol.version,
            filter_length=protocol.filter_length,
            compute_permutation=protocol.permuted,
            metrics=[metric for metric in METRICS if metric in wanted],
            same_rounding=protocol.same_rounding,
        )
        values = dict(zip(METRICS, (found.sdr, found.isr, found.sir, found.sar)))
        permutation, singular = found.permutation, found.singular
    if "SNR" in wanted:
        values["SNR"] = scaled_snr(references, estimates)[:, None]
    if "uSDR" in wanted:
        values["uSDR"] = usdr(references, estimates)[:, None]
    return Measured(values, permutation, singular)
