"""Tables of scores as text and Markdown."""

import math
from collections.abc import Mapping, Sequence

WIDTH = 80
HEADS = {
    "median": "median over frames, median over songs",
    "mean": "mean over frames, mean over songs",
    "mean_of_medians": "median over frames, mean over songs",
    "deviation": "median over frames, standard deviation over songs",
    "weighted_mean": "mean over songs, weighted by their length",
    "mean_power": "mean power ratio over all frames of all songs",
}


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    markdown: bool = False,
    width: int | None = WIDTH,
) -> str:
    """Align columns: the first to the left, the others to the right.

    Cells of the first column are shortened where the table would be wider than `width`; None keeps
    them whole.
    """
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    if markdown:
        rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    if width is not None:
        frame = 3 * len(head) + 1 if markdown else 2 * (len(head) - 1)
        widths[0] = max(8, min(widths[0], width - frame - sum(widths[1:])))

    def line(row: Sequence[str]) -> str:
        first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]
        return f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()

    lines = [line(row) for row in rows]
    if markdown:
        marks = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines.insert(1, f"| {' | '.join(marks)} |")
    else:
        lines.insert(1, "-" * max(len(text) for text in lines))
    return "\n".join(lines)


def number(value: float, digits: int = 2) -> str:
    """A score in dB with a real minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def metrics(summary: Mapping) -> tuple[str, ...]:
    """The metrics of a summary, in their order."""
    return tuple(next(iter(summary["median"].values()), {}))


def totals(summary: Mapping, markdown: bool = False) -> str:
    """Tables of the targets' scores over all songs, as the protocol reports them."""
    blocks = []
    for how in summary["reported"]:
        rows = [[target, *map(number, row.values())] for target, row in summary[how].items()]
        title = f"{HEADS[how]} ({len(summary['songs'])})"
        blocks.append(f"{title}\n\n{table(('dB', *metrics(summary)), rows, markdown)}")
    for target, count in summary.get("unscored", {}).items():
        blocks.append(f"{target}: no score in {count} of {len(summary['songs'])} songs (silence)")
    return "\n\n".join(blocks)


def per_song(summary: Mapping, target: str, markdown: bool = False) -> str:
    """Table of one target's scores, song by song (medians over frames)."""
    rows = [
        [song, *map(number, scores[target].values())]
        for song, scores in summary["songs"].items()
        if target in scores
    ]
    how = summary["reported"][0]
    rows.append([how.replace("_", " "), *map(number, summary[how][target].values())])
    return table((f"{target}, dB", *metrics(summary)), rows, markdown)


def plain(name: str) -> str:
    """A target's name as part of a file name."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)


METRICS = ("SDR", "SIR", "SAR")


def shown(values: Mapping[str, float]) -> tuple[str, ...]:
    """The metrics of the table: SDR, SIR and SAR of those that the protocol has, or else all."""
    return tuple(metric for metric in METRICS if metric in values) or tuple(values)
