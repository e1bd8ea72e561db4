"""What every phase does: check, restore, calibrate, train, export."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from dssgan import __version__, models
from dssgan.config.mappings import to_dict
from dssgan.exports import CONFIG, WEIGHTS
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.phases.run import Run
from dssgan.separator import Separator
from dssgan.training.build import build_loop
from dssgan.training.checkpoints import Checkpoints, read_progress
from dssgan.training.data import TrainingData
from dssgan.training.pipeline import calibration_mixtures
from dssgan.training.state import TrainingState


def train(
    run: Run,
    phase: str,
    step: Any,
    state: TrainingState,
    source: Any,
    material: TrainingData,
    **options,
) -> dict[str, float]:
    """Run the loop of a phase, export its best separator and return its score."""
    config, checkpoints = run.config, run.checkpoints(phase)
    curves = config.tracking.tensorboard and run.team.chief
    logs = TensorBoard(run.folder / "tensorboard" / phase if curves else None)
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
            team=run.team,
            **options,
        ).run()
    finally:
        logs.close()
    if not run.team.chief:
        return {}
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


def calibrate(run: Run, phase: str, model: models.SeparatorModel, material: TrainingData) -> None:
    """Fit the input statistics of a new model."""
    run.say(f"{phase}: fitting input statistics to {run.config.supervised.calibration} excerpts")
    model.calibrate(calibration_mixtures(run.config, material.calibration))


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
