"""The facts that stand in the table of a comparison, in sections, and what they mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dssgan.config.schema import PHASES
from dssgan.monitoring.progress import duration
from evaluation.reports.tables import HEADS, number
from experiments.compare.comparison import Comparison, Interval
from experiments.compare.run import RecordedRun
from experiments.sweep.axes import written

DASH = "–"
KEYS = "configuration"  # the section of the configurations
TRAINING = tuple(phase for phase in PHASES if phase != "test")


@dataclass(frozen=True)
class RunFact:
    """One line of the table: what is compared, and what each run has there."""

    section: str
    label: str
    cells: tuple[str, ...]


def facts(comparison: Comparison) -> list[RunFact]:
    """The whole table."""
    return [*differences(comparison.runs), *score_facts(comparison), *costs(comparison)]


def differences(runs: Sequence[RecordedRun]) -> list[RunFact]:
    """Keys of the configurations that differ among the runs that they mean anything to."""
    found = []
    for key in dict.fromkeys(key for run in runs for key in run.flat):
        cells = [_written(run.flat.get(key)) if _heard(run, key) else None for run in runs]
        if len(set(cells) - {None}) > 1:
            cells = [DASH if cell is None else cell for cell in cells]
            found.append(RunFact(KEYS, key, tuple(cells)))
    return found


def _heard(run: RecordedRun, key: str) -> bool:
    """Whether a key means anything to a run: those of a phase that it does not have do not."""
    section = key.partition(".")[0]
    return section not in TRAINING or section in (run.flat.get("phases") or TRAINING)


def _written(value: Any) -> str:
    """A value as it is shown; what is not there and what is empty look alike."""
    if isinstance(value, list | tuple) and value:
        return ", ".join(_written(item) for item in value)
    return DASH if value is None or value == "" or value in ([], {}, ()) else written(value)


def score_facts(comparison: Comparison) -> list[RunFact]:
    """The figures of every source, and the gain over the baseline."""
    if not comparison.scores:
        return []
    found, runs = [], comparison.runs
    first, *_ = comparison.metrics
    for source in comparison.sources:
        section = f"{source}, dB"
        for metric in comparison.metrics:
            cells = tuple(number(comparison.value(run, source, metric)) for run in runs)
            found.append(RunFact(section, f"{source} {metric}", cells))
        if comparison.baseline is not None:
            cells = tuple(interval(comparison.gain(run, source)) for run in runs)
            found.append(RunFact(section, f"{source} {first} gain", cells))
    songs = [comparison.scores.get(run.name, {}).get("songs") for run in runs]
    counts = tuple(DASH if some is None else str(len(some)) for some in songs)
    found.append(RunFact("run", "songs", counts))
    failed = [comparison.scores.get(run.name, {}).get("failed") for run in runs]
    if any(failed):
        cells = tuple(str(len(some)) if some else DASH for some in failed)
        found.append(RunFact("run", "songs that failed", cells))
    return found


def interval(values: Interval) -> str:
    """A gain with its interval: +0.12 [−0.05, +0.29]."""
    mean, low, high = (f"{value:+.2f}".replace("-", "−") for value in values)
    if not math.isfinite(values[0]):
        return DASH
    return f"{mean} [{low}, {high}]" if math.isfinite(values[1]) else mean


def costs(comparison: Comparison) -> list[RunFact]:
    """What training took."""
    runs = comparison.runs
    rows = {
        "time": [DASH if run.seconds is None else duration(run.seconds) for run in runs],
        "updates": [DASH if run.updates is None else str(run.updates) for run in runs],
        "energy": [energy(run.seconds, comparison.watts) for run in runs],
    }
    if any(run.status != "COMPLETED" for run in runs):
        rows["state"] = [run.status.lower() for run in runs]
    return [RunFact("run", label, tuple(cells)) for label, cells in rows.items()]


def energy(seconds: float | None, watts: float | None) -> str:
    """Energy at a power that somebody has named; no run records any."""
    if seconds is None or watts is None:
        return DASH
    return f"{seconds * watts / 3.6e6:.3g} kWh"


def legend(comparison: Comparison) -> str:
    """What the figures are, in a few sentences."""
    texts = []
    if comparison.scores:
        settings = comparison.settings
        name = settings["name"]
        window = settings.get("window_s")
        frames = "whole songs" if window is None else f"frames of {window:g} s"
        version = settings.get("version", "")
        kind = f", BSS Eval {version}" if version.startswith("v") else ""
        how = HEADS.get(comparison.reported, comparison.reported)
        texts.append(f"Scores: protocol {name}{kind}, {frames}; {how}; in dB.")
        if comparison.baseline is not None:
            texts.append(
                f"Gain: over {comparison.baseline.name}, mean over the songs that both have, with "
                "the 95 % interval of a paired bootstrap over songs."
            )
    texts.append(
        "Time: by the clock, from each start to the last update; updates of the separator."
    )
    if comparison.watts is not None:
        texts.append(f"Energy: an estimate, time × {comparison.watts:g} W as given.")
    return " ".join(texts)
