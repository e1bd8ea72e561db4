"""A run on this machine, or as one of several that train together."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.cli import UsageError
from common.interrupts import UPDATE, Interrupted, announced, immediate
from dssgan import __version__
from dssgan.config.changes import decisive
from dssgan.config.schema import Config
from dssgan.distributed.cluster import Cluster
from dssgan.distributed.discovery import wanted_cluster
from experiments.run.checks import check_refinement
from experiments.run.machine import prepare_machine


def workers_of(config: Config) -> Cluster | None:
    """The workers that train together, where the configuration asks for several machines.

    Raises:
      UsageError: TF_CONFIG or SLURM say something else.
    """
    try:
        return wanted_cluster(config.compute.strategy, config.compute.workers)
    except ValueError as error:
        raise UsageError(str(error)) from error


def assist(config: Config, cluster: Cluster) -> int:
    """Be one of the workers that write nothing; returns the exit code."""
    prepare_machine(config)
    from dssgan.phases import sequence

    place = Path(config.tracking.folder) / (config.name or "run")
    with immediate():
        try:
            with announced(UPDATE):
                sequence.run_phases(build_run(config, place, cluster, log=lambda line: None))
        except Interrupted as stop:
            print(f"worker {cluster.index}: {stop}", file=sys.stderr)
            return stop.code
    print(f"worker {cluster.index}: done")
    return 0


def build_run(
    config: Config,
    folder: Path,
    cluster: Cluster | None,
    record: Callable[[str, float, int], None] = lambda name, value, step: None,
    settle: Callable[[], int | None] = lambda: None,
    log: Callable[[str], None] = print,
) -> Any:
    """The run of a configuration, on this machine or together with others.

    Args:
      record, settle: as a `Run` has them.
      log: prints a line.

    Returns:
      A `dssgan.phases.run.Run`.

    Raises:
      UsageError: a refinement cannot be as it is configured.
    """
    from dssgan.distributed.team import Team, assemble
    from dssgan.phases import run
    from experiments.run import scoring
    from experiments.songs import training_data

    team = Team()
    if cluster:
        settings = {"version": __version__, **decisive(config)}
        team = assemble(cluster, settings, seconds=config.compute.wait)
        check_refinement(config)
    return run.Run(
        config,
        folder,
        lambda rate, samples: training_data.load_training_data(config, rate, samples, log),
        lambda separator: scoring.test_scores(config, separator, folder / "scores"),
        record,
        settle,
        log,
        team,
    )
