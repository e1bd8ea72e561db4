"""What a refinement tells about itself: a line, pictures and sound, remarks on its critics."""

import collections
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan.config import Config
from dssgan.logs import Logs
from dssgan.models.base import SeparatorModel
from dssgan.refine import RefinementStep
from dssgan.relabel import scaled

STUCK = 20  # points of a curve that make a critic's accuracy suspicious
# Single points of a critic that guesses scatter by some hundredths, with small batches by a tenth.
CHANCE, CLEAR, WILD, CERTAIN = 0.02, 0.05, 0.25, 0.98


def recited(phase: str, config: Config, step: RefinementStep) -> str:
    """What refines the separator, in a line."""
    parts = []
    if step.critic_steps:
        names = [judge.name for judge in (*step.judges, *step.pairs)]
        size = sum(int(np.prod(v.shape)) for c in step.state.critics for v in c.trainable_variables)
        parts.append(f"critics {', '.join(names)} ({size:,} weights)")
    if phase == "adversarial":
        parts.append(f"alpha={config.alpha:g}, beta={config.beta:g}")
    if step.teaching:
        parts.append(f"teacher: {config.self_training.teacher}")
    return f"{phase}: {'; '.join(parts)}"


class Pictures:
    """Sound and spectrogram of real solos and of what the separator makes of unpaired mixtures."""

    def __init__(self, model: SeparatorModel, source: Any, every: int, wanted: bool):
        self.model, self.source, self.every, self.wanted = model, source, every, wanted
        self._done = 0

    def __call__(self, step: int, logs: Logs) -> None:
        """Show the first excerpt of the first batch."""
        due = self._done < self.every or self._done % self.every == 0
        self._done += 1
        if not (self.wanted and due and logs.folder):
            return
        batch = self.source.batch(0)
        mixture = batch["mixtures"][:1]
        estimates = self.model(tf.constant(mixture), training=False)
        estimates = scaled(self.model, estimates, mixture).numpy()[0]
        sounds = {"mixture": mixture[0]}
        for source, estimate in zip(self.model.sources, estimates):
            sounds[f"{source}/generated"] = estimate
            if source in batch["solos"]:
                sounds[f"{source}/real"] = batch["solos"][source][0]
        logs.sounds(step, "unpaired", sounds, self.model.sample_rate)


class Collapse:
    """Notices critics whose accuracy has been stuck at chance or at certainty for long.

    Args:
      judges, pairs: names of the critics of single sources and of dependency critics.
      patience: points of a curve that are a stretch worth a remark.
    """

    def __init__(self, judges: Sequence[str], pairs: Sequence[str] = (), patience: int = STUCK):
        self.patience = patience
        self._marginal = tuple(judges)
        halves = [f"{name}/{which}" for name in pairs for which in ("real", "generated")]
        names = (*judges, *halves)
        self._points = {name: collections.deque(maxlen=patience) for name in names}
        self._told: set[tuple[str, bool]] = set()

    def __call__(self, step: int, means: dict[str, float]) -> str:
        """A remark with a hint, once per stretch, or nothing.

        Args:
          means: of the metrics since the last point, named as their curves.
        """
        remarks = []
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
                    self._told.discard((name, certain))
                elif stuck and len(points) == self.patience and (name, certain) not in self._told:
                    self._told.add((name, certain))
                    remarks.append(self._remark(name, step, certain))
        return "; ".join(remarks)

    def _remark(self, name: str, step: int, certain: bool) -> str:
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
