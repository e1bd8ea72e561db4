"""The variables that an optimiser's rule keeps."""

from collections.abc import Sequence

import tensorflow as tf

from dssgan.optimisers.rules import Rule


class Optimiser:
    """A rule and its slots for a list of weights; build it within the strategy's scope.

    Attributes:
      weights: the tf.Variables it changes.
      slots: one list of tf.Variables per weight.
      count: how many steps were taken, an int64 variable.
    """

    def __init__(self, rule: Rule, weights: Sequence[tf.Variable]):
        self.rule = rule
        self.weights = list(weights)
        self.slots = [
            [
                tf.Variable(slot, trainable=False)
                for slot in rule.slots(tf.convert_to_tensor(weight))
            ]
            for weight in self.weights
        ]
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything a resume needs, in an order that is always the same."""
        return [self.count, *(slot for slots in self.slots for slot in slots)]
