"""The story of a run: a separator is trained in phases, then scored."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from dssgan import __version__, models
from dssgan.assembly import Material, build_loop, build_model, build_rule, calibration_mixtures
from dssgan.config import Config
from dssgan.exported import CONFIG, WEIGHTS
from dssgan.logs import Logs
from dssgan.separator import Separator
from dssgan.state import Checkpoints, TrainingState, read_progress
from dssgan.typed import to_dict


@dataclasses.dataclass
class Run:
    """One run and where it lives.

    Attributes:
      config: what was asked for.
      folder: the run folder.
      material: model → its `Material`.
      score: folder of an exported separator → scores of the test songs.
      record: (name, value, step) of figures worth keeping.
      say: prints a line.
    """

    config: Config
    folder: Path
    material: Callable[[models.SeparatorModel], Material]
    score: Callable[[Path], dict[str, float]]
    record: Callable[[str, float, int], None] = lambda name, value, step: None
    say: Callable[[str], None] = print

    @property
    def exported(self) -> Path:
        """Where the trained separator goes."""
        return self.folder / "separator"

    def checkpoints(self, phase: str) -> Checkpoints:
        """The files of a phase."""
        return Checkpoints(self.folder / "checkpoints" / phase, self.config.checkpoint.keep)

    @functools.cached_property
    def strategy(self) -> tf.distribute.Strategy:
        """The devices that work together."""
        several = len(tf.config.list_logical_devices("GPU")) > 1
        wanted = self.config.compute.strategy
        if wanted == "mirrored" or (wanted == "auto" and several):
            return tf.distribute.MirroredStrategy()
        return tf.distribute.get_strategy()


def tell(run: Run) -> dict[str, float]:
    """Run the phases in order; what is done already is not done again. Returns the scores."""
    scores: dict[str, float] = {}
    for phase in run.config.phases:
        scores |= PHASES[phase](run)
    return scores


def supervised(run: Run) -> dict[str, float]:
    """Train on paired songs and export the best separator."""
    config, strategy = run.config, run.strategy
    checkpoints = run.checkpoints("supervised")
    parts = strategy.num_replicas_in_sync * config.optimiser.accumulate
    if config.data.batch % parts:
        raise ValueError(
            f"data.batch={config.data.batch} is not a multiple of {parts} "
            "(devices × optimiser.accumulate)"
        )
    with strategy.scope():
        model = build_model(config)
        state = TrainingState(
            model,
            build_rule(config),
            average=config.optimiser.average > 0,
            scaled=model.hyperparameters.get("precision") == "float16",
        )
    material = run.material(model)
    if checkpoints.last.exists():
        state.restore(checkpoints.last)
        run.say(f"supervised: going on at step {state.progress.step}")
    else:
        run.say(f"supervised: fitting input statistics to {config.supervised.calibration} excerpts")
        model.calibrate(calibration_mixtures(config, material.calibration))
    logs = Logs(run.folder / "tensorboard" / "supervised" if config.tracking.tensorboard else None)
    loop = build_loop(
        config, strategy, state, material, checkpoints, logs, record=run.record, say=run.say
    )
    describe(run, model)
    try:
        loop.run()
    finally:
        logs.close()
    export(run, state, checkpoints)
    progress = read_progress(checkpoints.best)
    if progress.best is None:
        return {}
    return {f"validation/{config.validation.metric}": progress.best}


def test(run: Run) -> dict[str, float]:
    """Score the exported separator on the test songs."""
    if not (run.exported / CONFIG).exists():
        raise ValueError(
            f"{run.exported}: no exported separator to test; put a training phase before test"
        )
    return run.score(run.exported)


PHASES: dict[str, Callable[[Run], dict[str, float]]] = {"supervised": supervised, "test": test}


def describe(run: Run, model: models.SeparatorModel) -> None:
    """Say what is going to be trained, and how to watch it."""
    config = run.config
    weights = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    run.say(
        f"supervised: {config.model.name}, {weights:,} weights, {model.sample_rate} Hz; "
        f"{config.supervised.epochs} epochs of {config.supervised.steps} steps"
    )
    if config.tracking.tensorboard:
        run.say(f"curves and sound: tensorboard --logdir {run.folder / 'tensorboard'}")


def export(run: Run, state: TrainingState, checkpoints: Checkpoints) -> None:
    """Export the best separator of a phase, unless that has been done."""
    state.restore(checkpoints.best)
    progress = dataclasses.asdict(state.progress)
    provenance = {
        "dssgan": __version__,
        "run": run.folder.name,
        "progress": progress,
        "configuration": to_dict(run.config) | {"tracking": {}},
    }
    if _provenance(run.exported) != provenance:
        with state.averaged():
            Separator(state.model).save(run.exported, provenance)
    run.say(f"separator of epoch {state.progress.epoch}: {run.exported}")


def _provenance(exported: Path) -> dict | None:
    """Where the separator in a folder comes from; None where there is none."""
    if not (exported / WEIGHTS).exists():
        return None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return json.loads((exported / CONFIG).read_bytes()).get("provenance")
    return None
