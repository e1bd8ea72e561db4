"""Convolutions and products whose kernels may be spectrally normalised.

Kernels are float32 and are cast to the precision of their input. Only operations are used whose
second derivatives exist on a CPU, because the gradient penalty needs them.
"""

import keras
import numpy as np
import tensorflow as tf

from dssgan.products import matmul

SETTLING = 30  # power iterations before training, so that the first norm is close already


class Weighted(keras.layers.Layer):
    """A kernel with an optional bias; the last axis of the kernel counts the outputs.

    Args:
      shape: of the kernel. seed: of its initial values (Glorot uniform; biases are zero).
      bias: add one number per output.
      normalised: divide the kernel, as a matrix of (inputs, outputs), by its largest singular
        value: Miyato et al., "Spectral normalization for generative adversarial networks", ICLR
        2018, algorithm 1.
    """

    def __init__(self, shape, seed: int, *, bias: bool = True, normalised: bool = False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.GlorotUniform(seed=seed), name="kernel"
        )
        self.bias = None
        if bias:
            self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")
        self.direction = None
        if normalised:
            # Every replica holds and moves its own copy. The copies are equal, because the
            # kernels are, so no replica waits for another and the first one speaks for all.
            self.direction = keras.Variable(
                settled_direction(self.kernel.numpy(), seed),
                trainable=False,
                synchronization="on_read",
                aggregation="only_first_replica",
                name="direction",
            )
        self.built = True

    def ready_kernel(self, dtype: tf.DType, training: bool) -> tf.Tensor:
        """The kernel to use; with `training` the power iteration goes one step on."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.direction is None:
            return tf.cast(kernel, dtype)
        matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
        constant = tf.stop_gradient(matrix)
        right = tf.convert_to_tensor(self.direction)
        left = tf.math.l2_normalize(tf.linalg.matvec(constant, right))
        if training:
            right = tf.math.l2_normalize(tf.linalg.matvec(constant, left, transpose_a=True))
            self.direction.assign(right)
        largest = tf.reduce_sum(left * tf.linalg.matvec(matrix, right))
        return tf.cast(kernel / tf.maximum(largest, 1e-12), dtype)

    def biased(self, x: tf.Tensor) -> tf.Tensor:
        """`x` plus the bias."""
        return x if self.bias is None else tf.nn.bias_add(x, tf.cast(self.bias, x.dtype))


class Convolution(Weighted):
    """A two-dimensional "same" convolution of (batch, height, width, inputs).

    Args:
      inputs, filters: channels. size, strides: (height, width).
    """

    def __init__(self, inputs: int, filters: int, size, strides=(1, 1), seed: int = 0, **kwargs):
        super().__init__((*size, inputs, filters), seed, **kwargs)
        self.strides = tuple(strides)

    def call(self, x, training: bool = False):
        kernel = self.ready_kernel(x.dtype, training)
        return self.biased(tf.nn.conv2d(x, kernel, self.strides, "SAME"))


class Product(Weighted):
    """A matrix product of (batch, inputs)."""

    def __init__(self, inputs: int, outputs: int, seed: int = 0, **kwargs):
        super().__init__((inputs, outputs), seed, **kwargs)

    def call(self, x, training: bool = False):
        return self.biased(matmul(x, self.ready_kernel(x.dtype, training)))


def settled_direction(kernel: np.ndarray, seed: int) -> np.ndarray:
    """Close to the right singular vector of the largest singular value: float32 (outputs,)."""
    matrix = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    direction = np.random.default_rng(seed).standard_normal(matrix.shape[1])
    for _ in range(SETTLING):
        direction = matrix.T @ (matrix @ direction)
        direction /= np.linalg.norm(direction)
    return direction.astype(np.float32)
