"""Scores for people: tables of text and Markdown, box plots, one page of HTML."""

import base64
import html
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.files import atomic_path, write_text

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


def box_plot(summary: Mapping, target: str, path: str | os.PathLike) -> None:
    """Draw a target's scores as boxes over songs, one per metric, each song a dot (PNG)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = metrics(summary)
    values = {}
    for metric in names:
        scores = (song[target][metric] for song in summary["songs"].values() if target in song)
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
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def write_report(summary: Mapping, folder: str | os.PathLike, title: str = "Scores") -> list[Path]:
    """Write report.md, scores-TARGET.png and report.html (self-contained) to `folder`.

    Returns:
      The files.
    """
    folder = Path(folder)
    targets = list(summary["median"])
    pictures = {target: folder / f"scores-{plain(target)}.png" for target in targets}
    for target, path in pictures.items():
        box_plot(summary, target, path)
    settings = _settings_line(summary.get("settings"))
    failed = summary.get("failed") or {}
    text = [f"# {title}", settings, totals(summary, markdown=True)]
    page = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(settings)}</p>"]
    page.append(f"<pre>{html.escape(totals(summary))}</pre>")
    for target, path in pictures.items():
        text += [f"## {target}", f"![{target}]({path.name})", per_song(summary, target, True)]
        data = base64.b64encode(path.read_bytes()).decode()
        name, rows = html.escape(target), html.escape(per_song(summary, target))
        page.append(f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{data}">')
        page.append(f"<pre>{rows}</pre>")
    if failed:
        lines = [f"* {song}: {message}" for song, message in failed.items()]
        text += ["## Not scored", "\n".join(lines)]
        page.append(f"<h2>Not scored</h2><pre>{html.escape(chr(10).join(lines))}</pre>")
    write_text(folder / "report.md", "\n\n".join(filter(None, text)) + "\n")
    style = (
        "body{font:16px sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
        "pre,img{max-width:100%;overflow:auto}"
    )
    write_text(
        folder / "report.html",
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><body>{''.join(page)}</body></html>\n",
    )
    return [folder / "report.md", folder / "report.html", *pictures.values()]


def _settings_line(settings: Mapping | None) -> str:
    if not settings:
        return ""
    facts = []
    if settings["version"] != "energies":
        taps = settings["filter_length"]
        facts.append(f"BSS Eval {settings['version']}, filters of {taps} taps")
    if settings["window_s"] is None:
        facts.append("whole songs")
    else:
        facts.append(f"frames of {settings['window_s']:g} s every {settings['hop_s']:g} s")
    if settings.get("sample_rate"):
        facts.append(f"at {settings['sample_rate']} Hz")
    return f"protocol {settings['name']}: {', '.join(facts)}"


def plain(name: str) -> str:
    """A target's name as part of a file name."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)
