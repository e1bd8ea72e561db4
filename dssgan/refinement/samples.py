"""Sound and pictures of unpaired songs for TensorBoard."""

from typing import Any

import tensorflow as tf

from dssgan.config.schema import Tracking
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.refinement.scale import scaled
from dssgan.training.state import TrainingState


class Samples:
    """Sound and spectrogram of real solos and of what the separator makes of unpaired mixtures."""

    def __init__(self, state: TrainingState, excerpts: Any, tracking: Tracking):
        """Of the first excerpt of `excerpts`, as often as `tracking` says."""
        self.state, self.model, self.excerpts = state, state.model, excerpts
        self.every, self.wanted = tracking.listen_every, tracking.examples > 0
        self._done = 0

    def __call__(self, step: int, board: TensorBoard) -> None:
        """Show the first excerpt of the first batch."""
        due = self._done < self.every or self._done % self.every == 0
        self._done += 1
        if not (self.wanted and due and board.folder):
            return
        batch = self.excerpts.batch(0)
        mixture = batch["mixtures"][:1]
        with self.state.trained.applied():
            estimates = self.model(tf.constant(mixture), training=False)
        estimates = scaled(self.model, estimates, mixture).numpy()[0]
        sounds = {"mixture": mixture[0]}
        for source, estimate in zip(self.model.sources, estimates):
            sounds[f"{source}/generated"] = estimate
            if source in batch["solos"]:
                sounds[f"{source}/real"] = batch["solos"][source][0]
        board.sounds(step, "unpaired", sounds, self.model.sample_rate)
