"""Speed of Band-Split RNN: its LSTMs beside Keras's, the full-size model, the machine's own rate.

  python -m experiments.benchmarks.bandsplit [--seconds 3] [--batch 1] [--repeat 3] [--train]

Every row states multiply-accumulates per second by the clock and per second of processor time, and
the latter as a share of what a 2048 × 2048 × 2048 matrix product reaches in the same run and type.
On a machine that is busy with other work the processor time is the one to look at.

  lstm time    one bidirectional LSTM along the frames: 263 steps of 41 rows
  lstm bands   along the bands: 41 steps of 263 rows
  keras …      the same with keras.layers.LSTM in float32, which gets its rows steps first as well
  model        the paper's model of the vocals (36.4 million weights) on mono excerpts
"""

import argparse
import sys

from common import cli
from experiments.benchmarks.timing import best, matrix_rate

FEATURES, HIDDEN = 128, 256
SHAPES = {"time": (263, 41), "bands": (41, 263)}


def lstm(shape, precision: str, train: bool, batch: int):
    """A function that runs both directions of our LSTM, and the work it does."""
    import tensorflow as tf

    from dssgan.models.layers.lstm import direction

    dtype, (steps, rows) = tf.as_dtype(precision), shape
    rows *= batch
    x = tf.cast(tf.random.stateless_normal((steps, rows, FEATURES), (0, 1)), dtype)
    sizes = (FEATURES, 4 * HIDDEN), (HIDDEN, 4 * HIDDEN), (4 * HIDDEN,)
    weights = [
        [0.06 * tf.random.stateless_normal(size, (end, place)) for place, size in enumerate(sizes)]
        for end in (0, 1)
    ]
    weights = [[tf.cast(k, dtype), tf.cast(r, dtype), b] for k, r, b in weights]

    def both():
        return [direction(x, *own, bool(end), train) for end, own in enumerate(weights)]

    return _run(both, [x, weights], train), _work(steps, rows, train)


def keras_lstm(shape, train: bool, batch: int):
    """The same with Keras."""
    import keras
    import tensorflow as tf

    steps, rows = shape[0], shape[1] * batch
    layer = keras.layers.Bidirectional(keras.layers.LSTM(HIDDEN, return_sequences=True))
    x = tf.random.stateless_normal((steps, rows, FEATURES), (0, 1))
    layer.build((rows, steps, FEATURES))
    values = [variable.value for variable in layer.trainable_variables]
    return _run(lambda: [layer(tf.transpose(x, (1, 0, 2)))], [x, values], train), _work(
        steps, rows, train
    )


def model(precision: str, train: bool, batch: int, seconds: float):
    """The full-size model: separation, or an update's gradients."""
    import tensorflow as tf

    from dssgan.losses import LOSSES
    from dssgan.models import build
    from experiments.systems.arithmetic import macs

    network = build("bandsplit", precision=precision)
    samples = round(seconds * network.sample_rate / network.multiple) * network.multiple
    mixture = 0.1 * tf.random.stateless_normal((batch, samples, 1), (0, 1))
    work = batch * macs(network, samples) * (3 if train else 1)
    if not train:
        return _run(lambda: [network.infer(mixture, ())], None, False), work
    stems = tf.stack([0.5 * mixture, 0.5 * mixture], 1)

    def loss():
        outputs = network.training_estimates(mixture, stems)
        return [LOSSES["bandsplit"](outputs, stems, mixture)[0]]

    weights = [variable.value for variable in network.trainable_variables]
    return _run(loss, weights, True), work


def _work(steps: int, rows: int, train: bool) -> float:
    return steps * rows * 2 * (FEATURES + HIDDEN) * 4 * HIDDEN * (3 if train else 1)


def _run(function, watched, train: bool):
    import tensorflow as tf

    @tf.function(autograph=False)
    def run():
        if not train:
            return [tf.reduce_sum(tf.cast(value, tf.float32)) for value in function()]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            total = tf.add_n([tf.reduce_sum(tf.cast(y, tf.float32) ** 2) for y in function()])
        found = tf.nest.flatten(tape.gradient(total, watched))
        return [tf.reduce_sum(tf.cast(value, tf.float32)) for value in found]

    return lambda: [value.numpy() for value in run()]


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of an excerpt")
    parser.add_argument("--batch", type=int, default=1, help="mono excerpts at once")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--train", action="store_true", help="gradients as well")
    given = parser.parse_args(argv)
    print("task               type       GMAC/s  GMAC/processor s  matrix  share", flush=True)
    for precision in ("float32", "bfloat16"):
        rates = [matrix_rate(max(6, given.repeat), precision)[1] / 1e9]

        def report(task: str, made, rates=rates, precision=precision) -> None:
            function, work = made
            clock, processor = (work / t / 1e9 for t in best(function, given.repeat))
            rates.append(matrix_rate(max(6, given.repeat), precision)[1] / 1e9)
            print(
                f"{task:18} {precision:9} {clock:7.1f} {processor:17.1f} {max(rates):7.1f}"
                f" {processor / max(rates):6.2f}",
                flush=True,
            )

        for train in (False, True) if given.train else (False,):
            kind = " train" if train else ""
            for name, shape in SHAPES.items():
                report(f"lstm {name}{kind}", lstm(shape, precision, train, given.batch))
                if precision == "float32":
                    report(f"keras {name}{kind}", keras_lstm(shape, train, given.batch))
            report(f"model{kind}", model(precision, train, given.batch, given.seconds))
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
