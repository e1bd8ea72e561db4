"""The report of a comparison: one HTML file with all that it shows and plays inside."""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.compare import table
from experiments.compare.comparison import Comparison
from experiments.compare.facts import KEYS, RunFact, facts, legend
from experiments.compare.report.excerpts import Excerpt
from experiments.compare.report.players import listening
from experiments.compare.report.plots import swatch

FEW = 12  # differences of configurations that are shown at once

HERE = Path(__file__).parent
#: Nothing is fetched: what is not in the page is not there.
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


@dataclass
class Parts:
    """What a report is made of, beside the comparison itself.

    Attributes:
      title: of the page.
      notes: what was left out and why, one line each.
      curves: SVG; None where no run has curves.
      boxes: {source: SVG}.
      remarks: what to know about the box plots.
      heat_maps: {source: data URI of a picture}.
      excerpts: what is played.
      silent: what cannot be played and why, one line each.
    """

    title: str
    notes: Sequence[str] = ()
    curves: str | None = None
    boxes: dict[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    heat_maps: dict[str, str] = field(default_factory=dict)
    excerpts: Sequence[Excerpt] = ()
    silent: Sequence[str] = ()


def page(comparison: Comparison, parts: Parts) -> str:
    """The whole page."""
    players = listening(parts.excerpts, *comparison.metrics[:1])
    sections = {
        "table": ("Runs", _table(comparison) + f'<p class="faint">{_text(legend(comparison))}</p>'),
        "curves": ("Training", _figure(parts.curves, "Training curves") if parts.curves else ""),
        "boxes": ("Scores", _boxes(parts)),
        "heat": ("alpha × beta", _heat_maps(parts)),
        "songs": ("Songs", _songs(comparison) if comparison.scores else ""),
        "listening": ("Listening", _notes(parts.silent) + players),
    }
    there = {name: (title, body) for name, (title, body) in sections.items() if body}
    links = "".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in there.items())
    body = "".join(
        f'<section id="{name}"><h2>{title}</h2>{content}</section>'
        for name, (title, content) in there.items()
    )
    data = json.dumps(_data(comparison), ensure_ascii=False).replace("<", "\\u003c")
    style, script = ((HERE / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    title = _text(parts.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head><body>'
        f"<header><h1>{title}</h1></header>"
        f'<div class="bar"><nav aria-label="Sections">{links}</nav>'
        f"{_chips(comparison)}</div>"
        + _notes(parts.notes)
        + f'<main>{body}</main><script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _text(text: object) -> str:
    return html.escape(str(text))


def _swatch(comparison: Comparison, place: int) -> str:
    return f'<span class="swatch" style="background:{swatch(comparison.runs[place])}"></span>'


def _chips(comparison: Comparison) -> str:
    """Switches of the runs."""
    buttons = "".join(
        f'<button type="button" aria-pressed="true" data-run="{run.colour}" '
        f'title="show or dim this run">{_swatch(comparison, place)}{_text(run.name)}</button>'
        for place, run in enumerate(comparison.runs)
    )
    return f'<div class="chips" role="group" aria-label="Runs shown">{buttons}</div>'


def _table(comparison: Comparison) -> str:
    """Scores and costs, then how the configurations differ: behind a fold where that is much."""
    rows = facts(comparison)
    keys = [fact for fact in rows if fact.section == KEYS]
    scores = _part(comparison, [fact for fact in rows if fact not in keys], "Scores and costs")
    if not keys:
        alone = len(comparison.runs) == 1
        return scores + ("" if alone else "<p>The configurations do not differ.</p>")
    what = "key differs" if len(keys) == 1 else "keys differ"
    fold = "" if len(keys) > FEW else " open"
    return (
        f"{scores}<details{fold}><summary>{len(keys)} {what} between the configurations</summary>"
        f"{_part(comparison, keys, 'Configurations')}</details>"
    )


def _part(comparison: Comparison, rows: Sequence[RunFact], label: str) -> str:
    """A table: few runs side by side, many below each other."""
    runs = comparison.runs
    names = [_swatch(comparison, place) + _text(run.name) for place, run in enumerate(runs)]
    lines = []
    if len(runs) <= table.BESIDE:
        head = "".join(f'<th scope="col">{name}</th>' for name in ["", *names])
        for section in dict.fromkeys(fact.section for fact in rows):
            if section != KEYS:
                lines.append(
                    f'<tr class="section"><th scope="rowgroup">{_text(section)}</th>'
                    f'<td colspan="{len(runs)}"></td></tr>'
                )
            for fact in (fact for fact in rows if fact.section == section):
                label = fact.label.removeprefix(section.partition(",")[0] + " ")
                lines.append(_row(_text(label), fact.cells))
    else:
        head = "".join(
            f'<th scope="col">{_text(text)}</th>' for text in ["run", *(f.label for f in rows)]
        )
        for place in table.order(comparison):
            lines.append(_row(names[place], [fact.cells[place] for fact in rows]))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _row(label: str, cells: Sequence[str]) -> str:
    """A line of the table; long values may break, a gain before its interval."""
    cells = "".join(
        f'<td class="text">{_text(cell)}</td>'
        if len(cell) > 16 and not cell.endswith("]")
        else f"<td>{_text(cell).replace(', ', ',&nbsp;')}</td>"
        for cell in cells
    )
    return f'<tr><th scope="row">{label}</th>{cells}</tr>'


def _notes(lines: Sequence[str]) -> str:
    """What was left out."""
    cells = "".join(f"<p>{_text(line)}</p>" for line in lines)
    return f'<div class="note" role="note">{cells}</div>' if cells else ""


def _figure(svg: str, label: str) -> str:
    svg = svg.replace('role="img"', f'role="img" aria-label="{_text(label)}"', 1)
    return f'<div class="figure" tabindex="0" role="region" aria-label="{_text(label)}">{svg}</div>'


def _boxes(parts: Parts) -> str:
    if not parts.boxes:
        return ""
    lines = "".join(f'<p class="faint">{_text(line)}</p>' for line in parts.remarks)
    return lines + "".join(
        f"<h3>{_text(source)}</h3>{_figure(svg, f'{source}: box plots over songs')}"
        for source, svg in parts.boxes.items()
    )


def _heat_maps(parts: Parts) -> str:
    pictures = "".join(
        f'<img alt="{_text(source)} over alpha and beta" src="{picture}">'
        for source, picture in parts.heat_maps.items()
    )
    return f'<div class="figure pictures">{pictures}</div>' if pictures else ""


def _songs(comparison: Comparison) -> str:
    """The table that the page's script fills."""

    def choice(name: str, label: str, values: Sequence[tuple[str, str]]) -> str:
        options = "".join(
            f'<option value="{_text(v)}">{_text(text)}</option>' for v, text in values
        )
        return f'<label>{label}<select id="{name}">{options}</select></label>'

    def words(name: str, label: str) -> str:
        return f'<label>{label}<input type="search" id="{name}" autocomplete="off"></label>'

    shows = [("score", "score")] + ([("gain", "gain")] if comparison.baseline else [])
    filters = [
        choice("source", "source", [(name, name) for name in comparison.sources]),
        choice("metric", "metric", [(name, name) for name in comparison.metrics]),
        choice("show", "show", shows),
        words("song-filter", "songs with"),
        words("run-filter", "runs with"),
    ]
    return (
        f'<div class="filters">{"".join(filters)}</div>'
        '<p class="faint" aria-live="polite"><span id="count"></span>; '
        "dB, median over frames; a click on a head sorts</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Songs">'
        "<table><thead></thead><tbody></tbody><tfoot></tfoot></table></div>"
    )


def _data(comparison: Comparison) -> dict[str, Any]:
    """Scores for the page's script; null where there is none."""
    songs = comparison.songs()
    runs = [run for run in comparison.runs if run.name in comparison.scores]
    cells = [{"name": r.name, "colour": r.colour, "paint": swatch(r)} for r in runs]
    if not songs:
        return {"songs": [], "runs": cells}
    scores: dict[str, Any] = {}
    for source in comparison.sources:
        for metric in comparison.metrics:
            found = [comparison.per_song(run, source, metric) for run in runs]
            columns = [[_rounded(each.get(song)) for song in songs] for each in found]
            scores.setdefault(source, {})[metric] = columns
    base = runs.index(comparison.baseline) if comparison.baseline in runs else None
    return {"songs": songs, "runs": cells, "baseline": base, "scores": scores}


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
