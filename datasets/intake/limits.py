"""What a contributed song may be like, and what is said of one that is not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from common.suggest import nearest
from datasets.intake.checks import FLOOR, Lag, Measurements
from datasets.song_files.levels import Meter

NOTED_BLEED = -20.0  # dB; more is noted
SEEN = 0.02  # least strength of a correlation that is believed
CLEARER = 2.0  # how much stronger another lag must be than none


@dataclass(frozen=True)
class Limits:
    """What songs are held against; --limits KEY=VALUE changes one.

    Attributes:
      seconds: a song's least length.
      rate: its least sampling rate, Hz.
      length: how much of the longest file's length another may lack, as a share.
      lag: seconds that a stem may lie beside its place in the mixture.
      clipped: share of a file's samples that may lie in clipped runs.
      silence: peak in dBFS below which a file is nearly silent.
      sum: least level of the mixture over what the stems leave of it, dB.
      bleed: most of a stem that may follow another, dB of its energy.
      same: share of fingerprint bits that differ, below which two songs are the same one.
    """

    seconds: float = 10.0
    rate: float = 32000.0
    length: float = 0.2
    lag: float = 0.01
    clipped: float = 0.001
    silence: float = -80.0
    sum: float = 10.0
    bleed: float = -10.0
    same: float = 0.35


def changed(pairs: Iterable[str]) -> Limits:
    """Return the limits with some changed, given as KEY=VALUE.

    Raises:
      ValueError: an unknown key, or no finite number.
    """
    known = [field.name for field in fields(Limits)]
    values = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        if key not in known:
            raise ValueError(
                f"--limits {pair}: expected KEY=NUMBER of {', '.join(known)}{nearest(key, known)}"
            )
        try:
            values[key] = float(text)
        except ValueError:
            values[key] = float("nan")
        if not abs(values[key]) < 1e9:
            raise ValueError(f"--limits {pair}: {text!r} is not a number")
    return replace(Limits(), **values)


@dataclass(frozen=True)
class Shape:
    """A contributed file before it is decoded: rate in Hz, channels and length in samples."""

    path: str
    sample_rate: int
    channels: int
    samples: int


def wrong_shapes(files: Sequence[Shape], limits: Limits, checked: bool) -> list[str]:
    """Say what is wrong with rates, channels and lengths, one line each.

    Args:
      files: all that are used.
      checked: whether there is a mixture that tells whether stems of other lengths are in place.
    """
    reasons = []
    rates = {file.sample_rate: file.path for file in files}
    if len(rates) > 1:
        listed = ", ".join(f"{path} {rate} Hz" for rate, path in sorted(rates.items()))
        reasons.append(f"its files have several rates ({listed}); convert them to one")
    elif min(rates) < limits.rate:
        reasons.append(f"its rate is {min(rates)} Hz; expected {limits.rate:g} Hz or more")
    reasons += [
        f"{file.path}: has {file.channels} channels; expected 1 or 2"
        for file in files
        if file.channels > 2
    ]
    longest = max(files, key=lambda file: file.samples / file.sample_rate)
    seconds = longest.samples / longest.sample_rate
    if seconds < limits.seconds:
        reasons.append(f"it lasts {seconds:.1f} s; expected {limits.seconds:g} s or more")
    shortest = min(files, key=lambda file: file.samples / file.sample_rate)
    short = shortest.samples / shortest.sample_rate
    if short < (1 - limits.length) * seconds and not checked:
        reasons.append(
            f"{shortest.path}: lasts {short:.1f} s and {longest.path} {seconds:.1f} s; export all "
            "files from the song's beginning to its end, or give its mixture, which tells whether "
            "they are in place"
        )
    return reasons


def judged_files(
    meters: Mapping[str, Meter], limits: Limits, mixture: str = ""
) -> tuple[list[str], list[str]]:
    """Reasons and notes on silent and clipped files.

    Args:
      meters: of all files.
      limits: what they are held against.
      mixture: which of them is the mixture: it is not written, and masters are clipped on purpose.
    """
    reasons, notes = [], []
    for path, meter in meters.items():
        peak = meter.levels()["peak_dbfs"]
        if peak is None or peak < limits.silence:
            level = "silent" if peak is None else f"nearly silent (peak {peak:.1f} dBFS)"
            notes.append(f"{path}: is {level}")
        runs = meter.clipped()
        share = sum(runs) / max(meter.count, 1)
        if share > limits.clipped and path != mixture:
            reasons.append(
                f"{path}: {100 * share:.2f} % of its samples are clipped ({len(runs)} runs); "
                f"expected {100 * limits.clipped:g} % at most; export it at a lower level"
            )
        elif runs:
            notes.append(f"{path}: {meter.found()[0]}")
    peaks = [meter.levels()["peak_dbfs"] for path, meter in meters.items() if path != mixture]
    if all(peak is None for peak in peaks):
        reasons.append("all of its stems are silent")
    elif all(peak is None or peak < limits.silence for peak in peaks):
        reasons.append(f"none of its stems is louder than {limits.silence:g} dBFS")
    return reasons, notes


def judged_lags(lags: Mapping[str, Lag], rate: int, limits: Limits) -> list[str]:
    """Reasons of signals that lie elsewhere in the mixture."""
    reasons = []
    for name, lag in lags.items():
        clear = lag.strength > max(SEEN, CLEARER * lag.here)
        if clear and abs(lag.samples) > limits.lag * rate:
            side = "late" if lag.samples > 0 else "early"
            reasons.append(
                f"{name} comes {abs(lag.samples) / rate:.3f} s ({abs(lag.samples)} samples) {side} "
                "against the mixture; export all files from the song's beginning"
            )
    return reasons


def judged_sum(decibels: float, gain: float, limits: Limits) -> tuple[list[str], list[str]]:
    """Reasons and notes on how well the stems add up to the mixture."""
    if decibels < limits.sum:
        return [
            f"its stems do not add up to its mixture: {decibels:.1f} dB after the best gain; "
            f"expected {limits.sum:g} dB or more; is a stem missing, or of another take?"
        ], []
    if decibels > 60 and abs(gain) < 0.01:
        return [], []
    return [], [
        f"its mixture is not quite the sum of its stems ({decibels:.1f} dB after {gain:+.2f} dB); "
        "the sum is written"
    ]


def judged_bleed(
    shares: Mapping[tuple[str, str], float], limits: Limits
) -> tuple[list[str], list[str]]:
    """Reasons and notes on stems that follow others."""
    reasons, notes = [], []
    for (stem, other), level in shares.items():
        if level > limits.bleed:
            reasons.append(
                f"{level:.1f} dB of the energy of {stem} follows {other}; expected "
                f"{limits.bleed:g} dB at most; is one contained in the other?"
            )
        elif level > NOTED_BLEED:
            notes.append(f"{level:.1f} dB of the energy of {stem} follows {other}")
    return reasons, notes


def judged(
    heard: Measurements, meters: Mapping[str, Meter], limits: Limits, mixture: str = ""
) -> tuple[list[str], list[str], dict]:
    """Return reasons against a song, notes, and the figures that they rest on.

    Args:
      heard: what was measured of its stems and its mixture.
      meters: of each contributed file.
      limits: what it is held against.
      mixture: which file is the mixture, "" where there is none.
    """
    reasons, notes = judged_files(meters, limits, mixture)
    shares = heard.bleed.shares()
    measured: dict = {
        "levels": {path: meter.levels() for path, meter in meters.items()},
        "bleed": {
            f"{other} in {stem}": round(level, 1)
            for (stem, other), level in shares.items()
            if level > FLOOR
        },
    }
    found = [judged_bleed(shares, limits)]
    if heard.sum is not None:
        lags = heard.lags()
        decibels, gain = heard.sum.decibels(), heard.sum.gain()
        measured["lags"] = {name: lag.samples for name, lag in lags.items()}
        measured["sum"] = {"decibels": round(decibels, 2), "gain": round(gain, 2)}
        apart = judged_lags(lags, heard.rate, limits)
        found.append((apart, []))
        if not apart:  # what is not in place does not add up either
            found.append(judged_sum(decibels, gain, limits))
    for more_reasons, more_notes in found:
        reasons += more_reasons
        notes += more_notes
    return reasons, notes, measured
