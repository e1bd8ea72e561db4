"""What a phase trains on and is validated with: the contract between songs and training."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass
class TrainingData:
    """Songs of a run, at one rate and cut into excerpts of one length.

    Attributes:
      paired: excerpts of paired songs; `batch(index)` → {"stems": float32 (batch, sources,
        samples, channels), "names"}, a pure function of the index.
      calibration: likewise with other excerpts, for the input statistics.
      songs: whole songs for validation, see `dssgan.monitoring.validation.ValidationSong`.
      held_back: whole songs without stems, with `name`, `sample_rate` and `mixture()`, that stems
        are estimated of to validate with; none where `songs` have stems.
      metric: (references, estimates) → scores of the sources, higher is better; None takes the
        latest weights for the best.
      refinement: phase → excerpts that have unpaired "mixtures" and "solos" as well.
    """

    paired: Any
    calibration: Any
    songs: Sequence[Any] = ()
    metric: Callable | None = None
    refinement: Callable[[str], Any] | None = None
    held_back: Sequence[Any] = ()
