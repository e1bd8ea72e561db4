"""What each of several ideas is worth, one by one: python -m experiments.ablation COMMAND

  prepare   render the songs and the drumming, where the plan says which
  run       train and test every arm with every seed, then print the table
  table     the table of what is there already; experiments/results/PLAN.{md,png}
  sweep     alpha × beta on one arm, then the heat map

Plans lie in experiments/plans: `ablation` (what each idea of semi-supervised refinement is worth)
unless --plan names another, such as `effects` (what each family of effects on excerpts is worth).

Every command can be stopped and started again: what is done is not done again, and a training run
goes on where it stopped. Scores stay in experiments/results/PLAN.json when the runs are gone;
an arm whose scores are there is trained again only where another one starts from its separator.
"""

import argparse
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import yaml

from common import cli
from common.digests import content_digest
from common.files import ROOT, write_text
from dssgan.config.mappings import merge
from experiments.ablation import table
from experiments.ablation.scores import gather, scored
from experiments.ablation.songs import data, prepare
from experiments.run.process import train
from experiments.run.yaml_files import find_recipe, read_yaml

PLANS = ROOT / "experiments" / "plans"


class Arm:
    """One line of the table: a configuration for each seed.

    Attributes:
      name: of its runs, ARM-SEED.
      title: in the table.
    """

    def __init__(self, plan: dict[str, Any], name: str, title: str, keys: dict[str, Any]):
        self.plan, self.name, self.title, self.keys = plan, name, title, keys

    def folder(self, seed: int) -> Path:
        """The run folder."""
        return Path(self.plan["folder"]) / f"{self.name}-{seed}"

    def summary(self, seed: int) -> Path:
        """The scores, once the run is finished."""
        return self.folder(seed) / "scores" / "summary.json"

    @property
    def start(self) -> str | None:
        """The arm whose separator this one starts from; None where it starts from scratch."""
        last = [phase for phase in self.keys.get("phases", ()) if phase != "test"][-1:]
        init = self.keys.get(last[0], {}).get("init", "") if last else ""
        found = re.fullmatch(r"\{(\w+)\}", init)
        return found[1] if found else None

    def separator(self, seed: int) -> Path:
        """The exported separator, once training is finished."""
        return self.folder(seed) / "separator"

    def mark(self, seed: int) -> Path:
        """The fingerprint that a run was begun with."""
        return self.folder(seed) / "fingerprint.txt"

    def fingerprint(self, seed: int) -> str:
        """Of everything that the scores follow from: configuration, songs, where it starts."""
        values = self.configuration(seed)
        facts = {key: values[key] for key in values.keys() - {"tracking", "checkpoint"}}
        start = all_arms(self.plan)[self.start].fingerprint(seed) if self.start else None
        facts = json.dumps([facts, self.plan.get("material"), start], sort_keys=True)
        return content_digest(facts)[:16]

    def configuration(self, seed: int) -> dict[str, Any]:
        """The whole configuration of `python -m dssgan.train`."""
        values = merge(self.plan["base"], self.keys)
        values = merge(values, {"tracking": {"folder": self.plan["folder"]}})
        if "material" in self.plan:
            values = merge(data(self.plan["material"]), values)
        values = {"name": f"{self.name}-{seed}", "seed": seed} | values
        if self.start:
            phase = next(phase for phase in self.keys["phases"] if phase != "test")
            values[phase]["init"] = str(all_arms(self.plan)[self.start].separator(seed))
        return values


Task = tuple[Arm, int]  # an arm and a seed


