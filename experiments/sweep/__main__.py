"""Many runs that differ in some keys: python -m experiments.sweep FILE.yaml KEY=VALUES … [options]

  … drums_semisup alpha=0.1,0.3,1 beta=0,0.3 seed=1..3            every combination
  … FILE.yaml schedule.learning_rate=1e-4..1e-2:log alpha=0..0.1 --random 20     20 by chance
  … FILE.yaml schedule.learning_rate=1e-4..1e-2:log alpha=0..0.1 --optuna 20     20 by Optuna

A key with one value is the same for all runs. Runs lie in tracking.folder/NAME, and so do table.md,
points.json and, for a grid of two keys, heat_map.png. Stopped or killed, the same command goes on:
what is finished is not done again, the rest goes on where it stopped.

--cluster tcp://HOST:PORT trains on the workers of a Dask scheduler, one point per thread (start
them with `dask worker tcp://HOST:PORT --nthreads 1` in this folder); --cluster slurm, pbs or sge
asks a batch system for --jobs jobs of the size that --resources gives, for example
{cores: 8, memory: 32GB, walltime: "04:00:00", queue: gpu}. All machines must share this folder.
Needed for it and for Optuna: pip install -r requirements-sweep.txt
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from common import cli
from common.cli import UsageError
from common.files import locked
from dssgan.config.changes import differences
from dssgan.config.schema import Config, from_dict
from experiments.run.folder import RECORD
from experiments.run.yaml_files import read_yaml
from experiments.sweep import points, table
from experiments.sweep.axes import drawn, grid
from experiments.sweep.axes import parse as parse_axes
from experiments.sweep.pruning import Pruning
from experiments.sweep.scheduler import FAILED, TRAIN, SweepScheduler
from experiments.sweep.search import Listed, Optuna, Search
from experiments.sweep.workers import workers as start_workers


def check_run(config: Config) -> None:
    """Check everything that `python -m dssgan.train` checks before it starts."""
    from experiments.run.checks import check

    check(config)


def main(
    argv: list[str],
    train: Sequence[str] = TRAIN,
    check: Callable[[Config], None] = check_run,
    poll: float = 1.0,
) -> int:
    """The command; 1 when a point failed.

    Args:
      train: the command that trains a point, before `with FILE.yaml`.
      check: raises ValueError for a configuration that would fail to start.
      poll: seconds between two looks at the runs.
    """
    options = parse(argv)
    draws = bool(options.random or options.optuna)
    words, axes = parse_axes(options.words, draws)

    def sound(config: Config) -> None:
        check(config)
        check_objective(config, options.objective)
        check_begun(config)

    make = points.Maker(words, axes, options.name, sound)
    search, first = searched(make, options)
    folder = first.folder.parent
    metric = f"validation/{first.config.validation.metric}"
    objective = options.objective or metric
    if options.list:
        for point in getattr(search, "points", [first]):
            print(point.name)
        return 0
    workers = start_workers(options.cluster, options.jobs, options.resources, search.total)
    print(folder)
    print(f"{search.total} points, the best has the highest {objective}", flush=True)
    loop = SweepScheduler(
        search,
        workers,
        objective,
        Pruning(metric, options.prune, options.patience),
        board=table.Board(),
        train=train,
        poll=poll,
    )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, UsageError(f"{folder}: another sweep of that name is running")):
            outcomes = loop.run()
    finally:
        workers.close()
    print(table.report(axes, objective, outcomes, folder))
    failed = [outcome.point.folder for outcome in outcomes if outcome.state == FAILED]
    if failed:
        print(f"{len(failed)} failed, such as {failed[0]} (its log.txt)", file=sys.stderr)
    return 1 if failed else 0


def searched(make: points.Maker, options: argparse.Namespace) -> tuple[Search, points.Point]:
    """The search that was asked for, and one of its points."""
    if options.optuna:
        first = make({axis.key: axis.extremes()[0] for axis in make.axes})
        return Optuna(make, options.optuna, options.draw, first.folder.parent), first
    if options.random:
        combinations = drawn(make.axes, options.random, options.draw)
    else:
        combinations = grid(make.axes)
    search = Listed(make.all(combinations))
    return search, search.points[0]


def check_objective(config: Config, objective: str | None) -> None:
    """Check that the runs will have the objective.

    Raises:
      UsageError: they will not.
    """
    metric = config.validation.metric
    if objective is None or objective.startswith("validation/"):
        if metric == "none" or set(config.phases) == {"test"}:
            raise UsageError(
                "these runs are not validated; choose a test score, such as --objective SDR/drums"
            )
        known = [f"validation/{metric}", *(f"validation/{metric}/{s}" for s in config.sources)]
        if objective is not None and objective not in known:
            raise UsageError(f"--objective {objective}: expected one of {', '.join(known)}")
    elif "/" not in objective:
        raise UsageError(f"--objective {objective}: expected METRIC/SOURCE, such as SDR/drums")
    elif "test" not in config.phases:
        raise UsageError(
            f"--objective {objective}: the phases are {', '.join(config.phases)}, without test"
        )


def check_begun(config: Config) -> None:
    """Check that a run of that name, where there is one, has the same configuration.

    Raises:
      UsageError: it was not.
    """
    record = Path(config.tracking.folder) / config.name / RECORD
    if not record.exists():
        return
    try:
        changed = differences(from_dict(read_yaml(record)), config)
    except ValueError as error:
        raise UsageError(f"{record}: {error}; choose another --name") from error
    for key, (old, new) in itertools.islice(changed.items(), 1):
        raise UsageError(
            f"{record.parent} was begun with {key}={old!r}, not {new!r}: choose another --name"
        )


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.sweep",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("words", nargs="+", metavar="FILE.yaml KEY=VALUES")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--random", type=positive, metavar="N", help="N points by chance")
    how.add_argument("--optuna", type=positive, metavar="N", help="N points that Optuna proposes")
    parser.add_argument("--draw", type=int, default=0, metavar="SEED", help="of that chance")
    parser.add_argument("--name", help="of the sweep (default: FILE_sweep)")
    parser.add_argument(
        "--objective", metavar="SDR/drums", help="default: the best score of the validation"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="points at once (default: 1)")
    parser.add_argument("--cluster", metavar="tcp://HOST:PORT|slurm|pbs|sge")
    parser.add_argument("--resources", type=cli.path, metavar="FILE.yaml", help="of a job")
    parser.add_argument(
        "--prune",
        type=positive,
        nargs="?",
        const=4,
        default=0,
        metavar="N",
        help="end a point whose validation is below the median of N others (4)",
    )
    parser.add_argument(
        "--patience", type=positive, default=1, metavar="K", help="validations before that (1)"
    )
    parser.add_argument("--list", action="store_true", help="check and name the points, no more")
    return parser.parse_intermixed_args(argv)


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


if __name__ == "__main__":
    cli.run(main)
