"""Zeros at the ends of an axis, what a kernel sees along it, channels that become places of it."""

import tensorflow as tf


def padded(x, axis: int, before: int, after: int):
    """The tensor with zeros at both ends of an axis."""
    if not before and not after:
        return x
    widths = [[0, 0]] * x.shape.rank
    widths[axis] = [before, after]
    return tf.pad(x, widths)


def shifted(x, axis: int, size: int, stride: int, dilation: int) -> list[tf.Tensor]:
    """What each place of a kernel sees along an axis."""
    reach = dilation * (size - 1)
    index = [slice(None)] * x.shape.rank
    found = []
    for place in range(size):
        start = place * dilation
        stop = start + x.shape[axis] - reach
        index[axis] = slice(start, stop, stride)
        found.append(x[tuple(index)])
    return found


def joined(parts: list[tf.Tensor]) -> tf.Tensor:
    """Their channels side by side."""
    return tf.concat(parts, -1) if len(parts) > 1 else parts[0]


def interleaved(x, axis: int, count: int):
    """(…, n, …, count · channels) → (…, n · count, …, channels)."""
    if count == 1:
        return x
    shape = [-1 if size is None else size for size in x.shape]
    rank, channels = len(shape), shape[-1] // count
    x = tf.reshape(x, (*shape[:-1], count, channels))
    order = list(range(rank - 1))
    order.insert(axis + 1, rank - 1)
    x = tf.transpose(x, (*order, rank))
    shape[axis], shape[-1] = shape[axis] * count, channels
    return tf.reshape(x, shape)
