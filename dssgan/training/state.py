"""Everything a resume needs, in one object and one file."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from common.files import atomic_path
from common.json_files import check_type, parse_json
from dssgan.distributed.team import Team
from dssgan.optimisers.slots import Optimiser
from dssgan.training import npz
from dssgan.training.trained import All, Trained

FORMAT = 1
ADVICE = "remove it to begin this phase again"
#: The kinds of the values of `Progress`.
PROGRESS = {
    "phase": str,
    "step": int,
    "epoch": int,
    "best": (float, type(None)),
    "best_epoch": int,
    "waited": int,
    "seconds": float,
    "finished": bool,
    "points": (int, type(None)),
    "sums": {str: {str: [float]}},
}
FIRST_LOSS_SCALE = 2.0**15


@dataclasses.dataclass
class Progress:
    """Where a phase stands; plain numbers.

    Attributes:
      phase: its name.
      step: updates done; the next batch of the excerpt stream has this index.
      epoch: epochs done, validation included.
      best: best validation score so far, None before the first.
      best_epoch: the epoch that reached it.
      waited: validations since then.
      seconds: time spent training, over all sessions.
      finished: the phase came to its end.
      points: points of curves that the run had recorded by then; None where nobody counts them.
      sums: what running means have added up so far, {"point" or "epoch": {name: [sum, number]}}.
    """

    phase: str = "supervised"
    step: int = 0
    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    seconds: float = 0.0
    finished: bool = False
    points: int | None = None
    sums: dict[str, dict[str, list[float]]] = dataclasses.field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What tells of a separator how it was trained."""
        values = dataclasses.asdict(self)
        return {name: values[name] for name in values if name not in ("points", "sums")}


class TrainingState:
    """Weights, optimiser, running average, loss scale and progress of a phase.

    Build it within the strategy's scope, after the model has its weights.

    Attributes:
      model: a dssgan.models.base.SeparatorModel.
      optimiser: its rule and slots.
      trained: which weights are trained, a `Trained`. weights: these, tf.Variables.
      averages: running averages of the weights; empty where there are none.
      loss_scale: factor of the loss and updates since it changed; empty unless in float16.
      progress: the plain numbers.
    """

    def __init__(
        self,
        model,
        rule,
        *,
        average: bool = False,
        scaled: bool = False,
        trained: Trained | None = None,
    ):
        self.model, self.trained = model, trained or All(model)
        self.weights = self.trained.weights
        self.optimiser = Optimiser(rule, self.weights)
        self.averages = [
            tf.Variable(tf.convert_to_tensor(weight), trainable=False)
            for weight in (self.weights if average else ())
        ]
        self.loss_scale = [
            tf.Variable(first, trainable=False)
            for first in ((FIRST_LOSS_SCALE, 0.0) if scaled else ())
        ]
        self.progress = Progress()

    def variables(self) -> dict[str, Any]:
        """Every variable under a name that is its own and always the same.

        Keras counts up the names of its layers within a process, so the variables are numbered in
        the order of the model. Random states of layers (dropout) are among them.
        """
        return {
            f"{group}/{place:05d}": variable
            for group, variables in self.groups().items()
            for place, variable in enumerate(variables)
        }

    def groups(self) -> dict[str, list[tf.Variable]]:
        """The variables by what they belong to."""
        return {
            "model": [variable.value for variable in self.model.variables],
            "low_rank": list(self.trained.extra),
            "optimiser": self.optimiser.variables,
            "average": self.averages,
            "loss_scale": self.loss_scale,
        }

    def begin(self) -> None:
        """Running average and optimiser begin with the weights that the phase starts from."""
        for average, weight in zip(self.averages, self.weights):
            average.assign(weight.numpy())
        for slots, weight in zip(self.optimiser.slots, self.weights):
            fresh = self.optimiser.rule.slots(tf.convert_to_tensor(weight))
            for slot, value in zip(slots, fresh):
                slot.assign(value)

    def save(self, path: str | os.PathLike) -> None:
        """Write the state to `path` (.npz) atomically."""
        arrays = {name: variable.numpy() for name, variable in self.variables().items()}
        header = {"format": FORMAT, "progress": dataclasses.asdict(self.progress)}
        with atomic_path(path, suffix=".npz") as temporary, open(temporary, "wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)

    def restore(self, path: str | os.PathLike) -> None:
        """Take over the state that `save` wrote.

        Raises:
          ValueError: the file is no checkpoint, or one of another model or optimiser.
          OSError: it cannot be read.
        """
        variables = self.variables()
        with open_checkpoint(path) as archive:
            progress = read_header(archive, path)
            known = set(archive.files) - {"header"}
            for name in sorted(known ^ set(variables)):
                where = "has" if name in known else "lacks"
                raise ValueError(
                    f"{path}: the checkpoint {where} {name}: it belongs to another model or "
                    "optimiser; resume with the configuration it was made with"
                )
            for name, variable in variables.items():
                variable.assign(npz.array(archive, name, path, tuple(variable.shape)))
        self.progress = progress

    def share(self, team: Team) -> None:
        """Take over the chief's state, bit by bit; all workers of `team` call it."""
        if team.count == 1:
            return
        for variable in self.variables().values():
            value = variable.numpy()
            data = team.copy(value.tobytes(), value.nbytes)
            if not team.chief:
                variable.assign(np.frombuffer(data, value.dtype).reshape(value.shape))
        progress = json.dumps(dataclasses.asdict(self.progress)).encode()
        self.progress = Progress(**json.loads(team.broadcast(progress)))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the model is what is validated and exported.

        It has the averaged weights, where there are any, and low-rank updates in its kernels.
        """
        kept = [weight.numpy() for weight in self.weights] if self.averages else []
        for weight, average in zip(self.weights, self.averages):
            weight.assign(average.numpy())
        try:
            with self.trained.merged():
                yield
        finally:
            for weight, value in zip(self.weights, kept):
                weight.assign(value)


def open_checkpoint(path: str | os.PathLike) -> Any:
    """An archive for `read_header` and `npz.array`; errors as of `TrainingState.restore`."""
    return npz.opened(path, "a checkpoint of this project")


def read_header(archive: Any, path: str | os.PathLike) -> Progress:
    """The plain numbers of a checkpoint; errors as of `TrainingState.restore`."""
    where = f"{path}: not a checkpoint of this project: header"
    if "header" not in archive.files:
        raise ValueError(f"{where} is missing: {ADVICE}")
    text = str(npz.array(archive, "header", path, shape=(), largest=2**20))
    header = parse_json(text, where, ADVICE, {"format": int})
    if header["format"] != FORMAT:
        raise ValueError(
            f"{path}: checkpoint format {header['format']}, this version reads {FORMAT}"
        )
    check_type(header.get("progress"), dict, f"{where}: progress", ADVICE)
    for key, value in header["progress"].items():
        if key not in PROGRESS:
            raise ValueError(f"{where}: progress: unknown key {key[:100]!r}: {ADVICE}")
        check_type(value, PROGRESS[key], f"{where}: progress: {key}", ADVICE)
        if key in ("step", "epoch", "best_epoch", "waited") and value < 0:
            raise ValueError(f"{where}: progress: {key} is below 0: {ADVICE}")
    for sums in header["progress"].get("sums", {}).values():
        if any(len(pair) != 2 or pair[1] < 1 for pair in sums.values()):
            raise ValueError(f"{where}: progress: sums: expected pairs of sum and number: {ADVICE}")
    return Progress(**header["progress"])
