"""python -m experiments.compare systems: every system on the same data with the same budget.

  --minutes M        of training for each system (default: experiments/plans/systems.yaml)
  --systems A,B      some of the plan's (default: all of them)
  --out DIR          runs, costs and table.md

For each: an update and a separation are timed, the budget becomes a number of updates, the recipe
is trained on the songs all share and scored on the same test songs. Can be stopped and started
again: what was measured is not measured again, a training run goes on where it stopped, with the
updates it was begun with.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from common import cli
from common.files import ROOT, write_text
from common.json_files import read_json, write_json
from dssgan.config.mappings import merge
from evaluation.reports.reading import read_summary
from evaluation.reports.tables import number, table
from experiments.run.folder import RECORD
from experiments.run.process import LOG, train
from experiments.run.yaml_files import RECIPES, read_yaml

PLAN = ROOT / "experiments" / "plans" / "systems.yaml"
SCORES = Path("scores", "summary.json")
HEAD = ["system", "weights", "GMAC/s", "train", "separate", "MB", "SDR", "SIR", "SAR"]
COST = {"train": {str: float}, "separate": {str: float}, "updates?": int}
COST["train"] |= dict.fromkeys(("audio_s", "update_s"), float)
KEYS = ("weights", "gmac_s", "audio_s", "separation_s", "peak_mb")
COST["separate"] |= dict.fromkeys(KEYS, float)
POSITIVE = (("train", "update_s"), ("separate", "separation_s"))
LEGEND = (
    "weights in millions; GMAC per second of mono audio; seconds of audio trained on and separated "
    "per second; peak memory of separation; drums in dB, {aggregate} over {songs} songs"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `experiments.compare systems`."""
    parser.add_argument("--plan", type=cli.path, default=PLAN, metavar="FILE.yaml")
    parser.add_argument("--minutes", type=float, metavar="M")
    parser.add_argument("--systems", type=cli.names, metavar="A,B")
    parser.add_argument("--out", type=cli.path, metavar="DIR")


def compare(options: argparse.Namespace) -> int:
    """Measure, train and score what is missing, then print the table; 1 when a system failed."""
    plan = read_yaml(options.plan)
    folder = cli.path(options.out or plan["folder"])
    minutes = options.minutes or float(plan["minutes"])
    titles = plan["titles"]
    names = options.systems or list(titles)
    for name in names:
        if name not in titles:
            raise cli.UsageError(
                f"--systems: {name!r} is none of {options.plan.name}: {', '.join(titles)}"
            )
    rows, failed = [], []
    for name in names:
        result = system(name, RECIPES / f"{name}.yaml", plan, folder, minutes)
        if result is None:
            failed.append(name)
        else:
            rows.append(result | {"title": titles[name]})
    if rows:
        report(rows, folder)
    for name in failed:
        print(f"error: {name} failed; its log: {folder / name / LOG}", file=sys.stderr)
    return 1 if failed else 0


def system(
    name: str, recipe: Path, plan: dict[str, Any], folder: Path, minutes: float
) -> dict[str, Any] | None:
    """Cost and scores of one system; None when it could not be trained."""
    file = folder / "configurations" / f"{name}.yaml"
    values = merge(read_yaml(recipe), plan["keys"])
    values = merge(values, {"name": name, "tracking": {"folder": str(folder)}})
    values = merge(values, {"data": {"cache": plan["cache"]}})
    write_text(file, yaml.safe_dump(values, sort_keys=False))
    record = folder / "costs" / f"{name}.json"
    if not record.exists():
        print(f"{name}: measuring", flush=True)
        write_json(record, {task: measured(task, file) for task in ("train", "separate")})
    cost = read_json(record, COST, "delete it to measure again")
    if not all(cost[task][key] > 0 for task, key in POSITIVE):
        raise ValueError(f"{record}: a time that cannot be; delete it to measure again")
    updates = cost["updates"] = planned(cost, minutes, plan["epochs"], folder / name)
    write_json(record, cost)
    summary = folder / name / SCORES
    if not summary.exists():
        steps = updates // plan["epochs"]
        values = merge(values, {"supervised": {"epochs": plan["epochs"], "steps": steps}})
        values = merge(values, {"schedule": {"period": updates}})
        write_text(file, yaml.safe_dump(values, sort_keys=False))
        print(f"{name}: {updates} updates in about {minutes:g} minutes", flush=True)
        train(file, folder / name)
    if not summary.exists():
        return None
    return cost | {"scores": read_summary(summary, "songs", "reported")}


def measured(task: str, file: Path) -> dict[str, float]:
    """What `experiments.systems.cost` found in a process of its own."""
    command = [sys.executable, "-m", "experiments.systems.cost", task, str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def planned(cost: dict[str, Any], minutes: float, epochs: int, run: Path) -> int:
    """The updates of a system: what the minutes allow, or what its run was begun with."""
    updates = budget(cost, minutes, epochs)
    begun = any((run / name).exists() for name in (RECORD, SCORES))
    if not begun or cost.get("updates", updates) == updates:
        return updates
    print(
        f"{run.name}: {cost['updates']} updates, as its run was begun with, not the {updates} of "
        f"{minutes:g} minutes; remove {run} to train it anew"
    )
    return cost["updates"]


def budget(cost: dict[str, Any], minutes: float, epochs: int) -> int:
    """Updates that so many minutes allow, a multiple of the epochs."""
    return max(1, round(60.0 * minutes / cost["train"]["update_s"] / epochs)) * epochs


def report(rows: list[dict[str, Any]], folder: Path) -> None:
    """Print the table and write it as Markdown."""
    scores = rows[0]["scores"]
    aggregate = scores["reported"][0]
    legend = LEGEND.format(aggregate=aggregate, songs=len(scores["songs"]))
    lines = [
        [
            row["title"],
            f"{row['separate']['weights'] / 1e6:.2f}",
            f"{row['separate']['gmac_s']:.2f}",
            f"{row['train']['audio_s'] / row['train']['update_s']:.0f}",
            f"{row['separate']['audio_s'] / row['separate']['separation_s']:.0f}",
            f"{row['separate']['peak_mb']:.0f}",
            *(number(row["scores"][aggregate]["drums"][key], 1) for key in ("SDR", "SIR", "SAR")),
        ]
        for row in rows
    ]
    write_text(
        folder / "table.md", f"{legend}\n\n{table(HEAD, lines, markdown=True, width=None)}\n"
    )
    print(f"{legend}\n\n{table(HEAD, lines)}")
