"""Low-rank updates of a separator's dense layers.

Hu et al., "LoRA: low-rank adaptation of large language models", arXiv 2106.09685: a kernel W stays
as it is, W + alpha / rank · A B takes its place, and A and B alone are trained. The sum is computed
once per update and is what the layers multiply with; a merged separator computes the same.
"""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from dssgan.models.base import SeparatorModel
from dssgan.models.layers.replaced import replaced
from dssgan.products import matmul

STREAM = 1729  # of the seed, for what is drawn here


def matrices_of(model: SeparatorModel) -> list[keras.Variable]:
    """The kernels (…, inputs, outputs) of a model's dense layers, each once, in order."""
    found = {}
    for layer in model._flatten_layers():
        for kernel in getattr(layer, "matrices", ()):
            found[id(kernel)] = kernel
    return list(found.values())


class LowRank:
    """The factors A and B of every dense kernel; build it within the strategy's scope.

    Kernels of several maps side by side have factors for each. A is drawn uniformly within
    ±1 / √inputs, B is zero: an untrained update changes nothing.

    Args:
      rank: inner size of the factors, at most that of the kernel.
      alpha: updates count alpha / rank times.
      seed: of what is drawn.

    Attributes:
      weights: A and B of every kernel in turn, float32 tf.Variables.
      extra: the same: none of them is the model's.
    """

    def __init__(self, model: SeparatorModel, rank: int, alpha: float, seed: int):
        self.sizes = rank, alpha, seed
        self.kernels, self.scale = matrices_of(model), alpha / rank
        self.weights = []
        for place, kernel in enumerate(self.kernels):
            *copies, inputs, outputs = kernel.shape
            inner = min(rank, inputs, outputs)
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM, place)))
            bound = inputs**-0.5
            first = rng.uniform(-bound, bound, (*copies, inputs, inner)).astype(np.float32)
            second = np.zeros((*copies, inner, outputs), np.float32)
            self.weights += [tf.Variable(value, trainable=False) for value in (first, second)]
        self.extra = self.weights

    def sums(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Every kernel with what takes its place."""
        pairs = zip(self.weights[::2], self.weights[1::2])
        return [
            (kernel, tf.convert_to_tensor(kernel) + self.scale * matmul(first, second))
            for kernel, (first, second) in zip(self.kernels, pairs)
        ]

    def applied(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the model computes with the sums; gradients reach the factors."""
        return replaced(self.sums())

    @contextlib.contextmanager
    def merged(self) -> Iterator[None]:
        """Within the block the model's kernels are the sums."""
        kept = [kernel.numpy() for kernel in self.kernels]
        for kernel, value in self.sums():
            kernel.assign(value.numpy())
        try:
            yield
        finally:
            for kernel, value in zip(self.kernels, kept):
                kernel.assign(value)

    def of(self, other: SeparatorModel) -> "LowRank":
        """Factors of another model of the same architecture."""
        return LowRank(other, *self.sizes)
