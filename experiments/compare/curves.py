"""Curves of a run: updates counted through its phases, and how long it trained."""

import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.cli import one_line
from common.json_files import LARGEST_INT
from experiments.tracking import records

Log = Callable[[str], None]


def read_curves(folder: Path, log: Log) -> dict[str, list[tuple[int, float, str]]]:
    """{name: [(step, value, time)]} as they were recorded; what is damaged is reported."""
    try:
        found = records.whole_curves(folder, log)
    except (ValueError, OSError) as error:
        log(f"{one_line(error)}; its curves are left out")
        return {}
    return {
        name: [
            (step, float(value), str(time))
            for step, value, time in zip(points["steps"], points["values"], points["timestamps"])
            if isinstance(step, int) and is_number(step) and is_number(value)
        ]
        for name, points in found.items()
    }


def is_number(value: Any) -> bool:
    """Whether a value of a record is a number that can be drawn; NaN and infinity are."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and (isinstance(value, float) or abs(value) < LARGEST_INT)


def counted(
    curves: Mapping[str, Sequence[tuple[int, float, str]]],
) -> tuple[dict[str, list[tuple[int, float]]], list[int], int | None]:
    """Count updates through phases, each of which begins again at zero.

    Returns:
      ({name: [(update, value)]}, updates at which phases end, all updates).
    """
    lengths: list[int] = []
    cut = {name: in_phases(points) for name, points in curves.items()}
    for name, phases in cut.items():
        if name.startswith("train/"):
            for place, phase in enumerate(phases):
                lengths += [0] * (place + 1 - len(lengths))
                lengths[place] = max(lengths[place], phase[-1][0])
    ends = list(itertools.accumulate(lengths))
    starts = [0, *ends]
    found = {
        name: [
            (starts[min(place, len(starts) - 1)] + step, value)
            for place, phase in enumerate(phases)
            for step, value, _ in phase
        ]
        for name, phases in cut.items()
    }
    return found, ends[:-1], ends[-1] if ends else None


def in_phases(points: Sequence[tuple[int, float, str]]) -> list[list[tuple[int, float, str]]]:
    """Cut a curve where its steps begin again: within a phase they only grow."""
    phases: list[list[tuple[int, float, str]]] = []
    for point in points:
        if not phases or point[0] <= phases[-1][-1][0]:
            phases.append([])
        phases[-1].append(point)
    return phases


def sessions(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """When each session of a run began, in order."""
    starts = [record["start_time"]]
    for path in folder.glob("run-*.json"):
        try:
            starts.append(records.read_object(path)["start_time"])
        except (ValueError, OSError, KeyError):
            continue
    return sorted(text for text in starts if isinstance(text, str))


def training_seconds(
    starts: Sequence[str], curves: Mapping[str, Sequence[tuple[int, float, str]]]
) -> float | None:
    """Seconds from the start of each session to its last point; what a test takes is not in it."""
    try:
        begun = [_moment(text) for text in starts]
        times = sorted(_moment(time) for points in curves.values() for *_, time in points)
    except ValueError:
        return None
    total = None
    for start, after in itertools.pairwise([*begun, datetime.datetime.max]):
        within = [time for time in times if start <= time < after]
        if within:
            total = (total or 0.0) + (within[-1] - start).total_seconds()
    return total


def _moment(text: str) -> datetime.datetime:
    """A time of a record, which is UTC whether it says so or not."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
