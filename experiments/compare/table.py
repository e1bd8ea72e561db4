"""The table of a comparison for terminals and for Markdown.

Few runs stand side by side, one column each, as in a comparison of products. Many runs stand below
each other, the best first, in as many tables as the width asks for.
"""

import math
import textwrap
from collections.abc import Sequence

from evaluation.reports.tables import WIDTH, table
from experiments.compare.comparison import Comparison
from experiments.compare.facts import DASH, KEYS, RunFact, facts, legend
from experiments.sweep.points import labels
from experiments.sweep.table import shortened

BESIDE = 3  # runs that stand side by side
LABEL, CELL, NAME = 30, 26, 28  # letters that a terminal leaves for each at most


def text(comparison: Comparison) -> str:
    """The table at no more than 80 columns."""
    rows = facts(comparison)
    names = [run.name for run in comparison.runs]
    blocks = _beside(rows, names) if len(names) <= BESIDE else _below(comparison, rows, names)
    return "\n\n".join([*blocks, legend_lines(comparison)])


def markdown(comparison: Comparison) -> str:
    """The table as Markdown, nothing shortened."""
    rows = facts(comparison)
    names = [run.name for run in comparison.runs]
    if len(names) <= BESIDE:
        lines = [[fact.label, *fact.cells] for fact in rows]
        whole = table(["", *names], lines, markdown=True, width=None)
    else:
        lines = [[names[place], *(f.cells[place] for f in rows)] for place in order(comparison)]
        whole = table(["run", *(f.label for f in rows)], lines, markdown=True, width=None)
    return f"{whole}\n\n{legend(comparison)}\n"


def legend_lines(comparison: Comparison) -> str:
    """The legend in lines of 80 columns."""
    return textwrap.fill(legend(comparison), WIDTH)


def order(comparison: Comparison) -> list[int]:
    """Places of the runs, the best first; the baseline leads, runs without scores come last."""

    def key(place: int) -> tuple[bool, float]:
        run = comparison.runs[place]
        score = math.nan
        if comparison.scores:
            score = comparison.value(run, comparison.sources[0], comparison.metrics[0])
        return run is not comparison.baseline, math.inf if math.isnan(score) else -score

    return sorted(range(len(comparison.runs)), key=key)


def _beside(rows: Sequence[RunFact], names: Sequence[str]) -> list[str]:
    """One table: a line for each fact, a column for each run, sections apart."""
    lines: list[list[str]] = []
    room = min(CELL, (WIDTH - LABEL) // len(names) - 2)
    room = max(room, *(len(_bare(cell)) for fact in rows for cell in fact.cells), 0)
    left = min(LABEL, WIDTH - len(names) * (room + 2))
    for section in dict.fromkeys(fact.section for fact in rows):
        lines.append([section, *[""] * len(names)])
        for fact in (fact for fact in rows if fact.section == section):
            label = fact.label.removeprefix(section.partition(",")[0] + " ")
            label = label if len(label) <= left - 2 else f"…{label[3 - left :]}"
            lines.append([f"  {label}", *fact.cells])
    cells = [[line[0], *(shortened(cell, room) for cell in line[1:])] for line in lines]
    return [table(["", *(shortened(name, room) for name in names)], cells)]


def _bare(cell: str) -> str:
    """A cell that must not be shortened: an interval; others may be."""
    return cell if cell.endswith("]") else ""


def _below(comparison: Comparison, rows: Sequence[RunFact], names: Sequence[str]) -> list[str]:
    """Tables of one section each, a line for each run, as many columns as fit."""
    first = max(8, min(NAME, max(map(len, names))))
    places = order(comparison)
    blocks = []
    for section in dict.fromkeys(fact.section for fact in rows):
        inside = [fact for fact in rows if fact.section == section]
        columns = []
        for fact in inside:
            label = fact.label.removeprefix(section.partition(",")[0] + " ")
            cells = [shortened(fact.cells[place], CELL) for place in places]
            columns.append([shortened(label, LABEL), *cells])
        groups = _fitting(columns, WIDTH - first)
        if section == KEYS and len(groups) > 1:
            blocks.append(_listed(inside, places, names))
            continue
        for group in groups:
            heads, *lines = zip(*group)
            body = [[shortened(names[place], first), *line] for place, line in zip(places, lines)]
            blocks.append(table([section, *heads], body))
    return blocks


def _listed(rows: Sequence[RunFact], places: Sequence[int], names: Sequence[str]) -> str:
    """Keys and values of each run in words, where a table would be too wide."""
    ends = labels([fact.label for fact in rows])
    lines = [f"{KEYS}: what differs"]
    for place in places:
        texts = [
            f"{ends[fact.label]}={fact.cells[place]}" for fact in rows if fact.cells[place] != DASH
        ]
        # Blanks within a value must not break it.
        words = " ".join(text.replace(" ", "\u00a0") for text in texts)
        filled = textwrap.TextWrapper(WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        lines.append(filled.fill(f"{names[place]}: {words}"))
    return "\n".join(lines).replace("\u00a0", " ")


def _fitting(columns: Sequence[list[str]], room: int) -> list[list[list[str]]]:
    """Columns in groups that fit into so many letters."""
    groups: list[list[list[str]]] = []
    left = 0
    for column in columns:
        width = 2 + max(map(len, column))
        if not groups or width > left:
            groups.append([])
            left = room
        groups[-1].append(column)
        left -= width
    return groups