def main(argv: list[str]) -> int:
    """The command; 1 when an arm failed."""
    options = parse(argv)
    plan = read_plan(options.plan)
    arms = all_arms(plan)
    wanted = list(arms.values())
    if options.arms:
        unknown = set(options.arms) - set(arms)
        if unknown:
            raise cli.UsageError(f"--arms: no arm {min(unknown)!r}; known: {', '.join(arms)}")
        wanted = [arms[name] for name in options.arms]
    if options.command == "table":
        return show(plan)
    songs = prepare(plan["material"]) if "material" in plan else None
    if options.command == "prepare":
        return 0
    if options.command == "sweep":
        if "sweep" not in plan:
            raise cli.UsageError(f"sweep: the plan {options.plan} has none; give another --plan")
        points = list(grid(plan))
        failed = run_all(unscored(points, arms, "sweep"), options.jobs)
        table.heat_map(plan, gather(plan, *swept(points), "sweep", songs))
    else:
        # Seed by seed: after the first round the table has every arm.
        tasks = [(arm, seed) for seed in options.seeds or plan["seeds"] for arm in wanted]
        failed = run_all(unscored(tasks, arms), options.jobs)
        show(plan, songs)
    if failed:
        print(f"failed: {', '.join(failed)}; the log of each is in its folder", file=sys.stderr)
    return 1 if failed else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablation",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("command", choices=("prepare", "run", "table", "sweep"))
    parser.add_argument(
        "--plan", default="ablation", metavar="NAME", help="or FILE.yaml; default: ablation"
    )
    parser.add_argument("--arms", type=cli.names, metavar="A,B", help="default: all")
    parser.add_argument("--seeds", type=numbers, metavar="1,2", help="default: those of the plan")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at once (default: 1)"
    )
    options = parser.parse_args(argv)
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: expected at least 1")
    return options


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    try:
        return [int(number) for number in cli.names(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers such as 1,2,3") from error


def read_plan(name: str) -> dict[str, Any]:
    """Read a plan by its name or path; its `base` is put over the recipe that it names."""
    file = PLANS / f"{name}.yaml" if Path(name).name == name and "." not in name else cli.path(name)
    plan = {"results": file.stem} | read_yaml(file)
    plan["folder"] = str(cli.path(plan["folder"]))
    if "recipe" in plan:
        whole = merge(read_yaml(find_recipe(plan["recipe"])), plan.get("base", {}))
        plan["base"] = {key: whole[key] for key in whole if key not in ("name", "seed")}
    return plan


def all_arms(plan: dict[str, Any]) -> dict[str, Arm]:
    """The arms by name, in order."""
    return {
        name: Arm(plan, name, entry["title"], entry.get("keys", {}))
        for name, entry in plan["arms"].items()
    }


def grid(plan: dict[str, Any]) -> Iterator[tuple[Arm, int]]:
    """The points of the sweep."""
    sweep = plan["sweep"]
    entry = merge(plan["arms"][sweep["arm"]], {"keys": sweep.get("keys", {})})
    for alpha, beta, seed in itertools.product(sweep["alpha"], sweep["beta"], sweep["seeds"]):
        keys = merge(entry["keys"], {"alpha": alpha, "beta": beta})
        yield Arm(plan, f"sweep-{alpha:g}-{beta:g}", f"alpha={alpha:g} beta={beta:g}", keys), seed


def swept(points: Sequence[Task]) -> tuple[list[Arm], list[int]]:
    """The arms and the seeds of a sweep's points."""
    arms = {arm.name: arm for arm, _ in points}
    return list(arms.values()), sorted({seed for _, seed in points})


def unscored(tasks: Sequence[Task], arms: dict[str, Arm], group: str = "arms") -> list[Task]:
    """What is to be run so that all tasks have scores; arms come after those they start from."""
    found: dict[tuple[str, int], Task] = {}

    def add(arm: Arm, seed: int) -> None:
        if arm.start and not arms[arm.start].separator(seed).exists():
            add(arms[arm.start], seed)
        found.setdefault((arm.name, seed), (arm, seed))

    for arm, seed in tasks:
        if not scored(arm, seed, group):
            add(arm, seed)
    return list(found.values())


def run_all(tasks: Sequence[Task], jobs: int = 1) -> list[str]:
    """Train and test, `jobs` at once, each after the one it starts from; names of what failed."""
    if jobs > 1:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    waiting, failed = list(tasks), []
    running: dict[Future, Task] = {}
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            unfinished = {(arm.name, seed) for arm, seed in [*waiting, *running.values()]}
            ready = [task for task in waiting if (task[0].start, task[1]) not in unfinished]
            for task in ready[: jobs - len(running)]:
                waiting.remove(task)
                running[pool.submit(run, *task)] = task
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                arm, seed = running.pop(future)
                if not future.result():
                    failed.append(arm.folder(seed).name)
    return failed


def run(arm: Arm, seed: int) -> bool:
    """Train and test an arm with a seed in a process of its own; whether it is finished."""
    folder = arm.folder(seed)
    mark, fingerprint = arm.mark(seed), arm.fingerprint(seed)
    if mark.exists() and mark.read_text("utf-8") != fingerprint:
        print(f"{folder}: begun with another plan; move it away to train this one", flush=True)
        return False
    write_text(mark, fingerprint)
    file = Path(arm.plan["folder"]) / "configurations" / f"{arm.name}-{seed}.yaml"
    write_text(file, yaml.safe_dump(arm.configuration(seed), sort_keys=False))
    print(f"{folder}: {arm.title}, seed {seed}", flush=True)
    train(file, folder)
    return arm.summary(seed).exists()


def show(plan: dict[str, Any], songs: dict[str, list[str]] | None = None) -> int:
    """Gather the scores, print the table and write it down."""
    scores = gather(plan, all_arms(plan).values(), plan["seeds"], songs=songs)
    if not scores["arms"]:
        raise ValueError(f"{plan['folder']}: nothing is finished yet")
    print(table.report(plan, scores))
    return 0


if __name__ == "__main__":
    cli.run(main)
