"""One run: its folder, its devices, and what every phase of it does before and after training."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from dssgan import __version__, models
from dssgan.assembly import Material, calibration_mixtures
from dssgan.config import Config
from dssgan.exported import CONFIG, WEIGHTS
from dssgan.separator import Separator
from dssgan.state import Checkpoints, TrainingState
from dssgan.typed import to_dict
from dssgan.workers import Team


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
      team: the workers that train together.
    """

    config: Config
    folder: Path
    material: Callable[[models.SeparatorModel], Material]
    score: Callable[[Path], dict[str, float]]
    record: Callable[[str, float, int], None] = lambda name, value, step: None
    say: Callable[[str], None] = print
    team: Team = dataclasses.field(default_factory=Team)

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
        if self.team.strategy is not None:
            return self.team.strategy
        several = len(tf.config.list_logical_devices("GPU")) > 1
        wanted = self.config.compute.strategy
        if wanted == "mirrored" or (wanted == "auto" and several):
            return tf.distribute.MirroredStrategy()
        return tf.distribute.get_strategy()


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
