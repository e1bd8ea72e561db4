"""What the folder of a run says of it: whether it is finished, its scores, its last line."""

import contextlib
import math
import re
from pathlib import Path
from typing import Any

from common.json_files import LARGEST_INT, read_json, write_json
from evaluation.reports.reading import read_summary
from experiments.sweep.guard import LOG, STOP
from experiments.tracking.records import whole_curves

TAIL = 65536  # bytes of a log that are looked at
EPOCH = re.compile(r"^epoch (\d+)/(\d+) ", re.MULTILINE)
PRUNED, PAUSED = "pruned", "paused"

Curve = list[tuple[int, float]]


def finished(folder: Path) -> bool:
    """Whether a run is done: its record says so, or it has test scores and no record."""
    record = _read(folder / "run.json")
    if record:  # a run that was killed with its scores written ends once more, and says so
        return record.get("status") == "COMPLETED" and isinstance(record.get("result"), dict)
    return (folder / "scores" / "summary.json").exists()


def scores(folder: Path) -> dict[str, float]:
    """The figures of a finished run: {"SDR/drums": dB, …, "validation/si_sdr": dB}.

    What is missing or damaged is left out.
    """
    found = {}
    with contextlib.suppress(OSError, ValueError):
        summary = read_summary(folder / "scores" / "summary.json", "reported")
        for source, row in summary[summary["reported"][0]].items():
            found |= {f"{metric}/{source}": value for metric, value in row.items()}
    for name, (_, values) in _validations(folder).items():
        found[name] = max(filter(_is_number, values), default=math.nan)
    result = _read(folder / "run.json").get("result")
    found |= result if isinstance(result, dict) else {}
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def curve(folder: Path, metric: str) -> Curve:
    """Validation scores of a run so far, as (updates since its beginning, score).

    Updates are counted on from phase to phase. A validation that was done again after a resume
    counts once.
    """
    steps, values = _validations(folder).get(metric, ((), ()))
    found: Curve = []
    before = begun = 0  # updates before this phase, and in `found` when it began
    for step, value in zip(steps, values):
        if not _is_number(value) or not _is_number(step):
            continue
        known = dict(found[begun:])
        if found and before + step <= found[-1][0]:
            if known.get(before + step) == value:
                continue
            before, begun = found[-1][0], len(found)
        found.append((before + step, float(value)))
    return found


def last_line(folder: Path) -> str:
    """The last line of a run's log; "" where there is none."""
    return _tail(folder).strip().rpartition("\n")[2].strip()


def epoch(folder: Path) -> tuple[int, int]:
    """(epochs done, epochs in all) of the phase that a run is in; (0, 0) when it does not say."""
    lines = EPOCH.findall(_tail(folder))
    return (int(lines[-1][0]), int(lines[-1][1])) if lines else (0, 0)


def stop(folder: Path, reason: str, why: str = "") -> None:
    """Ask the run to save and end; `reason` is PRUNED or PAUSED."""
    write_json(folder / STOP, {"reason": reason, "why": why})


def stopped(folder: Path) -> dict[str, str]:
    """{"reason", "why"} of a run that was asked to end; empty for others."""
    return _read(folder / STOP, {"reason": str, "why?": str})


def let_run(folder: Path) -> None:
    """Take the request to end back."""
    (folder / STOP).unlink(missing_ok=True)


def _validations(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """{metric: (updates, scores)} of all validations; empty where the record is damaged."""
    with contextlib.suppress(OSError, ValueError):
        return {
            name: (points["steps"], points["values"])
            for name, points in whole_curves(folder).items()
            if name.startswith("validation/")
        }
    return {}


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and (abs(value) < LARGEST_INT if isinstance(value, int) else math.isfinite(value))


def _read(path: Path, expected: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON object; empty where there is none, or another one than expected."""
    try:
        return read_json(path, expected)
    except (OSError, ValueError):
        return {}


def _tail(folder: Path) -> str:
    try:
        with open(folder / LOG, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
