"""Box plots of frames."""

import io
import math
import os
from collections.abc import Mapping

from common.files import write_bytes
from evaluation.reports.tables import metrics


def box_plot(summary: Mapping, target: str, path: str | os.PathLike) -> None:
    """Write `picture` to a file."""
    write_bytes(path, picture(summary, target))


def picture(summary: Mapping, target: str) -> bytes:
    """A target's scores as boxes over songs, one per metric, each song a dot (PNG)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = metrics(summary)
    values = {}
    for metric in names:
        scores = (song[target].get(metric) for song in summary["songs"].values() if target in song)
        values[metric] = [value for value in scores if value is not None and math.isfinite(value)]
    figure = Figure(figsize=(5.6, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(1, len(names) + 1)
    filled = [place for place, metric in zip(places, names) if values[metric]]
    axes.boxplot(
        [values[names[place - 1]] for place in filled],
        positions=filled,
        widths=0.5,
        showfliers=False,
        medianprops={"color": "black"},
    )
    for place in filled:
        dots = values[names[place - 1]]
        # A fixed fan, so that the same scores give the same picture.
        spread = [place + 0.12 * ((index % 5) - 2) / 2 for index in range(len(dots))]
        axes.plot(spread, dots, ".", color="tab:blue", alpha=0.6, markersize=5)
    axes.set_xticks(list(places), names)
    axes.set_xlim(0.5, len(names) + 0.5)
    axes.set_ylabel("dB (median over frames)")
    axes.set_title(f"{target}, {len(summary['songs'])} songs", parse_math=False)
    axes.grid(axis="y", alpha=0.3)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
