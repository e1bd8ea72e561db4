"""From gradients to changed weights: means over replicas, clipping, averages, loss scale.

Everything here runs in replica context within a tf.function; every replica computes the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from dssgan.optimisers.slots import Optimiser

STEPS_TO_DOUBLE = 2000.0  # updates without an overflow after which the loss scale doubles


class Update:
    """Changes the weights of an optimiser along their gradients, unless they are not finite.

    Args:
      optimiser: its weights are changed.
      schedule: update (int64 scalar) → learning rate.
      clip: largest norm of all gradients together; 0 does not clip.
      averages: running averages of the weights; none where empty.
      average: their decay.
      loss_scale: factor that the gradients carry and updates since it changed; empty without.
    """

    def __init__(
        self,
        optimiser: Optimiser,
        schedule: Callable[[tf.Tensor], tf.Tensor],
        *,
        clip: float = 0.0,
        averages: Sequence[tf.Variable] = (),
        average: float = 0.0,
        loss_scale: Sequence[tf.Variable] = (),
    ):
        self.optimiser, self.schedule, self.clip = optimiser, schedule, clip
        self.averages, self.average, self.loss_scale = averages, average, loss_scale

    def __call__(
        self, gradients: list[tf.Tensor], loss: tf.Tensor, step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Update once.

        Args:
          gradients: one per weight, the same on every replica.
          loss: not finite: nothing changes.
          step: updates done before this one, for the schedule.

        Returns:
          "gradient_norm" before clipping, "learning_rate", and "loss_scale" where there is one.
        """
        scale = tf.convert_to_tensor(self.loss_scale[0]) if self.loss_scale else None
        if scale is not None:
            gradients = [gradient / scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        if self.clip:
            factor = tf.minimum(1.0, self.clip / (norm + 1e-6))
            gradients = [gradient * factor for gradient in gradients]
        rate = self.schedule(step)
        assign(self._changes(gradients, rate, finite) + self._rescale(finite))
        metrics = {"gradient_norm": norm, "learning_rate": rate}
        return metrics if scale is None else metrics | {"loss_scale": scale}

    def _changes(self, gradients: list[tf.Tensor], rate: tf.Tensor, finite: tf.Tensor) -> list:
        """(variable, new value) of weights, slots, count and averages."""
        optimiser = self.optimiser
        count = tf.convert_to_tensor(optimiser.count)
        values = [tf.convert_to_tensor(weight) for weight in optimiser.weights]
        slots = [[tf.convert_to_tensor(slot) for slot in group] for group in optimiser.slots]
        new_values, new_slots = optimiser.rule.update(values, gradients, slots, count, rate)
        changes = [(optimiser.count, count, count + 1)]
        changes += zip(optimiser.weights, values, new_values)
        for variables, old, new in zip(optimiser.slots, slots, new_slots):
            changes += zip(variables, old, new)
        if self.averages:
            # A young average follows faster, so that it forgets where it started.
            done = tf.cast(count, tf.float32)
            follow = 1.0 - tf.minimum(self.average, (1.0 + done) / (10.0 + done))
            for variable, new in zip(self.averages, new_values):
                old = tf.convert_to_tensor(variable)
                changes.append((variable, old, old + follow * (new - old)))
        return [(variable, tf.where(finite, new, old)) for variable, old, new in changes]

    def _rescale(self, finite: tf.Tensor) -> list:
        """The loss scale halves after an overflow and doubles after many updates without one."""
        if not self.loss_scale:
            return []
        scale, steps_since_overflow = (
            tf.convert_to_tensor(variable) for variable in self.loss_scale
        )
        rise = steps_since_overflow + 1.0 >= STEPS_TO_DOUBLE
        new_scale = tf.where(finite, tf.where(rise, scale * 2.0, scale), scale * 0.5)
        new_steps = tf.where(finite & ~rise, steps_since_overflow + 1.0, 0.0)
        return list(zip(self.loss_scale, (new_scale, new_steps)))


def replica_means(values: Any, replicas: int) -> Any:
    """The same nest of tensors, averaged over the replicas."""
    if replicas == 1:
        return values
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def plain_gradients(tape: tf.GradientTape, target: Any, weights: Sequence[Any], **options) -> list:
    """Dense gradients, zero where a weight has no part in the target."""
    gradients = tape.gradient(
        target, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO, **options
    )
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def assign(changes: Sequence[tuple[tf.Variable, tf.Tensor]]) -> None:
    """Assign in replica context; every replica holds the same new values."""
    variables = [variable for variable, _ in changes]
    values = [value for _, value in changes]
    if not tf.distribute.has_strategy():
        for variable, value in zip(variables, values):
            variable.assign(value)
        return

    def merged(strategy: tf.distribute.Strategy, values: list) -> None:
        for variable, value in zip(variables, values):
            strategy.extended.update(variable, lambda own, new: own.assign(new), args=(value,))

    tf.distribute.get_replica_context().merge_call(merged, args=(values,))
