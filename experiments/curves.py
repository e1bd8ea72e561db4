"""Curves of runs as one picture: python -m experiments.curves OUT.png RUN… [--curves NAME…]

  python -m experiments.curves docs/curves.png runs/drums_small --curves train/loss 'validation/*'

Each name is one panel; a name with * takes every curve that fits into one panel. Points come from
the TensorBoard files of a run, its phases one after the other.
"""

import argparse
import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dssgan  # noqa: F401  keeps TensorFlow quiet
from common import cli, startup
from common.cli import UsageError
from common.files import atomic_path

CURVES = ("train/loss", "validation/si_sdr*")
WIDTH, HEIGHT = 3.2, 2.4  # inches of a panel
SHOWN = (1.0, 99.0)  # percentiles between which a panel ends: first losses hide all others

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def main(argv: list[str]) -> int:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.curves",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("out", type=cli.path, metavar="OUT.png")
    parser.add_argument("runs", nargs="+", type=cli.path, metavar="RUN")
    parser.add_argument("--curves", nargs="+", default=CURVES, metavar="NAME")
    options = parser.parse_args(argv)
    if options.out.suffix != ".png":
        raise UsageError(f"{options.out}: expected a name that ends in .png")
    draw(options.out, {run.name: read(run) for run in options.runs}, options.curves)
    print(options.out)
    return 0


def read(run: Path) -> Curves:
    """The curves of a run: name → (updates, values), updates counted through its phases.

    Raises:
      ValueError: the run has none. OSError: it cannot be read.
    """
    with startup.stderr_hidden():  # TensorBoard would import it later, and say so
        import tensorflow  # noqa: F401
        from tensorboard.backend.event_processing.event_accumulator import (
            TENSORS,
            EventAccumulator,
        )
        from tensorboard.util import tensor_util
    points: dict[str, dict[int, float]] = {}
    start = 0
    for folder in phases(run):
        events, last = EventAccumulator(str(folder), {TENSORS: 0}), 0
        with startup.stderr_hidden():
            events.Reload()
        for name in events.Tags()["tensors"]:
            if not name.startswith(("train/", "validation/")):
                continue
            for event in events.Tensors(name):  # of a step that was done twice, the later one
                value = float(tensor_util.make_ndarray(event.tensor_proto))
                points.setdefault(name, {})[start + event.step] = value
                last = max(last, event.step)
        start += last
    if not points:
        raise ValueError(f"{run}: no curves (no tensorboard/PHASE with points in it)")
    return {
        name: (np.array(sorted(found)), np.array([found[step] for step in sorted(found)]))
        for name, found in points.items()
    }


def phases(run: Path) -> list[Path]:
    """The TensorBoard folders of a run in the order in which they were begun."""
    folders = [path for path in run.glob("tensorboard/*") if any(path.glob("events.*"))]
    return sorted(folders, key=lambda path: min(os.listdir(path)))


def draw(out: Path, runs: dict[str, Curves], patterns: Sequence[str]) -> None:
    """Write the picture.

    Raises:
      ValueError: a name that no run has a curve for.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH * len(patterns), HEIGHT), dpi=85, layout="constrained")
    FigureCanvasAgg(figure)
    for place, pattern in enumerate(patterns):
        lines = list(matching(runs, pattern))
        if not lines:
            known = ", ".join(sorted({name for curves in runs.values() for name in curves})[:12])
            raise ValueError(f"--curves {pattern}: no such curve ({known} …)")
        panel = figure.add_subplot(1, len(patterns), place + 1)
        panel_of(panel, pattern, lines, alone=len(runs) == 1)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def matching(runs: dict[str, Curves], pattern: str) -> Iterator[tuple[str, str, Any]]:
    """(run, name, points) of every curve that fits."""
    for run, curves in runs.items():
        for name in sorted(curves):
            if fnmatch.fnmatchcase(name, pattern):
                yield run, name, curves[name]


def panel_of(panel: Any, pattern: str, lines: Sequence[tuple], alone: bool) -> None:
    """One panel with its lines and, where there are several, what they are."""
    fixed, star, rest = pattern.partition("*")
    for run, name, (steps, values) in lines:
        label = name.removeprefix(fixed).removesuffix(rest).strip("/") if star else ""
        label = label or name.rpartition("/")[2]
        label = label if alone else run if name == pattern else f"{run} {label}"
        panel.plot(steps, values, linewidth=1.1, label=label, marker="." * (len(steps) < 15))
    values = np.concatenate([values for *_, (_, values) in lines])
    low, high = np.percentile(values[np.isfinite(values)], SHOWN)
    room = 0.05 * (high - low) or 0.5
    panel.set_ylim(low - room, high + room)
    panel.set_title(pattern.removesuffix("*").rstrip("/"), fontsize=9)
    panel.set_xlabel("updates", fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)
    if len(lines) > 1:
        panel.legend(fontsize=7, frameon=False)


if __name__ == "__main__":
    cli.run(main)
