"""What a phase trains on and is validated with: the contract between songs and training."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from dssgan.monitoring.validation import Metric, Song


@dataclasses.dataclass
class TrainingData:
    """What training listens to.

    Attributes:
      source: excerpts of paired songs; `batch(index)` → {"stems", "names"}, a pure function.
      calibration: a like source with other excerpts, for the input statistics.
      songs: whole songs for validation.
      metric: their score; None takes the latest weights for the best.
      refinement: phase → a like source that has "mixtures" and "solos" as well (`Together`).
    """

    source: Any
    calibration: Any
    songs: Sequence[Song] = ()
    metric: Metric | None = None
    refinement: Callable[[str], Any] | None = None
