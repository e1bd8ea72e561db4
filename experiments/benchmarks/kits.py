"""Speed of performances played on sampled kits, as a ratio to real time on one core.

  python -m experiments.benchmarks.kits KIT [KIT …] [--seconds 120] [--rate 44100] [--repeat 3]

Plays a beat of 16 hits per bar at 120 quarter notes per minute (kick, snare, closed and open hats,
a crash every fourth bar, with drawn velocities) and prints seconds of six stereo stems per second
of processor time: of playing alone, and with the first call, which decodes and resamples what it
needs of the kit (target of playing: 200 or more).
"""

import argparse
import time

import numpy as np

from common import cli
from experiments.benchmarks.timing import best

TARGET = 200.0


def beat(seconds: float) -> list:
    """The hits of a performance."""
    from datasets.kits.playing import Hit

    rng = np.random.default_rng(0)
    hits = []
    for step in range(int(seconds * 8)):  # sixteenths at 120 quarter notes per minute
        keys = [46 if step % 16 == 14 else 42]
        keys += [36] * (step % 8 in (0, 3)) + [38] * (step % 8 == 4) + [49] * (step % 64 == 0)
        hits += [Hit(step / 8, key, int(rng.integers(40, 128))) for key in keys]
    return hits


def main(argv: list[str]) -> int:
    """Measure and print; 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.kits")
    parser.add_argument("kits", nargs="+", type=cli.path, metavar="KIT", help="folder or file")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the performance")
    parser.add_argument("--rate", type=int, default=44100, help="in Hz")
    parser.add_argument("--repeat", type=int, default=3, help="timed calls; the best counts")
    options = parser.parse_args(argv)
    from datasets.kits.opening import open_kit
    from datasets.kits.playing import Playing, render

    samples, hits = round(options.seconds * options.rate), beat(options.seconds)
    missed = 0
    for path in options.kits:
        kit = open_kit(path)
        start = time.process_time()
        render(kit, hits, samples, Playing(options.rate))
        first = time.process_time() - start
        _, used = best(lambda kit=kit: render(kit, hits, samples, Playing(options.rate)),
                       options.repeat)  # fmt: skip
        ratio = options.seconds / used
        print(f"{kit.name}: {ratio:.0f} times real time per core (target: {TARGET:.0f} or more), "
              f"{options.seconds / first:.0f} times at the first call")  # fmt: skip
        missed += ratio < TARGET
    return int(missed > 0)


if __name__ == "__main__":
    cli.run(main)
