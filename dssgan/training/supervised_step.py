"""One tf.function per kind of update; each returns a flat dict of named scalars."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dssgan.optimisers.update import Update, plain_gradients, replica_means
from dssgan.training.state import TrainingState

Loss = Callable[..., tuple[tf.Tensor, dict[str, tf.Tensor]]]


class SupervisedStep:
    """One update of a separator from mixtures whose stems are known.

    Under a strategy with several replicas each one works on its part of the batch, and losses and
    gradients are averaged over them. Terms of a loss that couple the excerpts of a batch (the
    dissimilarity and similarity of latents, the mean over active excerpts) then couple the excerpts
    of one replica only, as they do in the original; with `accumulate` > 1 those of one part.

    A step whose loss or gradients are not finite changes no weight; whoever watches the returned
    "loss" and "gradient_norm" decides what it means.

    Args:
      state: what is updated.
      loss: (outputs, references, mixture) → (scalar, {part: scalar}), a dssgan.losses function.
      update: changes the weights along their gradients.
      accumulate: parts of a batch that are worked through one after the other.
      xla: compile the step.
      strategy: the tf.distribute strategy the state was built under.
    """

    def __init__(
        self,
        state: TrainingState,
        loss: Loss,
        update: Update,
        *,
        accumulate: int = 1,
        xla: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.state, self.loss, self.update, self.accumulate = state, loss, update, accumulate
        self.strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        # Replicas meet between gradients and update, which XLA cannot compile on their behalf:
        # several replicas compile the gradients alone, a single one everything.
        alone = self.replicas == 1
        self._gradients = tf.function(self._part, jit_compile=xla and not alone, autograph=False)
        self._run = tf.function(self._update, jit_compile=xla and alone, autograph=False)

    def __call__(self, stems: Any, step: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """Update once.

        Args:
          stems: float32 (batch, sources, samples, channels), or one such part per replica.
          step: updates done before this one, a number or an int64 scalar.

        Returns:
          "loss", its parts as "loss/part", "gradient_norm" before clipping, "learning_rate", and
          "loss_scale" in float16: float32 scalars.
        """
        return self._run(stems, tf.convert_to_tensor(step, tf.int64))

    @property
    def traces(self) -> int:
        """How often the update was traced."""
        return self._run.experimental_get_tracing_count()

    def _update(self, stems: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
        results = self.strategy.run(self._replica, args=(stems, step))
        local = self.strategy.experimental_local_results
        return {name: local(value)[0] for name, value in results.items()}

    def _replica(self, stems: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        metrics, gradients = replica_means(self._accumulated(stems), self.replicas)
        return metrics | self.update(gradients, metrics["loss"], step)

    def _accumulated(self, stems: tf.Tensor) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Metrics and gradients, averaged over the parts of the batch."""
        if self.accumulate == 1:
            return self._gradients(stems) if self.replicas > 1 else self._part(stems)
        shape = stems.shape.as_list()
        if shape[0] % self.accumulate:
            raise ValueError(f"{shape[0]} excerpts cannot be worked through in {self.accumulate}")
        parts = tf.reshape(stems, [self.accumulate, shape[0] // self.accumulate, *shape[1:]])

        def add(index: tf.Tensor, sums: Any) -> tuple[tf.Tensor, Any]:
            more = self._gradients(parts[index])
            return index + 1, tf.nest.map_structure(tf.add, sums, more)

        first = self._gradients(parts[0])
        _, sums = tf.while_loop(
            lambda index, _: index < self.accumulate,
            add,
            (tf.constant(1), first),
            parallel_iterations=1,
        )
        return tf.nest.map_structure(lambda value: value / self.accumulate, sums)

    def _part(self, stems: tf.Tensor) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Metrics and gradients of excerpts that are worked through at once."""
        mixture = tf.reduce_sum(stems, axis=1)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.state.weights)
            with self.state.trained.applied():
                outputs = self.state.model.training_estimates(mixture, stems)
            loss, parts = self.loss(outputs, stems, mixture)
            target = loss * self.state.loss_scale[0] if self.state.loss_scale else loss
        gradients = plain_gradients(tape, target, self.state.weights)
        metrics = {"loss": loss} | {f"loss/{name}": value for name, value in parts.items()}
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}, gradients
