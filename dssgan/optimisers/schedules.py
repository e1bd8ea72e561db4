"""Learning rates as functions of the update."""

from collections.abc import Callable

import tensorflow as tf

from common.suggest import nearest


def sgdr(learning_rate: float, period: int, decay: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Cosine from `learning_rate` to zero over `period` updates, then again from `decay` times it.

    SGDR (arXiv 1608.03983, equation 5).
    """

    def rate(step: tf.Tensor) -> tf.Tensor:
        time = tf.cast(step, tf.float64)
        cycle = tf.floor(time / period)
        angle = 3.141592653589793 * (time / period - cycle)
        return learning_rate * decay**cycle * 0.5 * (1.0 + tf.cos(angle))

    return rate


def constant(learning_rate: float, period: int, decay: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """The same learning rate at every update."""
    del period, decay
    return lambda step: tf.fill(tf.shape(step), tf.constant(learning_rate, tf.float64))


def exponential(
    learning_rate: float, period: int, decay: float
) -> Callable[[tf.Tensor], tf.Tensor]:
    """`decay` times the rate before, every `period` updates (arXiv 2209.15174: two epochs)."""
    return lambda step: learning_rate * decay ** tf.cast(step // period, tf.float64)


SCHEDULES: dict[str, Callable] = {"sgdr": sgdr, "constant": constant, "exponential": exponential}


def schedule(
    name: str, learning_rate: float, period: int = 1, decay: float = 1.0, warmup: int = 0
) -> Callable[[tf.Tensor], tf.Tensor]:
    """The learning rate (float32 scalar) as a function of the update (int64 scalar, from 0).

    Args:
      warmup: updates over which it rises linearly from zero; update 0 gets 1 / warmup of it.
    """
    if name not in SCHEDULES:
        hint = nearest(name, SCHEDULES)
        raise ValueError(f"unknown schedule {name!r}{hint} (known: {', '.join(SCHEDULES)})")
    plain = SCHEDULES[name](learning_rate, period, decay)

    def rate(step: tf.Tensor) -> tf.Tensor:
        value = plain(step)
        if warmup:
            value *= tf.minimum(tf.cast(step + 1, tf.float64) / warmup, 1.0)
        return tf.cast(value, tf.float32)

    return rate
