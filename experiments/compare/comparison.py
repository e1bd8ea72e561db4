"""What a comparison says: scores of one protocol, and gains over a baseline."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluation.reports.bootstrap import gain
from evaluation.reports.tables import shown
from experiments.compare.curves import Log
from experiments.compare.run import RecordedRun

FEWEST = 2  # songs from which there is an interval
Interval = tuple[float, float, float]


@dataclass
class Comparison:
    """Runs beside each other.

    Attributes:
      runs: all that can be shown, in order.
      baseline: the one that gains are taken over, if any.
      settings: the protocol of the scores; {} where no run has scores.
      scores: {run's name: summary} of the runs that were scored with it.
      watts: power that the machine is said to draw; None says nothing.
    """

    runs: list[RecordedRun]
    baseline: RecordedRun | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    watts: float | None = None

    @property
    def reported(self) -> str:
        """How the protocol puts scores together."""
        return next(iter(self.scores.values()))["reported"][0]

    @property
    def sources(self) -> list[str]:
        """Targets that any run was scored for, in their order."""
        tables = (summary[self.reported] for summary in self.scores.values())
        return list(dict.fromkeys(target for table in tables for target in table))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown, the first decides; none where no run has scores."""
        if not self.scores:
            return ()
        tables = (summary[self.reported] for summary in self.scores.values())
        return shown(next(values for table in tables for values in table.values()))

    def songs(self) -> list[str]:
        """Songs that any run was scored with, sorted."""
        return sorted({song for summary in self.scores.values() for song in summary["songs"]})

    def value(self, run: RecordedRun, source: str, metric: str) -> float:
        """A run's figure as the protocol reports it; NaN where there is none."""
        table = self.scores.get(run.name, {}).get(self.reported, {}) if self.scores else {}
        return table.get(source, {}).get(metric, math.nan)

    def per_song(self, run: RecordedRun, source: str, metric: str) -> dict[str, float]:
        """{song: median over frames} of a run; songs without a score are left out."""
        songs = self.scores.get(run.name, {}).get("songs", {})
        found = {name: song.get(source, {}).get(metric, math.nan) for name, song in songs.items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def gain(self, run: RecordedRun, source: str) -> Interval:
        """Mean gain over the baseline in the first metric, with its 95 % interval."""
        nothing = (math.nan, math.nan, math.nan)
        if self.baseline is None or run is self.baseline or not self.scores:
            return nothing
        mine, base = (self.per_song(r, source, self.metrics[0]) for r in (run, self.baseline))
        common = sorted(set(mine) & set(base))
        if not common:
            return nothing
        both = ({"": np.array([side[song] for song in common])} for side in (mine, base))
        mean, low, high = gain(*both)
        return (mean, low, high) if len(common) >= FEWEST else (mean, math.nan, math.nan)


def compare_scores(
    runs: Sequence[RecordedRun],
    baseline: RecordedRun | None,
    protocol: str | None,
    watts: float | None,
    log: Log,
) -> Comparison:
    """Choose the protocol, and report which runs have no scores of it."""
    found = Comparison(list(runs), baseline, watts=watts)
    chosen = protocol or _usual(runs, baseline)
    first = baseline if baseline is not None and chosen in baseline.scores else None
    first = first or next((run for run in runs if chosen in run.scores), None)
    if first is not None:
        found.settings = first.scores[chosen]["settings"]
    for run in runs:
        summary = run.scores.get(chosen)
        if summary is not None and summary["settings"] == found.settings:
            found.scores[run.name] = summary
        elif summary is not None:
            log(f"{run.folder}: scored with other settings of {chosen}; its scores are left out")
        elif run.scores:
            other = next(iter(run.scores))
            log(
                f"{run.folder}: scored with {other}, not {chosen}; its scores are left out "
                f"(--protocol {other} shows them)"
            )
        else:
            log(f"{run.folder}: {run.status}, no scores; compared without")
    sets = {frozenset(summary["songs"]) for summary in found.scores.values()}
    if len(sets) > 1:
        log("the runs were scored with different songs: only gains compare like with like")
    if baseline is not None and found.scores:
        _check_baseline(found, baseline, chosen, log)
    return found


def _check_baseline(found: Comparison, baseline: RecordedRun, chosen: str | None, log: Log) -> None:
    """Report where there can be no gains."""
    if baseline.name not in found.scores:
        log(f"{baseline.folder}: the baseline has no scores of {chosen}; no gains")
        return
    base = set(found.scores[baseline.name]["songs"])
    for run in found.runs:
        if run.name in found.scores and not base & set(found.scores[run.name]["songs"]):
            log(f"{run.folder}: no song in common with the baseline; no gain")


def _usual(runs: Sequence[RecordedRun], baseline: RecordedRun | None) -> str | None:
    """The baseline's protocol, or else the one that most runs have."""
    if baseline is not None and baseline.scores:
        return next(iter(baseline.scores))
    counts = Counter(name for run in runs for name in run.scores)
    return counts.most_common(1)[0][0] if counts else None


def with_names(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """The runs under different names, with colours."""
    names = [run.name for run in runs]
    found = []
    for place, run in enumerate(runs):
        parts = run.folder.resolve().parts
        length = 1
        while length < len(parts) and any(
            other is not run and other.folder.resolve().parts[-length:] == parts[-length:]
            for other in runs
        ):
            length += 1
        name = run.name if names.count(run.name) == 1 else "/".join(parts[-length:])
        found.append(dataclasses.replace(run, name=name, colour=place))
    return found
