"""Reads what the steps returned without making the device wait; stops where it is not a number."""

import collections
import math
from collections.abc import Iterator
from typing import Any

LAG = 2  # steps; a result that old is there already
SMALLEST_LOSS_SCALE = 2.0**-10


class NonFiniteLoss(ValueError):
    """Training diverged; the message names the songs of the batch."""


class StepResults:
    """The results of the latest steps, on their way from the device.

    Args:
      source: excerpts; `source.batch(index)["names"]` tells which songs a batch came from.
    """

    def __init__(self, source: Any):
        self.source = source
        self._pending: collections.deque = collections.deque()

    def add(self, index: int, metrics: dict[str, Any]) -> None:
        """Take what step `index` returned; nothing is read yet."""
        self._pending.append((index, metrics))

    def take(self, lag: int = LAG) -> Iterator[dict[str, float]]:
        """Read the results that at least `lag` steps followed.

        Raises:
          NonFiniteLoss: a loss or a gradient is not finite.
        """
        while len(self._pending) > lag:
            index, metrics = self._pending.popleft()
            values = {name: float(value) for name, value in metrics.items()}
            self._check(index, values)
            # In float16 a gradient may overflow; that step was skipped.
            yield {name: value for name, value in values.items() if math.isfinite(value)}

    def _check(self, index: int, values: dict[str, float]) -> None:
        loss = values.get("loss", values.get("critic/loss"))
        norm = values.get("gradient_norm", values.get("critic/gradient_norm", 0.0))
        scale = values.get("loss_scale")
        acceptable = math.isfinite(norm) if scale is None else scale >= SMALLEST_LOSS_SCALE
        if math.isfinite(loss) and acceptable:
            return
        names = list(dict.fromkeys(map(str, self.source.batch(index)["names"])))
        raise NonFiniteLoss(
            f"step {index}: the loss is {loss:g} and the norm of its gradient {norm:g} "
            f"on the batch {', '.join(names)}; the last checkpoint stays: listen to these songs, "
            "or train with a lower learning_rate in the schedule or a lower optimiser.clip"
        )
