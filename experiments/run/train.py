"""The body of `python -m dssgan.train`: one run under Sacred."""

import contextlib
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import UsageError
from common.files import ROOT, locked
from common.interrupts import UPDATE, Interrupted, announced, immediate
from common.suggest import nearest
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config
from dssgan.distributed.cluster import Cluster
from experiments.run.checks import check

OPTIONS = ("--name", "--comment", "--loglevel", "--capture", "--beat-interval", "--unobserved")
OPTIONS += ("--file_storage", "--sql", "--tiny_db", "--s3", "--enforce_clean")


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code."""
    from experiments.run import workers
    from experiments.run.configuration import configure
    from experiments.run.folder import run_folder, write_record
    from experiments.run.yaml_files import dump

    experiment = make_experiment()
    command, updates, options = parse(experiment, list(argv))
    if command == "help":
        print(experiment.get_usage("dssgan.train")[1].replace("  dssgan", "  python -m dssgan"))
        return 0
    config, resume, origin = configure(updates)
    check(config, thorough=command == "train")
    if command == "print_config":
        print(f"# from {origin}")
        print(dump(config), end="")
        return 0
    if command != "train":
        experiment.add_config(recorded(config))
        experiment.run(command, options=options)
        return 0
    cluster = workers.workers_of(config)
    if cluster and cluster.index:
        return workers.assist(config, cluster)
    folder = run_folder(config, resume, origin)
    with immediate(), only_one(folder):
        write_record(folder, config)
        print(f"{folder}: configured by {origin}")
        try:
            with announced(UPDATE):
                train(experiment, config, folder, options, cluster)
        except Interrupted as stop:
            again = f": python -m dssgan.train with {shlex.quote(f'resume={folder}')}"
            if cluster:  # the others may not see the folder
                again = " the same command on all machines"
            print(f"{stop}; go on with{again}", file=sys.stderr)
            return stop.code
    return 0


def make_experiment() -> Any:
    """A Sacred experiment that knows the whole project's sources."""
    from sacred import SETTINGS, Experiment

    from experiments.tracking.run_folder import as_shown
    from experiments.tracking.sources import add_sources, has_git

    SETTINGS.DISCOVER_SOURCES = SETTINGS.DISCOVER_DEPENDENCIES = "none"  # they are named below
    SETTINGS.CAPTURE_MODE = "sys"  # "fd" starts processes that outlive a SIGKILL
    experiment = Experiment("dssgan", base_dir=str(ROOT), save_git_info=has_git(ROOT))
    experiment.captured_out_filter = as_shown
    experiment.logger = quiet_logger()
    add_sources(experiment, ROOT)

    @experiment.main
    def train(_run):
        """Train, export and test (the default)."""

    return experiment


def quiet_logger() -> logging.Logger:
    """A logger that leaves out what the command's own last line says better."""

    def worth_saying(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(("Failed after", "Aborted after"))

    logger = logging.getLogger("dssgan")
    handler = logging.StreamHandler()
    handler.addFilter(worth_saying)
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    return logger


def parse(experiment: Any, argv: list[str]) -> tuple[str, list[str], dict[str, Any]]:
    """(command, updates, Sacred's options) of a command line.

    Raises:
      UsageError: it cannot be understood.
    """
    from docopt import DocoptExit, docopt

    commands = ("train", "print_config", "print_dependencies", "save_config", "help")
    try:
        given = docopt(experiment.get_usage()[2], argv, default_help=False)
    except DocoptExit:
        usage = "python -m dssgan.train [COMMAND] [with FILE.yaml KEY=VALUE …] [options]"
        raise UsageError(f"cannot read {' '.join(argv)!r}; usage: {usage}; see --help") from None
    command = given["COMMAND"] or "train"
    if given["help"] or given["--help"]:
        return "help", [], {}
    if "=" in command or command.endswith((".yaml", ".yml")):
        raise UsageError(f"write 'with' before the configuration: with {command} …")
    if command not in commands:
        known = ", ".join(commands)
        raise UsageError(
            f"unknown command {command!r}{nearest(command, commands)} (known: {known})"
        )
    updates = list(given["UPDATE"])
    if given["--mongo_db"]:
        updates.append(f"tracking.mongo={given['--mongo_db']}")
    options = {name: given[name] for name in OPTIONS if given.get(name)}
    return command, updates, options


def train(
    experiment: Any,
    config: Config,
    folder: Path,
    options: dict[str, Any],
    cluster: Cluster | None = None,
) -> None:
    """Run the phases under Sacred's eyes."""
    from experiments.run import machine, scoring, workers
    from experiments.tracking.mongo_observer import mongo_observer
    from experiments.tracking.run_folder import RunFolder

    machine.prepare_machine(config)
    from dssgan.phases import sequence
    from dssgan.training.checkpoints import recorded_points

    record = RunFolder(folder, points=recorded_points(folder))

    @experiment.main
    def train(_run):
        _run.info["tensorboard"] = str(folder / "tensorboard")
        _run.info["devices"] = machine.devices()
        _run.info["workers"] = list(cluster.addresses) if cluster else []

        def point(name: str, value: float, step: int) -> None:
            record.point(name, float(value), step)
            _run.log_scalar(name, float(value), step)  # for other observers of Sacred's

        run = workers.build_run(config, folder, cluster, point, record.settle)
        scores = sequence.run_phases(run)
        _run.info["scores"] = scoring.song_scores(folder / "scores")
        for path in scoring.artefacts(folder):
            _run.add_artifact(path, str(path.relative_to(folder)))
        return {name: float(value) for name, value in scores.items()}  # NumPy would be pickled

    experiment.observers = [record]
    if config.tracking.mongo:
        mongo = mongo_observer(config.tracking.mongo, folder)
        experiment.observers += [mongo] if mongo else []
    experiment.add_config(recorded(config))
    experiment.run("train", options=options)


def recorded(config: Config) -> dict[str, Any]:
    """The configuration as it may be shown to anybody."""
    from common.redact import redacted

    values = to_dict(config)
    values["tracking"]["mongo"] = redacted(config.tracking.mongo)
    return values


def only_one(folder: Path) -> contextlib.AbstractContextManager[None]:
    """One process at a time trains in a run folder.

    Raises:
      UsageError: another one does.
    """
    return locked(folder, UsageError(f"{folder}: another process is training there; wait for it"))
