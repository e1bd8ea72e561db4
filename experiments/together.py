"""A run on this machine, or as one of several that train together."""

import os
import sys
from pathlib import Path
from typing import Any

from common import chatter
from common.shell import Misuse
from dssgan import __version__
from dssgan.cluster import Cluster, wanted_cluster
from dssgan.config import Config
from dssgan.consistency import decisive
from dssgan.interrupts import Interrupted, immediate


def workers_of(config: Config) -> Cluster | None:
    """The workers that train together, where the configuration asks for several machines.

    Raises:
      Misuse: TF_CONFIG or SLURM say something else.
    """
    try:
        return wanted_cluster(config.compute.strategy, config.compute.workers)
    except ValueError as error:
        raise Misuse(str(error)) from error


def assist(config: Config, cluster: Cluster) -> int:
    """Be one of the workers that write nothing; returns the exit code."""
    prepare_machine(config)
    from dssgan import phases

    place = Path(config.tracking.folder) / (config.name or "run")
    with immediate():
        try:
            phases.tell(story(config, place, cluster, say=lambda line: None))
        except Interrupted as stop:
            print(f"worker {cluster.index}: {stop}", file=sys.stderr)
            return stop.code
    print(f"worker {cluster.index}: done")
    return 0


def story(config: Config, folder: Path, cluster: Cluster | None, **options: Any) -> Any:
    """The run of a configuration, on this machine or together with others."""
    from dssgan import phases, workers
    from experiments import material, scoring

    team = workers.Team()
    if cluster:
        told = {"version": __version__, **decisive(config)}
        team = workers.assemble(cluster, told, seconds=config.compute.wait)
    return phases.Run(
        config,
        folder,
        lambda model: material.for_training(config, model, options.get("say", print)),
        lambda separator: scoring.test_scores(config, separator, folder / "scores"),
        team=team,
        **options,
    )


def devices() -> list[str]:
    """What computes: the GPUs by name, or the CPU."""
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    gpus = tf.config.list_physical_devices("GPU")
    names = [f"GPU {details(gpu).get('device_name', gpu.name)}" for gpu in gpus]
    return names or [f"CPU, {os.cpu_count()} cores"]


def prepare_machine(config: Config) -> None:
    """Tell TensorFlow how to use the machine; before it computes anything."""
    import tensorflow as tf

    with chatter.hidden():
        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if config.compute.deterministic:
        tf.config.experimental.enable_op_determinism()
