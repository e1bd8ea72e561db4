"""Warnings about critics that are stuck at chance or at certainty."""

import collections
import statistics
from collections.abc import Sequence

from dssgan.refinement.critic_losses import CriticSet

STUCK = 20  # points of a curve that make a critic's accuracy suspicious
# Single points of a critic that guesses scatter by some hundredths, with small batches by a tenth.
CHANCE, CLEAR, WILD, CERTAIN = 0.02, 0.05, 0.25, 0.98


class CriticHealth:
    """Notices critics whose accuracy has been stuck at chance or at certainty for long.

    Args:
      sources, dependency: names of the critics of single sources and of dependency critics.
      patience: points of a curve that are worth a warning.
    """

    def __init__(
        self, sources: Sequence[str], dependency: Sequence[str] = (), patience: int = STUCK
    ):
        self.patience = patience
        self._marginal = tuple(sources)
        halves = [f"{name}/{which}" for name in dependency for which in ("real", "generated")]
        names = (*sources, *halves)
        self._points = {name: collections.deque(maxlen=patience) for name in names}
        self._warned: set[tuple[str, bool]] = set()

    @classmethod
    def of(cls, critics: CriticSet) -> "CriticHealth":
        """Of all critics of a phase."""
        names = ([entry.name for entry in kind] for kind in (critics.sources, critics.dependency))
        return cls(*names)

    def __call__(self, step: int, means: dict[str, float]) -> str:
        """A warning with a hint, once until the critic recovers, or nothing.

        Args:
          means: of the metrics since the last point, named as their curves.
        """
        warnings = []
        for name, points in self._points.items():
            accuracy = means.get(f"train/critic/{name}/accuracy")
            if accuracy is None:
                continue
            points.append(accuracy)
            chance = abs(statistics.fmean(points) - 0.5)
            wild = max(abs(point - 0.5) for point in points) > WILD
            for certain, stuck, over in (
                (False, chance < CHANCE and not wild, chance > CLEAR or wild),
                (True, min(points) > CERTAIN, accuracy <= CERTAIN),
            ):
                if over:
                    self._warned.discard((name, certain))
                elif stuck and len(points) == self.patience and (name, certain) not in self._warned:
                    self._warned.add((name, certain))
                    warnings.append(self._warning(name, step, certain))
        return "; ".join(warnings)

    def _warning(self, name: str, step: int, certain: bool) -> str:
        marginal = name in self._marginal
        if certain:
            what = "real from generated" if marginal else "songs from shuffled stems"
            return (
                f"step {step}: critic {name} tells {what} every time; lower "
                "adversarial.critic_schedule.learning_rate or adversarial.critic_steps, or raise "
                "its penalty"
            )
        more = ", or check that its solo recordings sound like the source" if marginal else ""
        return (
            f"step {step}: critic {name} only guesses; raise adversarial.critic_steps, "
            f"adversarial.critic_schedule.learning_rate or its width{more}"
        )
