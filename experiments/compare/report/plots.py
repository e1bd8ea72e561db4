"""Pictures of a comparison as SVG: curves of training, and box plots in the manner of SiSEC.

Black is written as `currentColor`, so that the pictures follow the page from light to dark; what
belongs to a run carries the class `run-NUMBER`, so that the page can dim the others.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.compare.comparison import Comparison
from experiments.compare.run import RecordedRun
from experiments.compare.sisec import MIXTURE, ORACLES, Published

#: Seen on white and on black; the first eight differ for the colour-blind as well.
COLOURS = (
    "#2f81f7",
    "#e8710a",
    "#1a9e6b",
    "#d1459f",
    "#8a63d2",
    "#b8960b",
    "#17a2b8",
    "#d64545",
    "#7aa61c",
    "#9c6b4a",
)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
INK = "#010203"  # stands for currentColor
GREY = "#8b949e"
PANELS = 6  # of curves at most
LOSSES = (0, 92)  # per cent of a loss's points that its panel shows: beginnings are steep
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
} | dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
)


def colour(run: RecordedRun) -> str:
    """The colour of a run."""
    return COLOURS[run.colour % len(COLOURS)]


def swatch(run: RecordedRun) -> str:
    """A run's colour as a background for CSS; striped where its line is broken."""
    if run.colour < len(COLOURS):
        return colour(run)
    return f"repeating-linear-gradient(90deg, {colour(run)} 0 3px, transparent 3px 5px)"


