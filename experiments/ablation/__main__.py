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

--cluster trains on the workers of a Dask cluster, as `python -m experiments.sweep` does: workers
run in this folder, or in one that they reach by the same path.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from common import cli, dask_cluster
from experiments.ablation import table
from experiments.ablation.arms import Task, all_arms, grid, read_plan, swept, unscored
from experiments.ablation.running import run_all
from experiments.ablation.scores import gather
from experiments.ablation.songs import prepare
from experiments.sweep.workers import workers as start_workers


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
        failed = trained(unscored(points, arms, "sweep"), options)
        table.heat_map(plan, gather(plan, *swept(points), "sweep", songs))
    else:
        # Seed by seed: after the first round the table has every arm.
        tasks = [(arm, seed) for seed in options.seeds or plan["seeds"] for arm in wanted]
        failed = trained(unscored(tasks, arms), options)
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
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at once (default: 1)")
    parser.add_argument("--cluster", metavar="WHERE", help="tcp://HOST:PORT, slurm, pbs or sge")
    parser.add_argument("--resources", type=cli.path, metavar="FILE.yaml", help="of a job of these")
    options = parser.parse_args(argv)
    if options.jobs is not None and options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: expected at least 1")
    dask_cluster.check(options.cluster, options.resources)
    return options


def trained(tasks: Sequence[Task], options: argparse.Namespace) -> list[str]:
    """Train what is to be run, here or on a cluster; names of what failed."""
    if not tasks:
        return []
    if options.cluster is None and (options.jobs or 1) > 1:
        threads = max(1, (os.cpu_count() or 1) // options.jobs)
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    workers = start_workers(options.cluster, options.jobs, options.resources, len(tasks))
    with contextlib.closing(workers):
        return run_all(tasks, workers)


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    try:
        return [int(number) for number in cli.names(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers such as 1,2,3") from error


def show(plan: dict[str, Any], songs: dict[str, list[str]] | None = None) -> int:
    """Gather the scores, print the table and write it down."""
    scores = gather(plan, all_arms(plan).values(), plan["seeds"], songs=songs)
    if not scores["arms"]:
        raise ValueError(f"{plan['folder']}: nothing is finished yet")
    print(table.report(plan, scores))
    return 0


if __name__ == "__main__":
    cli.run(main)
