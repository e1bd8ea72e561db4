"""How long calls take, and how fast this machine multiplies matrices."""

import time
from collections.abc import Callable

SIDE = 2048


def best(function: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Shortest (seconds, processor seconds) of `repeat` calls after one to warm up."""
    function()
    found = []
    for _ in range(repeat):
        start, used = time.perf_counter(), time.process_time()
        function()
        found.append((time.perf_counter() - start, time.process_time() - used))
    return min(one for one, _ in found), min(one for _, one in found)


def matrix_rate(repeat: int, precision: str = "float32") -> tuple[float, float]:
    """MAC per second, and per processor second, of a large matrix product."""
    import tensorflow as tf

    dtype = tf.as_dtype(precision)
    a, b = (tf.cast(tf.random.stateless_normal((SIDE, SIDE), (0, s)), dtype) for s in (1, 2))
    product = tf.function(lambda: tf.reduce_max(tf.matmul(a, b)))
    clock, processor = best(lambda: product().numpy(), repeat)
    return SIDE**3 / clock, SIDE**3 / processor
