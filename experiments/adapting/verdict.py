"""Better, worse or no change, from figures that are no scores; as a table and as a record."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from experiments.adapting.figures import DECISIVE, FEW, Figure

WIDTH = 80


def verdict(figures: Sequence[Figure], source: str) -> str:
    """ "better", "worse" or "no change" for a source.

    The SDR on mixtures of known parts decides, unless the other figures that changed for certain
    are against it; where it does not change, more of them on the worse side are "worse", and no
    number of them is "better".
    """
    own = [each for each in figures if each.source in (source, "")]
    first = next((each.verdict for each in own if each.name == DECISIVE), "no change")
    rest = [each.verdict for each in own if each.name not in (DECISIVE, "critics")]
    balance = rest.count("better") - rest.count("worse")
    if first == "worse" or (first == "no change" and balance < 0):
        return "worse"
    return "better" if first == "better" and balance >= 0 else "no change"


def table(figures: Sequence[Figure], agreement: dict[str, float]) -> str:
    """The figures, one line each, no wider than 80 columns."""
    lines = [f"{'dB':32} {'before':>7} {'after':>7} {'change':>7}  {'95 % interval':>16}"]
    for each in figures:
        name = f"{each.name}, {each.source}" if each.source else each.name
        interval = f"{each.low:+.2f} … {each.high:+.2f}"
        mark = {"better": "+", "worse": "−"}.get(each.verdict, " ")
        lines.append(
            f"{name[:32]:32} {each.before:7.2f} {each.after:7.2f} {each.change:+7.2f} "
            f" {interval:>16} {mark}"
        )
    for source, value in agreement.items():
        lines.append(f"{f'both agree on {source}'[:32]:32} {value:7.2f}")
    return "\n".join(line.rstrip()[:WIDTH] for line in lines)


def summary(found: str, songs: int, source: str) -> str:
    """The verdict in a line."""
    few = f"; {FEW} or more are needed to tell" if songs < FEW else ""
    return f"verdict: {found} ({source}, {songs} songs held back{few})"


def record(figures: Sequence[Figure], **facts: Any) -> dict[str, Any]:
    """The figures with every song's, and further facts, as plain JSON values."""
    return {
        "format": 1,
        **facts,
        "figures": [
            dataclasses.asdict(each) | {"change": each.change, "verdict": each.verdict}
            for each in figures
        ],
    }
