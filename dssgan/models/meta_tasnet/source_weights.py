"""Weights that belong to one source each: generated from an embedding, or independent.

Meta-TasNet (arXiv 2002.07016, section 2.2): a kernel is an affine function of a low-rank code of
the instrument embedding. Both kinds hand out tensors of shape (copies, sources, size), so that
the mask network does not know which it uses. `copies` packs equal layers (the TCN blocks) into
one variable; element-wise optimisers treat that exactly as separate variables.
"""

import keras
import numpy as np
import tensorflow as tf

from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.products import matmul


class GeneratedWeight(keras.layers.Layer):
    """(copies, sources, size) weights: embedding → code → weight, two linear maps, no activation.

    Args:
      size: numbers per source.
      copies: how many layers of this shape are packed.
      embedding_size: E_1. code_size: E_2.
    """

    def __init__(self, size: int, copies: int, embedding_size: int, code_size: int, **kwargs):
        super().__init__(**kwargs)
        self.code_kernel = self.add_weight(
            shape=(copies, embedding_size, code_size),
            initializer=uniform_fan_in(embedding_size),
            name="code_kernel",
        )
        self.code_bias = self.add_weight(
            shape=(copies, 1, code_size),
            initializer=uniform_fan_in(embedding_size),
            name="code_bias",
        )
        self.kernel = self.add_weight(
            shape=(copies, code_size, size), initializer=uniform_fan_in(code_size), name="kernel"
        )
        self.bias = self.add_weight(
            shape=(copies, 1, size), initializer=uniform_fan_in(code_size), name="bias"
        )
        self.built = True

    def call(self, embedding: tf.Tensor) -> tf.Tensor:
        """Embedding (sources, embedding_size) → weights (copies, sources, size)."""
        code = matmul(embedding[None], self.code_kernel) + self.code_bias
        return matmul(code, self.kernel) + self.bias


class IndependentWeight(keras.layers.Layer):
    """(copies, sources, size) weights of their own: the ablation without a generator."""

    def __init__(self, size: int, copies: int, sources: int, initializer, **kwargs):
        super().__init__(**kwargs)
        self.weight = self.add_weight(
            shape=(copies, sources, size), initializer=initializer, name="weight"
        )
        self.built = True

    def call(self, embedding: tf.Tensor | None) -> tf.Tensor:
        del embedding
        return tf.convert_to_tensor(self.weight)


class ScaleShift(keras.initializers.Initializer):
    """Ones for the first half of the last axis, zeros for the second: an independent norm."""

    def __call__(self, shape, dtype=None, **kwargs):
        del kwargs
        half = shape[-1] // 2
        values = np.concatenate([np.ones(half), np.zeros(shape[-1] - half)])
        return tf.cast(tf.broadcast_to(values, shape), dtype or "float32")

    def get_config(self):
        return {}
