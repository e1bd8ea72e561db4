"""What a sweep shows: lines and a table while it runs, the sorted table and the heat map after."""

import math
import shutil
import statistics
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from common.files import write_text
from common.json_files import write_json
from dssgan.monitoring.progress import duration
from evaluation.reports.tables import WIDTH, number, table
from experiments.heat_map import heat_map
from experiments.sweep import run_state
from experiments.sweep.axes import SEED, Axis
from experiments.sweep.points import labels

BESIDE = 12  # lines of a terminal that the table leaves free


class Board:
    """Prints a line per event; on a terminal a table of what runs stays below the lines."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self._drawn = 0
        self._waiting = False

    def event(self, text: str) -> None:
        """Something that happened."""
        self.clear()
        print(textwrap.fill(text, WIDTH, subsequent_indent="    "), file=self.stream, flush=True)

    def ended(self, loop: Any, outcome: Any) -> None:
        """A point is done."""
        value = number(outcome.value) if outcome.value is not None else ""
        place = f"{len(loop.outcomes)}/{loop.search.total}"
        left = time_left(loop)
        line = f"{place:>7}  {outcome.state:8}  {value:>7}  "
        tail = f"  {left}" if left else ""
        self.event(line + shortened(outcome.point.name, WIDTH - len(line + tail)) + tail)
        if outcome.remark:
            self.event(f"    {outcome.remark}")

    def show(self, loop: Any) -> None:
        """Draw the table of what runs."""
        if not loop.running and loop.workers.slots() == 0 and not self._waiting:
            self._waiting = True
            self.event("waiting for workers")
        if not self.live or not loop.running:
            return
        self.clear()
        lines = progress(loop, max(1, shutil.get_terminal_size().lines - BESIDE)).split("\n")
        print("\n".join(lines), file=self.stream, flush=True)
        self._drawn = len(lines)

    def clear(self) -> None:
        """Take the table away."""
        if self._drawn:
            print(f"\x1b[{self._drawn}F\x1b[J", end="", file=self.stream, flush=True)
            self._drawn = 0


def progress(loop: Any, most: int = 20) -> str:
    """The table of the points in training, at most 80 columns wide."""
    rows = []
    for name, run in list(loop.running.items())[:most]:
        done, epochs = run_state.epoch(run.point.folder)
        curve = run_state.curve(run.point.folder, loop.pruning.metric)
        best = number(max(score for _, score in curve)) if curve else ""
        where = f"{done}/{epochs}" if epochs else ""
        rows.append([name, where, best, duration(loop.clock() - run.started)])
    hidden = len(loop.running) - len(rows)
    rows += [[f"… and {hidden} more", "", "", ""]] if hidden else []
    done = f"{len(loop.outcomes)} of {loop.search.total} done"
    parts = [done, f"{len(loop.running)} running", time_left(loop)]
    head = ["point", "epoch", "best", "time"]
    return "\n".join([table(head, rows), ", ".join(part for part in parts if part)])


def time_left(loop: Any) -> str:
    """How long the rest will take, in words; "" while nobody knows.

    Points that wait take as long as those that were finished; one that runs takes as long as its
    epochs so far say.
    """
    whole = [o.seconds for o in loop.outcomes if o.seconds and o.value is not None]
    ahead, guesses = [], []
    for run in loop.running.values():
        spent = loop.clock() - run.started
        rests = [statistics.fmean(whole) - spent] if whole else []
        done, epochs = run_state.epoch(run.point.folder)
        if run.epoch < done < epochs:
            rests.append(spent * (epochs - done) / (done - run.epoch))
        if rests and max(rests) > 0:
            ahead.append(max(rests))
            guesses += [spent + max(rests)] if run.epoch == 0 else []
    waiting = loop.search.total - len(loop.outcomes) - len(loop.running)
    slots = loop.workers.slots()
    typical = whole or guesses
    if not slots or not (ahead or waiting) or (waiting and not typical):
        return ""
    work = sum(ahead) + (waiting * statistics.fmean(typical) if waiting else 0.0)
    return f"{duration(max([work / min(slots, waiting + len(ahead)), *ahead]))} left"


def shortened(name: str, width: int) -> str:
    """A name with its middle left out where it is too long."""
    if len(name) <= width:
        return name
    half = (width - 1) // 2
    return f"{name[: width - 1 - half]}…{name[len(name) - half :]}"


def report(axes: Sequence[Axis], objective: str, outcomes: Sequence[Any], folder: Path) -> str:
    """The table sorted by the objective, the best first; seeds of a point share a line.

    Written to FOLDER/table.md and, with every point by itself, FOLDER/points.json; a grid of two
    keys to FOLDER/heat_map.png as well.
    """
    ends = labels([axis.key for axis in axes])
    groups: dict[str, list[Any]] = {}
    for outcome in outcomes:
        values = outcome.point.values
        label = " ".join(f"{ends[key]}={text}" for key, text in values.items() if key != SEED)
        groups.setdefault(label or "every seed", []).append(outcome)
    rows = []
    for label, members in groups.items():
        found = [o.value for o in members if o.value is not None]
        mean = statistics.fmean(found) if found else math.nan
        spread = statistics.stdev(found) if len(found) > 1 else math.nan
        states = [o.state for o in members if o.value is None]
        odd = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        rows.append((mean, [label, str(len(found)), number(mean), number(spread), odd]))
    rows.sort(key=lambda row: math.inf if math.isnan(row[0]) else -row[0])
    head = ["point", "runs", objective.removeprefix("validation/"), "±", ""]
    cells = [row for _, row in rows]
    several = any(len(members) > 1 for members in groups.values())
    kept = [0, 1, 2, *([3] if several else []), *([4] if any(row[4] for row in cells) else [])]
    head, *cells = ([row[place] for place in kept] for row in [head, *cells])
    title = f"{objective} in dB" + (", mean and deviation over runs" if several else "")
    write_text(folder / "table.md", f"{title}\n\n{table(head, cells, markdown=True, width=None)}\n")
    records = {
        o.point.name: {"keys": o.point.values, "state": o.state, "value": o.value} for o in outcomes
    }
    write_json(folder / "points.json", {"objective": objective, "points": records})
    others = [axis for axis in axes if axis.key != SEED]
    if len(others) == 2 and all(axis.values for axis in others):
        _draw(others, ends, objective, outcomes, folder / "heat_map.png")
    return f"{title}\n\n{table(head, cells)}"


def _draw(
    axes: Sequence[Axis],
    ends: dict[str, str],
    objective: str,
    outcomes: Sequence[Any],
    path: Path,
) -> None:
    """The heat map of two keys, mean over seeds."""
    found: dict[tuple[str, ...], list[float]] = {}
    for outcome in outcomes:
        place = tuple(outcome.point.values[axis.key] for axis in axes)
        found.setdefault(place, []).extend([] if outcome.value is None else [outcome.value])
    ticks = [_sorted({place[side] for place in found}) for side in (0, 1)]
    scores = np.array(
        [
            [np.mean(found.get((row, column)) or [math.nan]) for column in ticks[1]]
            for row in ticks[0]
        ]
    )
    if np.isfinite(scores).any():
        rows, columns = ((ends[axis.key], texts) for axis, texts in zip(axes, ticks))
        heat_map(path, scores, rows, columns, f"{objective.removeprefix('validation/')}, dB")


def _sorted(texts: set[str]) -> list[str]:
    """Numbers by size, other values by their letters."""

    def size(text: str) -> tuple[float, str]:
        try:
            return float(text), text
        except ValueError:
            return math.inf, text

    key: Callable[[str], tuple[float, str]] = size
    return sorted(texts, key=key)
