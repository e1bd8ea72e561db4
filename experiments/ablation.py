"""What each idea of semi-supervised refinement is worth: python -m experiments.ablation COMMAND

  prepare   render the songs and the drumming (experiments/plans/ablation.yaml says which)
  run       train and test every arm with every seed, then print the table
  table     the table of what is there already, RESULTS.md and the figure
  sweep     alpha × beta on one arm, then the heat map

Every command can be stopped and started again: what is done is not done again, and a training run
goes on where it stopped.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from common import shell
from common.files import write_text
from dssgan.typed import merge
from experiments import ablation_material, ablation_table
from experiments.commandline import read_yaml
from experiments.training import train

FILE = Path(__file__).parent / "plans" / "ablation.yaml"


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

    def configuration(self, seed: int) -> dict[str, Any]:
        """Everything that `python -m dssgan.train` is told."""
        values = merge(self.plan["base"], self.keys)
        values = merge(values, {"tracking": {"folder": self.plan["folder"]}})
        values = merge(ablation_material.data(self.plan["material"]), values)
        values = {"name": f"{self.name}-{seed}", "seed": seed} | values
        for phase in ("self_training", "adversarial"):
            section = values.get(phase, {})
            init = section.get("init", "")
            if init.startswith("{"):
                start = Path(self.plan["folder"]) / f"{init.strip('{}')}-{seed}" / "separator"
                section["init"] = str(start)
        return values


def main(argv: list[str]) -> int:
    """The command; 1 when an arm failed."""
    options = parse(argv)
    plan = read_yaml(options.plan)
    arms = all_arms(plan)
    if options.arms:
        unknown = set(options.arms) - set(arms)
        if unknown:
            raise shell.Misuse(f"--arms: no arm {min(unknown)!r}; known: {', '.join(arms)}")
        arms = {name: arm for name, arm in arms.items() if name in options.arms}
    seeds = options.seeds or plan["seeds"]
    if options.command == "table":
        return show(plan)
    ablation_material.prepare(plan["material"])
    if options.command == "prepare":
        return 0
    if options.command == "sweep":
        points = list(grid(plan))
        failed = [arm.name for arm, seed in points if not run(arm, seed)]
        ablation_table.heat_map(plan, points)
    else:
        # Seed by seed: after the first round the table has every arm.
        failed = [arm.name for seed in seeds for arm in arms.values() if not run(arm, seed)]
        show(plan)
    if failed:
        print(f"failed: {', '.join(failed)}; the log of each is in its folder", file=sys.stderr)
    return 1 if failed else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("prepare", "run", "table", "sweep"))
    parser.add_argument("--plan", type=Path, default=FILE, metavar="FILE.yaml")
    parser.add_argument("--arms", type=shell.names, metavar="A,B", help="default: all")
    parser.add_argument("--seeds", type=numbers, metavar="1,2", help="default: those of the plan")
    return parser.parse_args(argv)


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    try:
        return [int(number) for number in shell.names(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers such as 1,2,3") from error


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


def run(arm: Arm, seed: int) -> bool:
    """Train and test an arm with a seed in a process of its own; whether it is finished."""
    if arm.summary(seed).exists():
        return True
    folder = arm.folder(seed)
    file = Path(arm.plan["folder"]) / "configurations" / f"{arm.name}-{seed}.yaml"
    write_text(file, yaml.safe_dump(arm.configuration(seed), sort_keys=False))
    print(f"{folder}: {arm.title}, seed {seed}", flush=True)
    train(file, folder)
    return arm.summary(seed).exists()


def show(plan: dict[str, Any]) -> int:
    """Gather the scores, print the table and write it down."""
    scores = ablation_table.gather(all_arms(plan).values(), plan["seeds"])
    if not scores["arms"]:
        raise ValueError(f"{plan['folder']}: nothing is finished yet")
    print(ablation_table.report(scores))
    return 0


if __name__ == "__main__":
    shell.run(main)
