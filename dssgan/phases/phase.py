"""One phase of a run as one object."""

import dataclasses
from collections.abc import Callable
from typing import Any

from dssgan.training.data import TrainingData
from dssgan.training.state import TrainingState

Hook = Callable[..., Any]


def nothing(*given: Any) -> None:
    """A hook that does nothing."""


@dataclasses.dataclass
class Phase:
    """What one phase trains, on what, and for how long.

    Attributes:
      name: "supervised", "self_training" or "adversarial".
      step: (batch, number) → {metric: scalar}; one update of weights.
      state: everything a resume needs.
      data: what the phase trains on and is validated with.
      excerpts: those of `data` that it takes; `batch(index)` → arrays and "names", pure.
      inputs: what of a batch the step takes: one array, or several as a dict.
      epochs: how many there are.
      steps: calls of the step in an epoch.
      seconds: audio in a batch.
      warmup: calls before the first epoch's own; they lengthen it.
      score_first: the weights it starts from are scored, and may be the best.
      summary: a line on what is special about it; "" without.
      on_start: called once, to fill the weights of a phase that begins.
      on_epoch: (step, board) at the end of an epoch, for pictures and sound.
      on_point: (step, means) → a warning worth a line, or ""; at every point of a curve.
      on_better: called after a validation with a better score, before the state is saved.
    """

    name: str
    step: Callable[[Any, int], dict[str, Any]]
    state: TrainingState
    data: TrainingData
    excerpts: Any
    inputs: tuple[str, ...]
    epochs: int
    steps: int
    seconds: float = 0.0
    warmup: int = 0
    score_first: bool = False
    summary: str = ""
    on_start: Hook = nothing
    on_epoch: Hook = nothing
    on_point: Hook = nothing
    on_better: Hook = nothing

    @property
    def length(self) -> int:
        """Calls of the step in the whole phase."""
        return self.warmup + self.epochs * self.steps

    def inputs_of(self, batch: dict[str, Any]) -> Any:
        """What the step takes of a batch."""
        if len(self.inputs) == 1:
            return batch[self.inputs[0]]
        return {name: batch[name] for name in self.inputs}
