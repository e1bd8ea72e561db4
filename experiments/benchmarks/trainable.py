"""What a training step holds in memory when all, the last layers or low-rank updates are trained.

    python -m experiments.benchmarks.trainable [--features 128] [--blocks 4] [--rank 8]
                                               [--batch 1] [--seconds 2] [--steps 3]

Trains a bs_roformer of random weights on noise with `trainable=all`, `heads` and `lora`, each in a
process of its own, and prints: the weights that are trained; the bytes of their gradients and of
Adam's slots; the resident size before the first step and its peak while training (`ru_maxrss`), and
the difference; seconds of a step after the first. On a CPU; a GPU's memory holds the same tensors.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

from common import cli

WAYS = ("all", "heads", "lora")


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.trainable",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    for name, default in (("features", 128), ("blocks", 4), ("rank", 8), ("batch", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=2.0, help="default: %(default)g")
    parser.add_argument("--steps", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--way", choices=WAYS, help="this one, in this process, as JSON")
    options = parser.parse_args(argv)
    if min(options.features, options.blocks, options.rank, options.batch, options.steps - 1) < 1:
        raise cli.UsageError("expected 1 or more of everything, and 2 or more steps")
    return options


def main(argv: list[str]) -> int:
    """Measure and print."""
    options = parse(argv)
    if options.way:
        print(json.dumps(measured(options)))
        return 0
    print("trainable  weights trained  gradients    slots   before     peak  for a step   a step")
    for way in WAYS:
        command = [sys.executable, "-m", "experiments.benchmarks.trainable", *argv, "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"a measured program failed: {done.stderr.strip().splitlines()[-1]}")
        facts = json.loads(done.stdout.splitlines()[-1])
        sizes = [facts[key] / 1e6 for key in ("gradients", "slots", "before", "peak")]
        print(
            f"{way:9} {facts['weights']:>16,} {sizes[0]:>7.1f} MB {sizes[1]:>5.1f} MB "
            f"{sizes[2]:>5.0f} MB {sizes[3]:>5.0f} MB {sizes[3] - sizes[2]:>8.0f} MB "
            f"{facts['step']:>6.2f} s",
            flush=True,
        )
    return 0


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Train a few steps one way; bytes, numbers and seconds."""
    import tensorflow as tf

    from dssgan.config.schema import from_dict
    from dssgan.training.build import (
        build_model,
        build_state,
        build_supervised_step,
        excerpt_samples,
    )

    config = from_dict(
        {
            "sources": ["drums", "accompaniment"],
            "trainable": options.way,
            "lora": {"rank": options.rank},
            "supervised": {"init": "drums"},  # none is read here
            "model": {
                "name": "bs_roformer",
                "features": options.features,
                "blocks": options.blocks,
                "mask_depth": 2,
            },
            "loss": {"name": "l1"},
            "optimiser": {"name": "adam", "weight_decay": 0.0, "lookahead_period": 0},
            "data": {"batch": options.batch, "seconds": options.seconds, "channels": 2},
        }
    )
    model = build_model(config)
    state = build_state(config, model)
    step = build_supervised_step(config, tf.distribute.get_strategy(), state)
    shape = (options.batch, 2, excerpt_samples(config, model), 2)
    stems = tf.random.stateless_normal(shape, (1, 2))
    before, times = resident(), []
    for number in range(options.steps):
        started = time.monotonic()
        float(step(stems, number)["loss"])
        times.append(time.monotonic() - started)
    slots = [slot for group in state.optimiser.slots for slot in group]
    return {
        "weights": sum(weight.shape.num_elements() for weight in state.weights),
        "gradients": sum(4 * weight.shape.num_elements() for weight in state.weights),
        "slots": sum(slot.shape.num_elements() * slot.dtype.size for slot in slots),
        "before": before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "step": min(times[1:]),
    }


def resident() -> int:
    """Bytes of this process in memory now."""
    import psutil

    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    cli.run(main)
