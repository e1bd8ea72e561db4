"""A song's audio as its protocol scores it: rates, lengths, channels, silence."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from evaluation.protocols import ACCOMPANIMENT, Protocol, members, overlaps
from evaluation.scoring.conversions import as_channels, conversion, fit


@dataclass
class SongAudio:
    """Audio of one song.

    Attributes:
      stems: {stem: (samples, channels)}: all stems of the song; a target's reference is one of
        them or a sum of several.
      estimates: {target: (samples, channels)}.
      sample_rate: of the stems in Hz.
      estimates_rate: of the estimates in Hz.
      warnings: what was changed before scoring, one line each.
      mixture: (samples, channels) at the rate of the stems; None: the sum of the references, where
        a protocol needs one.
    """

    stems: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]
    sample_rate: int
    estimates_rate: int
    warnings: list[str] = field(default_factory=list)
    mixture: np.ndarray | None = None


@dataclass
class Prepared:
    """Audio of one song as its protocol wants it.

    Attributes:
      references, estimates: {target: (samples, channels)}, of equal shapes.
      mixture: (samples, channels), where the protocol needs it.
      names: the targets in their order.
      overlapping: whether the accompaniment contains stems that are targets themselves.
      sample_rate: in Hz.
      warnings: what was changed before scoring, one line each.
    """

    references: dict[str, np.ndarray]
    estimates: dict[str, np.ndarray]
    mixture: np.ndarray | None
    names: tuple[str, ...]
    overlapping: bool
    sample_rate: int
    warnings: list[str]

    @property
    def samples(self) -> int:
        """Length of the scored audio."""
        return len(next(iter(self.references.values())))

    def beside(self, other: "Prepared") -> bool:
        """Whether both are scored against the very same references."""

        def same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
            return first is second or np.array_equal(first, second)

        return (
            list(self.references) == list(other.references)
            and (self.sample_rate, self.overlapping) == (other.sample_rate, other.overlapping)
            and all(same(self.references[name], other.references[name]) for name in self.references)
            and same(self.mixture, other.mixture)
        )


def prepare(song: SongAudio, protocol: Protocol) -> Prepared:
    """Make references and estimates comparable, as `evaluation.scoring.song.score_song` describes.

    Raises:
      ValueError: audio that cannot be scored, on one line.
    """
    _check(song)
    song = _converted(song, protocol)
    if song.estimates_rate != song.sample_rate:
        raise ValueError(
            f"estimates at {song.estimates_rate} Hz, references at {song.sample_rate} Hz: "
            "resample one of them"
        )
    warnings = list(song.warnings)
    samples = max(len(audio) for audio in song.stems.values())
    if protocol.shortest:
        samples = min(samples, *map(len, song.estimates.values()))
    estimates = {
        name: fit(audio, samples, f"estimate of {name}", warnings)
        for name, audio in song.estimates.items()
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
        name: sum(fit(song.stems[stem], samples, stem, warnings) for stem in summands)
        for name in names
        if (summands := members(name, names, tuple(song.stems)))
    }
    mixture = _mixture(song, references, samples, warnings) if protocol.needs_mixture() else None
    fitted = _fitted(references, estimates, protocol, warnings)
    overlapping = overlaps(names, tuple(song.stems))
    rate = song.sample_rate
    return Prepared(references, fitted, mixture, names, overlapping, rate, warnings)


def _check(song: SongAudio) -> None:
    if not song.stems or not song.estimates:
        raise ValueError("nothing to score: no references or no estimates")
    mixture = {} if song.mixture is None else {"mixture": song.mixture}
    for role, some in (
        ("reference ", song.stems),
        ("estimate of ", song.estimates),
        ("", mixture),
    ):
        for name, audio in some.items():
            if audio.ndim != 2:
                raise ValueError(f"{role}{name}: shape {audio.shape}, not (samples, channels)")
            if not audio.size:
                raise ValueError(f"{role}{name} is empty")
            if not np.isfinite(audio.sum(dtype=np.float64)):
                raise ValueError(f"{role}{name} contains NaN or infinite samples")
    widths = {audio.shape[1] for audio in song.stems.values()}
    if len(widths) > 1:
        raise ValueError(f"references with {sorted(widths)} channels: expected the same in all")


def _converted(song: SongAudio, protocol: Protocol) -> SongAudio:
    """Everything at the protocol's rate, in as many channels as it wants."""
    if protocol.sample_rate is None and not protocol.mono:
        return song
    convert = conversion(protocol.mono, protocol.sample_rate)
    rates = song.sample_rate, song.estimates_rate
    return replace(
        song,
        stems={name: convert(audio, rates[0]) for name, audio in song.stems.items()},
        estimates={name: convert(audio, rates[1]) for name, audio in song.estimates.items()},
        mixture=None if song.mixture is None else convert(song.mixture, rates[0]),
        sample_rate=protocol.sample_rate or rates[0],
        estimates_rate=protocol.sample_rate or rates[1],
    )


def _mixture(
    song: SongAudio, references: Mapping[str, np.ndarray], samples: int, warnings: list[str]
) -> np.ndarray:
    channels = next(iter(references.values())).shape[1]
    if song.mixture is None:
        warnings.append("no mixture: the sum of the references takes its place")
        return sum(references.values())
    return fit(
        as_channels(song.mixture, channels, "mixture", warnings), samples, "mixture", warnings
    )


def _fitted(
    references: dict[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    protocol: Protocol,
    warnings: list[str],
) -> dict[str, np.ndarray]:
    """Estimates in the form of their references; removes silent references, or raises."""
    channels = next(iter(references.values())).shape[1]
    silence_has_scores = protocol.silence_counts or protocol.version == "energies"
    fitted = {}
    for name in list(references):
        if not references[name].any() and protocol.silent != "score":
            if protocol.silent == "skip":
                warnings.append(f"reference {name} is silent: not scored")
                del references[name]
                continue
            warnings.append(f"reference {name} is silent: noise takes its place")
        fitted[name] = as_channels(estimates[name], channels, f"estimate of {name}", warnings)
        if not fitted[name].any() and not silence_has_scores:
            warnings.append(f"the estimate of {name} is silent: it has no score")
    if not references:
        raise ValueError("all references are silent: nothing to score")
    if not silence_has_scores and not any(fitted[name].any() for name in references):
        names = " and ".join(references)
        raise ValueError(f"the estimate of {names} is silent: nothing to score")
    return fitted
