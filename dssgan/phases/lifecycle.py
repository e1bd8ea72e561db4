"""What every phase does: check, restore or start, train, export."""

import contextlib
import shlex
from pathlib import Path

import numpy as np

from common.json_files import read_json
from dssgan import __version__
from dssgan.config.mappings import to_dict
from dssgan.exports import CONFIG, WEIGHTS
from dssgan.models.base import SeparatorModel
from dssgan.phases.phase import Phase
from dssgan.phases.run import Run
from dssgan.separator import Separator
from dssgan.training.build import build_batches, build_validator
from dssgan.training.checkpoints import read_progress
from dssgan.training.data import TrainingData
from dssgan.training.loop import Loop
from dssgan.training.pipeline import calibration_mixtures
from dssgan.training.start import check_start, start_from
from dssgan.training.state import TrainingState


def train(run: Run, phase: Phase) -> dict[str, float]:
    """Train a phase to its end, export its best separator and return its score.

    A phase that had begun goes on where it stopped; one that begins calls `phase.on_start`.
    """
    config, checkpoints = run.config, run.checkpoints(phase.name)
    if run.team.chief and not restored(run, phase):
        phase.on_start()
    phase.state.share(run.team)
    describe(run, phase)
    batches = build_batches(config, phase.excerpts, phase.inputs_of, run.strategy)
    validator = build_validator(config, phase.state.model, phase.data, run.team)
    with contextlib.closing(run.tensorboard(phase.name)) as board:
        Loop(run, phase, batches, validator, board).run()
    if not run.team.chief:
        return {}
    export(run, phase)
    progress = read_progress(checkpoints.best)
    if progress.best is None:
        return {}
    return {f"validation/{config.validation.metric}": progress.best}


def check_batch(run: Run, parts: int) -> None:
    """Check that every device gets as many excerpts as any other.

    Args:
      parts: that the excerpts of a device are worked through in.

    Raises:
      ValueError: the batch cannot be cut like that.
    """
    parts *= run.strategy.num_replicas_in_sync
    if run.config.data.batch % parts:
        raise ValueError(
            f"data.batch={run.config.data.batch} is not a multiple of {parts} "
            "(devices × optimiser.accumulate)"
        )


def restored(run: Run, phase: Phase) -> bool:
    """Whether the phase had begun; then its state is that of its last checkpoint."""
    last = run.checkpoints(phase.name).last
    if not last.exists():
        phase.state.progress.phase = phase.name
        return False
    phase.state.restore(last)
    run.log(f"{phase.name}: going on at step {phase.state.progress.step}")
    return True


def calibrate(run: Run, name: str, model: SeparatorModel, data: TrainingData) -> None:
    """Fit the input statistics of a new model."""
    run.log(f"{name}: fitting input statistics to {run.config.supervised.calibration} excerpts")
    model.calibrate(calibration_mixtures(run.config, data.calibration))


def start(run: Run, name: str, init: str | Path, state: TrainingState, data: TrainingData) -> None:
    """Fill the weights of a phase that begins: new ones, or those of a separator.

    Where sources differ, the last layers of new ones have input statistics of their own.

    Args:
      init: "scratch", or a separator. state: of the phase.
    """
    model, key = state.model, f"{name}.init"
    if init == "scratch":
        calibrate(run, name, model, data)
    else:
        if check_start(model, init, key):
            calibrate(run, name, model, data)
        taken = start_from(model, init, key)
        run.log(f"{name}: starting from {init}" + (f": {taken}" if taken.layers else ""))
    state.begin()


def describe(run: Run, phase: Phase) -> None:
    """Log what is going to be trained, and how to watch it."""
    config, section, model = run.config, getattr(run.config, phase.name), phase.state.model
    weights, trained = (
        sum(int(np.prod(variable.shape)) for variable in variables)
        for variables in (model.trainable_variables, phase.state.weights)
    )
    part = "" if config.trainable == "all" else f", {trained:,} trained ({config.trainable})"
    run.log(
        f"{phase.name}: {config.model.name}, {weights:,} weights{part}, {model.sample_rate} Hz; "
        f"{section.epochs} epochs of {section.steps} steps"
    )
    if config.tracking.tensorboard:
        folder = shlex.quote(str(run.folder / "tensorboard"))
        run.log(f"curves and sound: tensorboard --logdir {folder}")
    if phase.summary:
        run.log(phase.summary)


def export(run: Run, phase: Phase) -> None:
    """Export the best separator of a phase, unless that has been done."""
    state, folder = phase.state, run.exported_by(phase.name)
    state.restore(run.checkpoints(phase.name).best)
    provenance = {
        "dssgan": __version__,
        "run": run.folder.name,
        "progress": state.progress.summary(),
        "configuration": to_dict(run.config) | {"tracking": {}},
    }
    if _provenance(folder) != provenance:
        with state.averaged():
            Separator(state.model).save(folder, provenance)
    run.log(f"separator of epoch {state.progress.epoch}: {folder}")


def _provenance(exported: Path) -> dict | None:
    """Where the separator in a folder comes from; None where there is none."""
    if not (exported / WEIGHTS).exists():
        return None
    with contextlib.suppress(OSError, ValueError):
        return read_json(exported / CONFIG).get("provenance")
    return None
