"""Scores of a plan's arms that outlive its runs: experiments/results/NAME.json."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.files import ROOT, locked
from common.json_files import read_json, write_json
from evaluation.reports.reading import TABLE, read_summary

FOLDER = ROOT / "experiments" / "results"
ADVICE = "restore it from the repository"
ARM = {
    "title": str,
    "weights": {str: float},
    "seeds": {str: {str: TABLE}},
    "fingerprints?": {str: str},
}
RECORD = {"protocol?": str, "songs?": {str: [str]}, "arms?": {str: ARM}, "sweep?": {str: ARM}}
PROTOCOL = "BSS Eval v4, median over frames of 1 s"


def results(name: str, suffix: str) -> Path:
    """The file of results: of a plan its `results` and ".json", ".md" or ".png"."""
    return FOLDER / f"{name}{suffix}"


def read(plan: dict[str, Any]) -> dict[str, Any]:
    """What is on record of a plan.

    Returns:
      {"protocol", "arms": {name: {"title", "weights": {"alpha", "beta"}, "seeds": {seed: {song:
      {source: {metric: dB}}}}, "fingerprints": {seed: of the configuration}}}, "sweep": the same
      for its points, "songs": {role: names}}.
    """
    empty = {"protocol": PROTOCOL, "songs": {}, "arms": {}, "sweep": {}}
    file = results(plan["results"], ".json")
    return empty | read_json(file, RECORD, ADVICE) if file.exists() else empty


def scored(arm: Any, seed: int, group: str = "arms") -> bool:
    """Whether an arm has scores with a seed, in its run or on record with this configuration."""
    return _songs(read(arm.plan)[group], arm, seed) is not None


def gather(
    plan: dict[str, Any],
    arms: Iterable[Any],
    seeds: Sequence[int],
    group: str = "arms",
    songs: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """Put the scores of finished runs on record beside those whose runs are gone.

    Scores of a configuration that is no longer the plan's are dropped.

    Args:
      songs: the names of each role; None keeps those on record.

    Returns:
      What `read` returns.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER):
        record = read(plan)
        found = {}
        for arm in arms:
            scores = {seed: _songs(record[group], arm, seed) for seed in seeds}
            known = {str(seed): value for seed, value in scores.items() if value is not None}
            if known:
                found[arm.name] = {
                    "title": arm.title,
                    "weights": {name: arm.keys.get(name, 0.0) for name in ("alpha", "beta")},
                    "seeds": known,
                    "fingerprints": {seed: arm.fingerprint(int(seed)) for seed in known},
                }
        new = record | {group: found} | ({"songs": songs} if songs else {})
        if new != record:
            write_json(results(plan["results"], ".json"), new)
    return new


def _songs(known: dict[str, Any], arm: Any, seed: int) -> dict[str, Any] | None:
    """Of the run, else of the record, made with the configuration that the plan has today."""
    today, mark = arm.fingerprint(seed), arm.mark(seed)
    if arm.summary(seed).exists() and mark.exists() and mark.read_text("utf-8") == today:
        return read_summary(arm.summary(seed), "songs")["songs"]
    entry = known.get(arm.name, {})
    if entry.get("fingerprints", {}).get(str(seed)) == today:
        return entry["seeds"][str(seed)]
    return None
