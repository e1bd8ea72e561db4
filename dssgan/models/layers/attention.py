"""Attention of several heads along a sequence (Vaswani et al. 2017), in bounded memory."""

import numpy as np
import tensorflow as tf

from dssgan.models.layers.parts import Linear, Part, RootMeanSquareNorm
from dssgan.products import matmul

MOST_LOGITS = 2**24  # numbers that are computed at once, 64 MB


def attend(queries, keys, values):
    """softmax(q kᵀ / √d) v, a few rows at a time, so that no more than `MOST_LOGITS` exist.

    A row that has more of them by itself is computed a few steps at a time.

    Args:
      queries: (rows, heads, steps, d). keys, values: (rows, heads, others, d).

    Returns:
      (rows, heads, steps, d), of the type of the values.
    """
    rows, heads, steps, width = queries.shape
    queries = queries * tf.cast(width**-0.5, queries.dtype)
    if rows is None or None in (steps, keys.shape[2]):
        return _attend(queries, keys, values)
    most = max(1, MOST_LOGITS // (heads * steps * keys.shape[2]))
    if rows <= most:
        return _attend_in_steps(queries, keys, values)
    sizes = _sizes(rows, most)
    parts = (tf.split(part, sizes) for part in (queries, keys, values))
    return tf.concat([_attend_in_steps(*three) for three in zip(*parts)], 0)


def _attend_in_steps(queries, keys, values):
    rows, heads, steps, _ = queries.shape
    most = max(1, MOST_LOGITS // (rows * heads * keys.shape[2]))
    if steps <= most:
        return _attend(queries, keys, values)
    parts = tf.split(queries, _sizes(steps, most), 2)
    return tf.concat([_attend(part, keys, values) for part in parts], 2)


def _sizes(count: int, most: int) -> list[int]:
    """`count` in pieces of `most`, the last one smaller."""
    return [most] * (count // most) + ([count % most] if count % most else [])


def _attend(queries, keys, values):
    logits = matmul(queries, keys, transpose_b=True)
    return matmul(tf.nn.softmax(logits), values)


def rotary_angles(steps: int, frequencies) -> tuple[tf.Tensor, tf.Tensor]:
    """cos and sin of step × frequency, (steps, d / 2) (Su et al., arXiv 2104.09864, eq. 34)."""
    places = tf.constant(np.arange(steps, dtype=np.float32))
    angles = places[:, None] * tf.cast(frequencies, tf.float32)[None]
    return tf.cos(angles), tf.sin(angles)


def rotated(x, angles):
    """Turn pairs of channels by an angle that grows with the step.

    Args:
      x: (…, steps, d); channel k makes a pair with channel k + d / 2.
      angles: as of `rotary_angles`.
    """
    cosine, sine = (tf.cast(part, x.dtype) for part in angles)
    first, second = tf.split(x, 2, -1)
    return tf.concat([first * cosine - second * sine, second * cosine + first * sine], -1)


def standard_frequencies(width: int, longest: float = 10000.0) -> np.ndarray:
    """1 / longest^(2 k / width) for k < width / 2, float32."""
    return (longest ** -(np.arange(0, width, 2) / width)).astype(np.float32)


def heads_apart(x, heads: int):
    """(rows, steps, heads · d) → (rows, heads, steps, d)."""
    shape = (-1, x.shape[1], heads, x.shape[2] // heads)
    return tf.transpose(tf.reshape(x, shape), (0, 2, 1, 3))


def heads_together(x):
    """The inverse of `heads_apart`."""
    heads, steps, width = x.shape[1:]
    return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (-1, steps, heads * width))


class GatedAttention(Part):
    """Norm, rotary self-attention whose heads have gates, linear map; the input is not added.

    Args:
      width: channels of the sequence. heads: how many. head_width: channels of each.
    """

    def __init__(self, width: int, heads: int, head_width: int, **kwargs):
        super().__init__(**kwargs)
        inner, self.heads = heads * head_width, heads
        self.norm = RootMeanSquareNorm(width, name="norm")
        same = {"compute": self.compute}
        self.entry = Linear(width, 3 * inner, bias=False, **same, name="entry")
        self.gates = Linear(width, heads, **same, name="gates")
        self.exit = Linear(inner, width, bias=False, **same, name="exit")

    def call(self, x, angles):
        """(rows, steps, width) → the same shape; `angles` of `rotary_angles` for half a head."""
        x = self.norm(x)
        three = tf.split(tf.cast(self.entry(x), self.compute), 3, -1)
        queries, keys, values = (heads_apart(part, self.heads) for part in three)
        found = attend(rotated(queries, angles), rotated(keys, angles), values)
        gates = tf.sigmoid(tf.transpose(self.gates(x), (0, 2, 1)))[..., None]
        return self.exit(heads_together(found * tf.cast(gates, found.dtype)))


class FeedForward(Part):
    """Norm, a wider layer with GELU, and back; the input is not added.

    Args:
      width: channels. inner: of the wider layer.
    """

    def __init__(self, width: int, inner: int, **kwargs):
        super().__init__(**kwargs)
        self.norm = RootMeanSquareNorm(width, name="norm")
        self.entry = Linear(width, inner, compute=self.compute, name="entry")
        self.exit = Linear(inner, width, compute=self.compute, name="exit")

    def call(self, x):
        """(…, width) → the same shape."""
        return self.exit(self.entry(self.norm(x), activated=True))
