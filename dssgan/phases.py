"""The story of a run: a separator is trained in phases, then scored."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan import __version__, models
from dssgan.assembly import (
    Material,
    build_loop,
    build_model,
    build_rule,
    build_supervised_step,
    calibration_mixtures,
)
from dssgan.config import Config
from dssgan.exported import CONFIG, WEIGHTS
from dssgan.logs import Logs
from dssgan.refining import build_refinement, check_critics, start_from
from dssgan.remarks import Collapse, Pictures, recited
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

    def exported_by(self, phase: str) -> Path:
        """Where the separator of a phase goes: the last one's is the run's."""
        training = [name for name in self.config.phases if name != "test"]
        return self.exported if phase == training[-1] else self.folder / "separators" / phase

    def exported_before(self, phase: str) -> Path:
        """The separator that a phase starts from when it goes on from the one before."""
        before = self.config.phases[: self.config.phases.index(phase)]
        return self.exported_by([name for name in before if name != "test"][-1])

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
    check_critics(run.config)
    scores: dict[str, float] = {}
    for phase in run.config.phases:
        scores |= PHASES[phase](run)
    return scores


def supervised(run: Run) -> dict[str, float]:
    """Train on paired songs and export the best separator."""
    config = run.config
    check_batch(run, config.optimiser.accumulate)
    with run.strategy.scope():
        model = build_model(config)
        state = TrainingState(
            model,
            build_rule(config.optimiser),
            average=config.optimiser.average > 0,
            scaled=model.hyperparameters.get("precision") == "float16",
        )
        step = build_supervised_step(config, run.strategy, state)
    material = run.material(model)
    checkpoints = run.checkpoints("supervised")
    if not restored(run, "supervised", state, checkpoints):
        calibrate(run, "supervised", model, material)
    describe(run, "supervised", model)
    section = config.supervised
    return train(
        run,
        "supervised",
        step,
        state,
        material.source,
        material,
        take=lambda batch: batch["stems"],
        epochs=section.epochs,
        steps=section.steps,
    )


def refine(run: Run, phase: str) -> dict[str, float]:
    """Refine a separator by critics, by a teacher or by both, and export the best one."""
    config = run.config
    check_batch(run, 1)
    with run.strategy.scope():
        model = build_model(config)
        step, state = build_refinement(config, phase, run.strategy, model)
    material = run.material(model)
    checkpoints = run.checkpoints(phase)
    section = getattr(config, phase)
    if not restored(run, phase, state, checkpoints):
        if section.init == "scratch":
            calibrate(run, phase, model, material)
        else:
            start = run.exported_before(phase) if section.init == "supervised" else section.init
            start_from(model, start, f"{phase}.init")
            run.say(f"{phase}: starting from {start}")
        state.begin()
    source = material.refinement(phase)
    describe(run, phase, model)
    run.say(recited(phase, config, step))
    parts = ("stems", "mixtures", "solos")
    return train(
        run,
        phase,
        step,
        state,
        source,
        material,
        take=lambda batch: {name: batch[name] for name in parts},
        epochs=section.epochs,
        steps=section.steps * step.cycle,
        validate_first=section.init != "scratch",
        adopt=state.adopt,
        show=Pictures(model, source, config.tracking.listen_every, config.tracking.examples > 0),
        observe=Collapse([judge.name for judge in step.judges], [pair.name for pair in step.pairs]),
    )


def train(
    run: Run,
    phase: str,
    step: Any,
    state: TrainingState,
    source: Any,
    material: Material,
    **options,
) -> dict[str, float]:
    """Run the loop of a phase, export its best separator and return its score."""
    config, checkpoints = run.config, run.checkpoints(phase)
    logs = Logs(run.folder / "tensorboard" / phase if config.tracking.tensorboard else None)
    try:
        build_loop(
            config,
            run.strategy,
            step,
            state,
            source,
            material,
            checkpoints,
            logs,
            record=run.record,
            say=run.say,
            **options,
        ).run()
    finally:
        logs.close()
    export(run, phase, state, checkpoints)
    progress = read_progress(checkpoints.best)
    if progress.best is None:
        return {}
    return {f"validation/{config.validation.metric}": progress.best}


def check_batch(run: Run, parts: int) -> None:
    """ValueError unless every device gets as many excerpts as any other."""
    parts *= run.strategy.num_replicas_in_sync
    if run.config.data.batch % parts:
        raise ValueError(
            f"data.batch={run.config.data.batch} is not a multiple of {parts} "
            "(devices × optimiser.accumulate)"
        )


def restored(run: Run, phase: str, state: TrainingState, checkpoints: Checkpoints) -> bool:
    """Whether the phase had begun; then it goes on where it stopped."""
    if not checkpoints.last.exists():
        state.progress.phase = phase
        return False
    state.restore(checkpoints.last)
    run.say(f"{phase}: going on at step {state.progress.step}")
    return True


def calibrate(run: Run, phase: str, model: models.SeparatorModel, material: Material) -> None:
    """Fit the input statistics of a new model."""
    run.say(f"{phase}: fitting input statistics to {run.config.supervised.calibration} excerpts")
    model.calibrate(calibration_mixtures(run.config, material.calibration))


def test(run: Run) -> dict[str, float]:
    """Score the exported separator on the test songs."""
    if not (run.exported / CONFIG).exists():
        raise ValueError(
            f"{run.exported}: no exported separator to test; put a training phase before test"
        )
    return run.score(run.exported)


PHASES: dict[str, Callable[[Run], dict[str, float]]] = {
    "supervised": supervised,
    "self_training": functools.partial(refine, phase="self_training"),
    "adversarial": functools.partial(refine, phase="adversarial"),
    "test": test,
}


def describe(run: Run, phase: str, model: models.SeparatorModel) -> None:
    """Say what is going to be trained, and how to watch it."""
    config, section = run.config, getattr(run.config, phase)
    weights = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    run.say(
        f"{phase}: {config.model.name}, {weights:,} weights, {model.sample_rate} Hz; "
        f"{section.epochs} epochs of {section.steps} steps"
    )
    if config.tracking.tensorboard:
        run.say(f"curves and sound: tensorboard --logdir {run.folder / 'tensorboard'}")


def export(run: Run, phase: str, state: TrainingState, checkpoints: Checkpoints) -> None:
    """Export the best separator of a phase, unless that has been done."""
    state.restore(checkpoints.best)
    progress, folder = dataclasses.asdict(state.progress), run.exported_by(phase)
    provenance = {
        "dssgan": __version__,
        "run": run.folder.name,
        "progress": progress,
        "configuration": to_dict(run.config) | {"tracking": {}},
    }
    if _provenance(folder) != provenance:
        with state.averaged():
            Separator(state.model).save(folder, provenance)
    run.say(f"separator of epoch {state.progress.epoch}: {folder}")


def _provenance(exported: Path) -> dict | None:
    """Where the separator in a folder comes from; None where there is none."""
    if not (exported / WEIGHTS).exists():
        return None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return json.loads((exported / CONFIG).read_bytes()).get("provenance")
    return None
