"""Scores of one song: references and estimates by name → frames in museval's format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evaluation.conversions import as_channels, conversion, fit
from evaluation.measures import measure
from evaluation.protocols import ACCOMPANIMENT, Protocol, members, overlaps

EMPTY_BAND = (
    "the references leave part of the band empty (a lossy codec?): BSS Eval would hang on rounding "
    "there; see same_rounding in evaluation/bss_eval.py"
)


@dataclass
class Takes:
    """Audio of one song.

    Attributes:
      stems: {stem: (samples, channels)}: all stems of the song; a target's reference is one of
        them or a sum of several.
      estimates: {target: (samples, channels)}.
      sample_rate: of the stems in Hz.
      estimates_rate: of the estimates in Hz.
      warnings: what a reader of the scores should know, one line each.
      mixture: (samples, channels) at the rate of the stems; None: the sum of the references, where
        a protocol needs one.
    """

    stems: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]
    sample_rate: int
    estimates_rate: int
    warnings: list[str] = field(default_factory=list)
    mixture: np.ndarray | None = None


def score_song(takes: Takes, protocol: Protocol) -> dict:
    """Score a song.

    Unless the protocol says otherwise: estimates of another length are cut or padded with silence
    at the end (as museval does), mono estimates of stereo songs are doubled (as the DSD100 scripts
    do), and references that are silent throughout are left out, because BSS Eval does not define
    their scores; each is told in the warnings.

    Returns:
      {"targets": [{"name", "frames": [{"time", "duration", "metrics"}]}], "warnings": [str],
      "sample_rate", "samples"}: times in s, metrics in dB with five decimals; NaN where a frame has
      no score, or an infinite one (as in museval's files). Rate and length are those of the scored
      audio.

    Raises:
      ValueError: audio that cannot be scored, on one line.
    """
    _check(takes)
    takes = _converted(takes, protocol)
    if takes.estimates_rate != takes.sample_rate:
        raise ValueError(
            f"estimates at {takes.estimates_rate} Hz, references at {takes.sample_rate} Hz: "
            "resample one of them"
        )
    warnings = list(takes.warnings)
    samples = max(len(audio) for audio in takes.stems.values())
    if protocol.shortest:
        samples = min(samples, *map(len, takes.estimates.values()))
    estimates = {
        name: fit(audio, samples, f"estimate of {name}", warnings)
        for name, audio in takes.estimates.items()
    }
    names = protocol.names(estimates)
    if ACCOMPANIMENT in names and ACCOMPANIMENT not in estimates:
        estimates[ACCOMPANIMENT] = sum(
            audio for name, audio in estimates.items() if name != "vocals"
        )
    if samples < protocol.filter_length and protocol.version != "energies":
        raise ValueError(
            f"only {samples} samples long: BSS Eval needs {protocol.filter_length} or more"
        )
    references = {
        name: sum(fit(takes.stems[stem], samples, stem, warnings) for stem in parts)
        for name in names
        if (parts := members(name, names, tuple(takes.stems)))
    }
    mixture = _mixture(takes, references, samples, warnings) if protocol.needs_mixture() else None
    fitted = _fitted(references, estimates, protocol, warnings)
    overlapping = overlaps(names, tuple(takes.stems))
    scores = _score(references, fitted, mixture, protocol, overlapping, takes.sample_rate, warnings)
    return {
        "targets": [{"name": name, "frames": scores[name]} for name in names if name in scores],
        "warnings": list(dict.fromkeys(warnings)),
        "sample_rate": takes.sample_rate,
        "samples": samples,
    }


def _check(takes: Takes) -> None:
    if not takes.stems or not takes.estimates:
        raise ValueError("nothing to score: no references or no estimates")
    mixture = {} if takes.mixture is None else {"mixture": takes.mixture}
    for role, some in (
        ("reference ", takes.stems),
        ("estimate of ", takes.estimates),
        ("", mixture),
    ):
        for name, audio in some.items():
            if audio.ndim != 2:
                raise ValueError(f"{role}{name}: shape {audio.shape}, not (samples, channels)")
            if not audio.size:
                raise ValueError(f"{role}{name} is empty")
            if not np.isfinite(audio.sum(dtype=np.float64)):
                raise ValueError(f"{role}{name} contains NaN or infinite samples")
    widths = {audio.shape[1] for audio in takes.stems.values()}
    if len(widths) > 1:
        raise ValueError(f"references with {sorted(widths)} channels: expected the same in all")


def _converted(takes: Takes, protocol: Protocol) -> Takes:
    """Everything at the protocol's rate, in as many channels as it wants."""
    if protocol.sample_rate is None and not protocol.mono:
        return takes
    convert = conversion(protocol.mono, protocol.sample_rate)
    rates = takes.sample_rate, takes.estimates_rate
    return replace(
        takes,
        stems={name: convert(audio, rates[0]) for name, audio in takes.stems.items()},
        estimates={name: convert(audio, rates[1]) for name, audio in takes.estimates.items()},
        mixture=None if takes.mixture is None else convert(takes.mixture, rates[0]),
        sample_rate=protocol.sample_rate or rates[0],
        estimates_rate=protocol.sample_rate or rates[1],
    )


def _mixture(
    takes: Takes, references: Mapping[str, np.ndarray], samples: int, warnings: list[str]
) -> np.ndarray:
    channels = next(iter(references.values())).shape[1]
    if takes.mixture is None:
        warnings.append("no mixture: the sum of the references takes its place")
        return sum(references.values())
    return fit(
        as_channels(takes.mixture, channels, "mixture", warnings), samples, "mixture", warnings
    )


def _fitted(
    references: dict[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    protocol: Protocol,
    warnings: list[str],
) -> dict[str, np.ndarray]:
    """Estimates in the form of their references; takes silent references out, or raises."""
    channels = next(iter(references.values())).shape[1]
    fitted = {}
    for name in list(references):
        if not references[name].any() and protocol.silent != "score":
            if protocol.silent == "skip":
                warnings.append(f"reference {name} is silent: not scored")
                del references[name]
                continue
            warnings.append(f"reference {name} is silent: noise takes its place")
        fitted[name] = as_channels(estimates[name], channels, f"estimate of {name}", warnings)
        if not fitted[name].any() and protocol.version != "energies":
            raise ValueError(
                f"the estimate of {name} is silent: BSS Eval does not define its score"
            )
    if not references:
        raise ValueError("all references are silent: nothing to score")
    return fitted


def _score(
    references: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    mixture: np.ndarray | None,
    protocol: Protocol,
    overlapping: bool,
    sample_rate: int,
    warnings: list[str],
) -> dict[str, list[dict]]:
    """Frames of every target that the protocol's passes keep."""
    scores = {}
    for group in protocol.passes(tuple(references), overlapping):
        together = [name for name in group.together if name in references]
        kept = [name for name in group.kept if name in references]
        if not kept:
            continue
        stacked = np.stack([references[name] for name in together])
        found = measure(
            stacked,
            np.stack([estimates[name] for name in together]),
            mixture,
            protocol,
            sample_rate,
        )
        if found.singular:
            warnings.append(EMPTY_BAND)
        duration = protocol.window_s or stacked.shape[1] / sample_rate
        for row, name in enumerate(together):
            other = together[found.permutation[row, 0]]
            if other != name:
                warnings.append(f"{name} is scored with the estimate of {other}, which fits better")
            if name in kept:
                values = {metric: table[row] for metric, table in found.values.items()}
                scores[name] = _frames(values, protocol.hop_s or 0.0, duration)
    return scores


def _frames(values: Mapping[str, np.ndarray], hop_s: float, duration: float) -> list[dict]:
    """{metric: (frames,)} → museval's list of frames."""
    rounded = {
        name: np.where(np.isfinite(row), np.round(row, 5), np.nan) for name, row in values.items()
    }
    return [
        {
            "time": index * hop_s,
            "duration": duration,
            "metrics": {name: float(row[index]) for name, row in rounded.items()},
        }
        for index in range(len(next(iter(rounded.values()))))
    ]


def map_estimates(
    estimates: Mapping[str, np.ndarray], sources: Sequence[str], mixture: np.ndarray
) -> dict[str, np.ndarray]:
    """Estimates of the sources asked for, from those a separator gives.

    A missing accompaniment is the sum of the estimates that `sources` does not name, or the
    mixture without the others when there are none.

    Raises:
      ValueError: a source is neither among the estimates nor the accompaniment.
    """
    mapped = {}
    for source in sources:
        if source in estimates:
            mapped[source] = estimates[source]
        elif source == ACCOMPANIMENT:
            rest = [audio for name, audio in estimates.items() if name not in sources]
            named = [estimates[name] for name in sources if name in estimates]
            mapped[source] = sum(rest) if rest else mixture - sum(named)
        else:
            raise ValueError(f"no estimate of {source}: the separator gives {', '.join(estimates)}")
    return mapped
