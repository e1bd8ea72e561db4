"""Figures without a window, and the heat map of two keys."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.files import atomic_path
from evaluation.reports.tables import number


def axes(width: float, height: float) -> tuple[Any, Callable[[Path], None]]:
    """Axes of a figure of so many inches, and the function that saves it as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(drawn)

    def save(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            drawn.savefig(temporary, format="png", metadata={"Software": None})

    return drawn.add_subplot(), save


def heat_map(
    path: Path,
    scores: np.ndarray,
    rows: tuple[str, Sequence[str]],
    columns: tuple[str, Sequence[str]],
    label: str,
) -> None:
    """Draw scores over two keys.

    Args:
      path: the PNG.
      scores: (rows, columns); NaN where there is none.
      rows, columns: (title, values as they are written).
      label: what is coloured, with its unit.
    """
    wide = max(map(len, columns[1]))
    drawn, save = axes(
        1.6 + 0.06 * max(map(len, rows[1])) + max(0.9, 0.1 * wide) * len(columns[1]),
        1.2 + 0.6 * len(rows[1]),
    )
    picture = drawn.imshow(scores, cmap="viridis", aspect="auto")
    drawn.figure.colorbar(picture, label=label)
    finite = scores[np.isfinite(scores)]
    middle = (finite.min() + finite.max()) / 2 if finite.size else 0.0
    for row, column in np.ndindex(scores.shape):
        score = scores[row, column]
        bright = score > middle or not np.isfinite(score)
        colour = "black" if bright else "white"
        drawn.text(column, row, number(score), ha="center", va="center", color=colour)
    drawn.set_xticks(range(len(columns[1])), columns[1])
    drawn.set_yticks(range(len(rows[1])), rows[1])
    drawn.set_xlabel(columns[0])
    drawn.set_ylabel(rows[0])
    save(path)
