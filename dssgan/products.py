"""Matrix products; `tf.matmul` is called here alone."""

import tensorflow as tf


def matmul(x, y, transpose_a: bool = False, transpose_b: bool = False):
    """`tf.matmul`, right on every processor.

    With AVX-512, oneDNN in TensorFlow 2.21 writes outside of its memory for (batch, 1, m, k) times
    one (k, n) for all of them (https://github.com/tensorflow/tensorflow/issues/117700): results are
    wrong, or the process dies. Here such products have one dimension less.

    Args:
      x: (…, m, k), or (…, k, m) with `transpose_a`. y: (…, k, n), or (…, n, k) with `transpose_b`.

    Returns:
      (…, m, n); leading dimensions are broadcast.
    """
    x = tf.convert_to_tensor(x)
    y = tf.convert_to_tensor(y, dtype_hint=x.dtype)
    alone = x.shape.rank == 4 and x.shape[1] == 1 and all(size == 1 for size in y.shape[:-2])
    if not alone or x.shape[0] == 1 or y.shape.rank > 4:
        return tf.matmul(x, y, transpose_a, transpose_b)
    y = tf.reshape(y, y.shape[-2:])
    return tf.matmul(tf.squeeze(x, 1), y, transpose_a, transpose_b)[:, None]