def dash(run: RecordedRun) -> Any:
    """The line of a run: with more runs than colours, lines differ too."""
    return DASHES[run.colour // len(COLOURS) % len(DASHES)]


def curves(runs: Sequence[RecordedRun]) -> str | None:
    """Losses and validation over the updates; None where no run has any."""
    names = panels(runs)
    if not names:
        return None
    wide = 2 if len(names) > 1 else 1
    tall = math.ceil(len(names) / wide)

    last = max(x for run in runs for name in names for x, _ in run.curves.get(name, [(0, 0.0)]))

    def draw(figure: Any) -> None:
        for place, name in enumerate(names):
            axes = figure.add_subplot(tall, wide, place + 1)
            inside: list[float] = []
            for run in runs:
                points = [(x, y) for x, y in run.curves.get(name, ()) if math.isfinite(y)]
                if not points:
                    continue
                x, y = zip(*points)
                inside += y
                lone = {"marker": "o", "markersize": 3} if len(points) < 30 else {}
                axes.plot(x, y, color=colour(run), ls=dash(run), lw=1.6, gid=_gid(run), **lone)
                for border in run.borders:
                    style = {"color": colour(run), "lw": 0.8, "alpha": 0.6, "gid": _gid(run)}
                    axes.axvline(border, ls=(0, (1, 3)), **style)
            shown = LOSSES if name.startswith("train/") and len(inside) > 20 else (0, 100)
            low, high = np.percentile(inside, shown)
            room = 0.08 * (high - low) or 0.5
            axes.set_ylim(low - room, high + room)
            axes.set_xlim(-0.02 * last, 1.02 * last)
            axes.set_title(title(name), fontsize=10, loc="left", parse_math=False)
            axes.grid(color=INK, alpha=0.12, lw=0.6)
            if place >= len(names) - wide:
                axes.set_xlabel("updates")

    return svg(draw, 9.0 if wide == 2 else 6.0, 2.6 * tall, "curves")


def panels(runs: Sequence[RecordedRun]) -> list[str]:
    """Curves that are worth a panel: the loss, its parts of phases and critics, validation."""
    names = dict.fromkeys(
        name
        for run in runs
        for name, points in run.curves.items()
        if any(math.isfinite(value) for _, value in points)
    )
    validation = [name for name in names if name.startswith("validation/")]
    per_source = [name for name in validation if name.count("/") == 2]
    mean = [name for name in validation if name.count("/") == 1]
    mean = [name for name in mean if not _told_again(runs, name, per_source)]
    losses = [name for name in names if re.fullmatch(r"train/loss(/[a-z]+)?", name)]
    critics = [name for name in names if re.fullmatch(r"train/critics?/[^/]+", name)]
    parts = [name for name in losses if name != "train/loss"]
    first = [name for name in losses if name == "train/loss"]
    return [*first, *mean, *per_source, *parts, *critics][:PANELS]


def _told_again(runs: Sequence[RecordedRun], name: str, others: Sequence[str]) -> bool:
    """Whether a mean over sources is one of the sources, in every run."""

    def ends(name: str) -> list[float]:
        return [run.curves[name][-1][1] for run in runs if run.curves.get(name)]

    return any(ends(name) == ends(other) for other in others)


def title(name: str) -> str:
    """A curve's name for people."""
    first, _, rest = name.partition("/")
    rest = rest.replace("si_sdr", "SI-SDR, dB").replace("/", ", ").replace("_", " ")
    return f"{'training' if first == 'train' else first}: {rest}"


def boxes(comparison: Comparison, source: str, published: Published | None) -> str | None:
    """Box plots of a source over songs, the best median on top, beside the published methods.

    None where no song of any run has a score.
    """
    metrics = comparison.metrics
    rows: list[tuple[str, RecordedRun | None, Mapping[str, Mapping[str, float]]]] = [
        (run.name, run, {metric: comparison.per_song(run, source, metric) for metric in metrics})
        for run in comparison.runs
    ]
    if not any(scores.get(metrics[0]) for _, _, scores in rows):
        return None
    if published is not None:
        rows += [(name, None, table) for name, table in published.scores.get(source, {}).items()]
    rows = [row for row in rows if row[2].get(metrics[0])]
    rows.sort(key=lambda row: np.median(list(row[2][metrics[0]].values())))
    tall = len(rows)

    def draw(figure: Any) -> None:
        grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for metric, axes in zip(metrics, grid):
            inside: list[float] = []
            for place, (name, run, table) in enumerate(rows):
                values = np.array(list(table.get(metric, {}).values()))
                if values.size:
                    inside += _box(axes, place, values, name, run)
            if inside:
                low, high = np.percentile(inside, (2, 98))
                room = 0.06 * (high - low) or 1.0
                axes.set_xlim(low - room, high + room)
            axes.set_title(f"{metric}, dB", fontsize=10)
            axes.grid(axis="x", color=INK, alpha=0.12, lw=0.6)
            axes.set_ylim(-0.7, tall - 0.3)
        grid[0].set_yticks(range(tall), [name for name, *_ in rows], parse_math=False)
        for label, (_, run, _) in zip(grid[0].get_yticklabels(), rows):
            if run is not None:
                label.set(color=colour(run), fontweight="bold", gid=_gid(run))

    return svg(draw, 9.0 if len(metrics) > 1 else 6.0, 0.9 + 0.24 * max(tall, 3), f"box-{source}")


def _box(
    axes: Any, place: int, values: np.ndarray, name: str, run: RecordedRun | None
) -> list[float]:
    """One box; returns the ends of its whiskers."""
    low, first, middle, third, high = np.percentile(values, (5, 25, 50, 75, 95))
    paint = GREY if run is None else colour(run)
    known = name in ORACLES or name == MIXTURE
    gid = None if run is None else _gid(run)
    axes.plot([low, high], [place, place], color=paint, lw=1.0, gid=gid, solid_capstyle="butt")
    axes.barh(
        place,
        third - first,
        left=first,
        height=0.62,
        facecolor=paint if not (known and run is None) else "none",
        edgecolor=paint,
        alpha=0.9 if run is not None else 0.55,
        lw=0.9,
        gid=gid,
    )
    axes.plot([middle, middle], [place - 0.31, place + 0.31], color=INK, lw=1.5, gid=gid)
    if run is not None:
        spread = place + 0.18 * ((np.arange(values.size) % 5) - 2) / 2
        axes.plot(values, spread, ".", color=INK, alpha=0.45, ms=2.5, gid=gid)
    return [low, high]


def _gid(run: RecordedRun) -> str:
    return f"run-{run.colour}"


def svg(draw: Any, width: float, height: float, name: str) -> str:
    """A figure of so many inches as an SVG element for a page; `draw` is given the figure."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    # Several parts of a run may not share an id, but they may share a class; ids of drawing
    # commands differ by the figure's name.
    text = re.sub(r'<g id="(run-\d+)[^"]*"', r'<g class="run \1"', text)
    text = re.sub(r'(<g) id="[^"]*"', r"\1", text)
    text = re.sub(r"\n\s*", "\n", text)
    # Two decimals will do, in commands but not in words.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1
    )
