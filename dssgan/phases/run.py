"""One run: its configuration, folder and devices, and where its phases leave what they made."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from dssgan.config.schema import Config
from dssgan.distributed.team import Team
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.training.checkpoints import Checkpoints
from dssgan.training.data import TrainingData


@dataclasses.dataclass
class Run:
    """One run and where it lives.

    Attributes:
      config: what was asked for.
      folder: the run folder.
      training_data: (sample rate in Hz, samples of an excerpt) → `TrainingData`.
      score: folder of an exported separator → scores of the test songs.
      record: (name, value, step) of figures worth keeping.
      settle: brings them to disk; returns how many there are by then, None where nobody counts.
      log: prints a line.
      team: the workers that train together.
    """

    config: Config
    folder: Path
    training_data: Callable[[int, int], TrainingData]
    score: Callable[[Path], dict[str, float]]
    record: Callable[[str, float, int], None] = lambda name, value, step: None
    settle: Callable[[], int | None] = lambda: None
    log: Callable[[str], None] = print
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
        """The checkpoint files of a phase."""
        return Checkpoints(self.folder / "checkpoints" / phase, self.config.checkpoint.keep)

    def tensorboard(self, phase: str) -> TensorBoard:
        """Where the curves of a phase go; nowhere unless this worker is the chief."""
        wanted = self.config.tracking.tensorboard and self.team.chief
        return TensorBoard(self.folder / "tensorboard" / phase if wanted else None)

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
