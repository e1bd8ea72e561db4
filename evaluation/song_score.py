"""Scores of one song: references and estimates by name → frames in museval's format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation.bss_eval import METRICS, bss_eval
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
    """

    stems: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]
    sample_rate: int
    estimates_rate: int
    warnings: list[str] = field(default_factory=list)


def score_song(takes: Takes, protocol: Protocol) -> dict:
    """Score a song.

    Estimates of another length are cut or padded with silence at the end (as museval does), mono
    estimates of stereo songs are doubled (as the DSD100 scripts do), and references that are silent
    throughout are left out, because BSS Eval does not define their scores; each is told in the
    warnings.

    Returns:
      {"targets": [{"name", "frames": [{"time", "duration", "metrics"}]}], "warnings": [str],
      "sample_rate", "samples"}: times in s, metrics in dB with five decimals; NaN where a frame has
      no score, or an infinite one (as in museval's files).

    Raises:
      ValueError: audio that cannot be scored, on one line.
    """
    _check(takes)
    warnings = list(takes.warnings)
    estimates = dict(takes.estimates)
    names = protocol.names(estimates)
    if ACCOMPANIMENT in names and ACCOMPANIMENT not in estimates:
        estimates[ACCOMPANIMENT] = sum(
            audio for name, audio in takes.estimates.items() if name != "vocals"
        )
    samples = max(len(audio) for audio in takes.stems.values())
    if samples < protocol.filter_length:
        raise ValueError(
            f"only {samples} samples long: BSS Eval needs {protocol.filter_length} or more"
        )
    references = {
        name: sum(fit(takes.stems[stem], samples, stem, warnings) for stem in parts)
        for name in names
        if (parts := members(name, names, tuple(takes.stems)))
    }
    channels = next(iter(references.values())).shape[1]
    fitted = {}
    for name in list(references):
        if not references[name].any():
            warnings.append(f"reference {name} is silent: not scored")
            del references[name]
            continue
        estimate = _as_channels(estimates[name], channels, name, warnings)
        fitted[name] = fit(estimate, samples, f"estimate of {name}", warnings)
        if not fitted[name].any():
            raise ValueError(
                f"the estimate of {name} is silent: BSS Eval does not define its score"
            )
    if not references:
        raise ValueError("all references are silent: nothing to score")
    overlapping = overlaps(names, tuple(takes.stems))
    scores = _score(references, fitted, protocol, overlapping, takes.sample_rate, warnings)
    return {
        "targets": [{"name": name, "frames": scores[name]} for name in names if name in scores],
        "warnings": warnings,
        "sample_rate": takes.sample_rate,
        "samples": samples,
    }


def fit(audio: np.ndarray, samples: int, what: str, warnings: list[str]) -> np.ndarray:
    """Cut audio to a length, or pad it with silence at the end; say so in `warnings`."""
    if len(audio) == samples:
        return audio
    done = "cut to" if len(audio) > samples else "padded with silence to"
    warnings.append(f"{what} has {len(audio)} samples: {done} {samples}")
    if len(audio) > samples:
        return audio[:samples]
    return np.pad(audio, ((0, samples - len(audio)), (0, 0)))


def _check(takes: Takes) -> None:
    if takes.estimates_rate != takes.sample_rate:
        raise ValueError(
            f"estimates at {takes.estimates_rate} Hz, references at {takes.sample_rate} Hz: "
            "resample one of them"
        )
    if not takes.stems or not takes.estimates:
        raise ValueError("nothing to score: no references or no estimates")
    for role, some in (("reference", takes.stems), ("estimate of", takes.estimates)):
        for name, audio in some.items():
            if audio.ndim != 2:
                raise ValueError(f"{role} {name}: shape {audio.shape}, not (samples, channels)")
            if not audio.size:
                raise ValueError(f"{role} {name} is empty")
            if not np.isfinite(audio.sum(dtype=np.float64)):
                raise ValueError(f"{role} {name} contains NaN or infinite samples")
    widths = {audio.shape[1] for audio in takes.stems.values()}
    if len(widths) > 1:
        raise ValueError(f"references with {sorted(widths)} channels: expected the same in all")


def _as_channels(audio: np.ndarray, channels: int, name: str, warnings: list[str]) -> np.ndarray:
    if audio.shape[1] == channels:
        return audio
    if audio.shape[1] == 1:
        warnings.append(f"estimate of {name} is mono: the same in all {channels} channels")
        return np.repeat(audio, channels, axis=1)
    raise ValueError(
        f"estimate of {name} has {audio.shape[1]} channels, its reference {channels}: "
        "mix it down first"
    )


def _score(
    references: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
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
        found = bss_eval(
            np.stack([references[name] for name in together]),
            np.stack([estimates[name] for name in together]),
            window=int(protocol.window_s * sample_rate),
            hop=int(protocol.hop_s * sample_rate),
            version=protocol.version,
            filter_length=protocol.filter_length,
            same_rounding=protocol.same_rounding,
        )
        if found.singular and EMPTY_BAND not in warnings:
            warnings.append(EMPTY_BAND)
        values = np.stack([found.sdr, found.isr, found.sir, found.sar])
        for name in kept:
            scores[name] = _frames(values[:, together.index(name)], protocol)
    return scores


def _frames(values: np.ndarray, protocol: Protocol) -> list[dict]:
    """(metrics, frames) → museval's list of frames."""
    values = np.where(np.isfinite(values), np.round(values, 5), np.nan)
    return [
        {
            "time": index * protocol.hop_s,
            "duration": protocol.window_s,
            "metrics": {name: float(value) for name, value in zip(METRICS, column)},
        }
        for index, column in enumerate(values.T)
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
