"""Which points of a sweep are not worth being trained to their end."""

import dataclasses
import statistics
from collections.abc import Sequence

from experiments.sweep.run_state import Curve


@dataclasses.dataclass(frozen=True)
class Pruning:
    """When a point is ended early; see `below_median`.

    Attributes:
      metric: of the validation, "validation/si_sdr".
      others: points that it must be worse than the median of; 0 ends none.
      patience: validations that a point has at least.
    """

    metric: str
    others: int = 0
    patience: int = 1

    def reason(self, curve: Curve, peers: Sequence[Curve]) -> str:
        """Why a point is given up; "" where it goes on."""
        return below_median(curve, peers, self.others, self.patience)


def below_median(curve: Curve, peers: Sequence[Curve], others: int, patience: int) -> str:
    """Why a point is given up; "" where it goes on.

    After the median stopping rule of Google Vizier (Golovin et al. 2017, section 3.2.2), with the
    others' best scores in place of their means: the best score up to an update is below the median
    of the best that the others had up to the same update.

    Args:
      curve: (update, score) of the point.
      peers: of the others; those that did not come so far do not count.
      others: so many must count.
      patience: validations that the point has at least.
    """
    if len(curve) <= patience:
        return ""
    update = curve[-1][0]
    bests = [
        max(score for step, score in peer if step <= update)
        for peer in peers
        if peer and peer[0][0] <= update <= peer[-1][0]
    ]
    best = max(score for _, score in curve)
    if len(bests) < others or best >= statistics.median(bests):
        return ""
    middle = statistics.median(bests)
    return f"{best:.2f} after {update} updates, median of {len(bests)} others {middle:.2f}"
