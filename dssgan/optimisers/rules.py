"""How gradients change weights: pure functions of tensors, and the slots they keep in between.

A rule maps (values, gradients, slots, count) to new values and new slots; it holds no variables, so
that the whole update can be compiled, replicated or exported. `Optimiser` keeps a rule's slots.
"""

import tensorflow as tf

from common.suggest import nearest

Tensors = list[tf.Tensor]


class Rule:
    """What every rule here keeps: running means of the gradients and of their squares.

    Args:
      beta_1, beta_2: decay of those means, 0 ≤ beta < 1.
      epsilon: added to the root that divides.
      weight_decay: weights shrink by learning rate · weight_decay before a step.

    Raises:
      ValueError: a number is out of its range; the message starts with the dotted key.
    """

    def __init__(self, beta_1: float, beta_2: float, epsilon: float, weight_decay: float):
        for key, value in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= value < 1:
                raise ValueError(f"optimiser.{key}={value}: expected 0 ≤ {key} < 1")
        for key, value in (("epsilon", epsilon), ("weight_decay", weight_decay)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"optimiser.{key}={value}: expected a finite number from 0")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.weight_decay = weight_decay

    def slots(self, value: tf.Tensor) -> Tensors:
        """The slots of one weight before the first step: m and v."""
        return [tf.zeros_like(value), tf.zeros_like(value)]

    def moments(self, gradient: tf.Tensor, m: tf.Tensor, v: tf.Tensor) -> Tensors:
        """m and v after this gradient."""
        m = self.beta_1 * m + (1.0 - self.beta_1) * gradient
        return [m, self.beta_2 * v + (1.0 - self.beta_2) * tf.square(gradient)]


class Ranger(Rule):
    """RAdam (arXiv 1908.03265) with Lookahead (arXiv 1907.08610) and decoupled weight decay.

    Step t, with r∞ = 2 / (1 − β2) − 1 and r = r∞ − 2 t β2^t / (1 − β2^t): where r > 5 the step is
    adaptive, lr √((1 − β2^t) (r − 4) / (r∞ − 4) (r − 2) / r · r∞ / (r∞ − 2)) / (1 − β1^t) · m /
    (√v + ε), otherwise it is lr / (1 − β1^t) · m. Weights shrink by lr · weight_decay before it.
    Every `lookahead_period`-th step the slow weights go `lookahead_ratio` of the way to the fast
    ones, which then start again from there; 0 has no slow weights (plain RAdam).
    """

    def __init__(
        self,
        beta_1: float = 0.95,
        beta_2: float = 0.999,
        epsilon: float = 1e-5,
        weight_decay: float = 0.0,
        lookahead_period: int = 6,
        lookahead_ratio: float = 0.5,
    ):
        super().__init__(beta_1, beta_2, epsilon, weight_decay)
        self.lookahead_period, self.lookahead_ratio = lookahead_period, lookahead_ratio

    def slots(self, value: tf.Tensor) -> Tensors:
        """The slots of one weight before the first step: m, v and the slow weight."""
        return super().slots(value) + ([tf.identity(value)] if self.lookahead_period else [])

    def update(
        self,
        values: Tensors,
        gradients: Tensors,
        slots: list[Tensors],
        count: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tuple[Tensors, list[Tensors]]:
        """One step; `count` (int64) is the number of steps before it."""
        step = count + 1
        time = tf.cast(step, tf.float64)  # β2^t loses r's digits in float32
        power_1, power_2 = self.beta_1**time, self.beta_2**time
        longest = 2.0 / (1.0 - self.beta_2) - 1.0
        length = longest - 2.0 * time * power_2 / (1.0 - power_2)
        adaptive = length > 5.0
        safe = tf.where(adaptive, length, tf.constant(6.0, tf.float64))
        ratio = (safe - 4.0) / (longest - 4.0) * (safe - 2.0) / safe * longest / (longest - 2.0)
        rate = tf.cast(learning_rate, tf.float64)
        size_adaptive = tf.cast(
            rate * tf.sqrt((1.0 - power_2) * ratio) / (1.0 - power_1), tf.float32
        )
        size_plain = tf.cast(rate / (1.0 - power_1), tf.float32)
        shrink = tf.cast(1.0 - rate * self.weight_decay, tf.float32)
        if self.lookahead_period:
            meet = tf.equal(step % self.lookahead_period, 0)

        new_values, new_slots = [], []
        for value, gradient, (m, v, *slow) in zip(values, gradients, slots, strict=True):
            m, v = self.moments(gradient, m, v)
            change = tf.where(
                adaptive, size_adaptive * m / (tf.sqrt(v) + self.epsilon), size_plain * m
            )
            value = value * shrink - change if self.weight_decay else value - change
            if slow:
                ahead = slow[0] + self.lookahead_ratio * (value - slow[0])
                slow = [tf.where(meet, ahead, slow[0])]
                value = tf.where(meet, ahead, value)
            new_values.append(value)
            new_slots.append([m, v, *slow])
        return new_values, new_slots


class Adam(Rule):
    """Adam (arXiv 1412.6980) with decoupled weight decay (arXiv 1711.05101).

    It has no lookahead: `lookahead_period` must be 0.
    """

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        lookahead_period: int = 0,
    ):
        if lookahead_period:
            raise ValueError("optimiser adam has no lookahead: set optimiser.lookahead_period=0")
        super().__init__(beta_1, beta_2, epsilon, weight_decay)

    def update(
        self,
        values: Tensors,
        gradients: Tensors,
        slots: list[Tensors],
        count: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tuple[Tensors, list[Tensors]]:
        """One step; `count` (int64) is the number of steps before it."""
        time = tf.cast(count + 1, tf.float64)
        rate = tf.cast(learning_rate, tf.float64)
        size = tf.cast(rate / (1.0 - self.beta_1**time), tf.float32)
        correction = tf.cast(1.0 / tf.sqrt(1.0 - self.beta_2**time), tf.float32)
        shrink = tf.cast(1.0 - rate * self.weight_decay, tf.float32)
        new_values, new_slots = [], []
        for value, gradient, (m, v) in zip(values, gradients, slots, strict=True):
            m, v = self.moments(gradient, m, v)
            change = size * m / (tf.sqrt(v) * correction + self.epsilon)
            value = value * shrink - change if self.weight_decay else value - change
            new_values.append(value)
            new_slots.append([m, v])
        return new_values, new_slots


OPTIMISERS: dict[str, type[Rule]] = {"ranger": Ranger, "adam": Adam}


def build(name: str, **options) -> Rule:
    """A rule by name; an unknown name is a ValueError that suggests the nearest."""
    if name not in OPTIMISERS:
        hint = nearest(name, OPTIMISERS)
        raise ValueError(f"unknown optimiser {name!r}{hint} (known: {', '.join(OPTIMISERS)})")
    return OPTIMISERS[name](**options)
