"""Train a separator: python -m dssgan.train [with FILE.yaml key=value …]

  python -m dssgan.train                                              a small one on the band
  python -m dssgan.train with data.name=musdb18 data.root=MUSDB18     the published recipe
  python -m dssgan.train with experiments/drums_small.yaml seed=2     one key changed
  python -m dssgan.train print_config with experiments/demo.yaml      every key and its value
  python -m dssgan.train with resume=runs/demo-1                      go on where a run stopped
  python -m dssgan.train with FILE.yaml compute.strategy=workers      be one of several machines

Ctrl-C and SIGTERM save the run and end it with exit code 130 or 143.
"""

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import chatter, shell
from common.files import locked
from common.shell import Misuse
from dssgan.cluster import Cluster
from dssgan.config import Config
from dssgan.interrupts import Interrupted, immediate
from dssgan.typed import nearest, to_dict

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ("--name", "--comment", "--loglevel", "--capture", "--beat-interval", "--unobserved")
OPTIONS += ("--file_storage", "--sql", "--tiny_db", "--s3", "--enforce_clean")


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code."""
    from experiments import together
    from experiments.commandline import configure, dump, run_folder, write_record

    experiment = make_experiment()
    command, updates, options = parse(experiment, list(argv))
    if command == "help":
        print(experiment.get_usage("dssgan.train")[1].replace("  dssgan", "  python -m dssgan"))
        return 0
    config, resume, origin = configure(updates)
    check(config)
    if command == "print_config":
        print(f"# from {origin}")
        print(dump(config), end="")
        return 0
    if command != "train":
        experiment.add_config(recorded(config))
        experiment.run(command, options=options)
        return 0
    check_songs(config)
    cluster = together.workers_of(config)
    if cluster and cluster.index:
        return together.assist(config, cluster)
    folder = run_folder(config, resume, origin)
    with immediate(), only_one(folder):
        write_record(folder, config)
        print(f"{folder}: configured by {origin}")
        try:
            train(experiment, config, folder, options, cluster)
        except Interrupted as stop:
            again = f": python -m dssgan.train with resume={folder}"
            if cluster:  # the others may not see the folder
                again = " the same command on all machines"
            print(f"{stop}; go on with{again}", file=sys.stderr)
            return stop.code
    return 0


def make_experiment() -> Any:
    """A Sacred experiment that knows the whole project's sources."""
    from sacred import SETTINGS, Experiment

    from experiments.tracking import add_sources, as_shown, has_git

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
      Misuse: it cannot be understood.
    """
    from docopt import DocoptExit, docopt

    commands = ("train", "print_config", "print_dependencies", "save_config", "help")
    try:
        given = docopt(experiment.get_usage()[2], argv, default_help=False)
    except DocoptExit:
        usage = "python -m dssgan.train [COMMAND] [with FILE.yaml KEY=VALUE …] [options]"
        raise Misuse(f"cannot read {' '.join(argv)!r}; usage: {usage}; see --help") from None
    command = given["COMMAND"] or "train"
    if given["help"] or given["--help"]:
        return "help", [], {}
    if "=" in command or command.endswith((".yaml", ".yml")):
        raise Misuse(f"write 'with' before the configuration: with {command} …")
    if command not in commands:
        known = ", ".join(commands)
        raise Misuse(f"unknown command {command!r}{nearest(command, commands)} (known: {known})")
    updates = list(given["UPDATE"])
    if given["--mongo_db"]:
        updates.append(f"tracking.mongo={given['--mongo_db']}")
    options = {name: given[name] for name in OPTIONS if given.get(name)}
    return command, updates, options


def check(config: Config) -> None:
    """Check names, hyperparameters and folders before anything starts.

    Raises:
      Misuse: one of them is not there.
    """
    with chatter.hidden():
        from dssgan.choices import check_choices
        from experiments.checks import check_data

    try:
        check_choices(config)
        check_data(config)
    except ValueError as error:
        raise Misuse(str(error)) from error


def check_songs(config: Config) -> None:
    """Check that no song is both learnt from and held out, before a folder is made.

    Raises:
      Misuse: one is.
    """
    from experiments.checks import check_roles

    try:
        check_roles(config)
    except ValueError as error:
        raise Misuse(str(error)) from error


def train(
    experiment: Any,
    config: Config,
    folder: Path,
    options: dict[str, Any],
    cluster: Cluster | None = None,
) -> None:
    """Run the phases under Sacred's eyes."""
    from experiments import scoring, together
    from experiments.tracking import RunFolder, mongo_observer

    together.prepare_machine(config)
    from dssgan import phases

    @experiment.main
    def train(_run):
        _run.info["tensorboard"] = str(folder / "tensorboard")
        _run.info["devices"] = together.devices()
        _run.info["workers"] = list(cluster.addresses) if cluster else []
        run = together.story(
            config,
            folder,
            cluster,
            record=lambda name, value, step: _run.log_scalar(name, float(value), step),
        )
        scores = phases.tell(run)
        _run.info["scores"] = scoring.song_scores(folder / "scores")
        for path in scoring.artefacts(folder):
            _run.add_artifact(path, str(path.relative_to(folder)))
        return {name: float(value) for name, value in scores.items()}  # NumPy would be pickled

    experiment.observers = [RunFolder(folder)]
    if config.tracking.mongo:
        mongo = mongo_observer(config.tracking.mongo, folder)
        experiment.observers += [mongo] if mongo else []
    experiment.add_config(recorded(config))
    experiment.run("train", options=options)


def recorded(config: Config) -> dict[str, Any]:
    """The configuration as it may be shown to anybody."""
    from experiments.tracking import redacted

    values = to_dict(config)
    values["tracking"]["mongo"] = redacted(config.tracking.mongo)
    return values


def only_one(folder: Path) -> contextlib.AbstractContextManager[None]:
    """One process at a time trains in a run folder.

    Raises:
      Misuse: another one does.
    """
    return locked(folder, Misuse(f"{folder}: another process is training there; wait for it"))


if __name__ == "__main__":
    shell.run(main)
