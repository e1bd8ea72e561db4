"""ONNX Runtime against TensorFlow: the same separator, the same song, in one run.

  python -m experiments.benchmarks.engines [SEPARATOR …] [--seconds 30] [--channels 2] [--repeat 3]

A separator is the folder of an export that has a separator.onnx; default: the shipped one. Prints
how many times real time each does (the best of the repeats, each in a process of its own, loading
and compiling apart), the peak of memory, and both as ratios.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from common import cli
from common.files import ROOT
from dssgan.exports import PRETRAINED, SHIPPED
from experiments.benchmarks.timing import matrix_rate


def measure(engine: str, folder: str, seconds: float, channels: int, repeat: int) -> dict:
    """One engine in this process: {"load_s", "first_s", "best_s", "cpu_s", "peak_mb"}."""
    import numpy as np

    started = time.perf_counter()
    if engine == "onnx":
        from dssgan.runtime.onnx_separator import OnnxSeparator as Kind
    else:
        from dssgan.separator import Separator as Kind
    separator = Kind.load(folder)
    load = time.perf_counter() - started
    rng = np.random.default_rng(0)
    song = rng.standard_normal((round(seconds * separator.sample_rate), channels))
    song = (0.1 * song).astype(np.float32)
    runs = []
    for _ in range(repeat + 1):
        started, used = time.perf_counter(), time.process_time()
        separator.separate(song, separator.sample_rate)
        runs.append((time.perf_counter() - started, time.process_time() - used))
    best, used = min(runs[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"load_s": load, "first_s": runs[0][0], "best_s": best, "cpu_s": used, "peak_mb": peak}


def main(argv: list[str]) -> int:
    """Measure both engines for every separator; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("separators", nargs="*", default=[str(PRETRAINED / SHIPPED)])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    values = (options.seconds, options.channels, options.repeat)
    if options.engine:
        print(json.dumps(measure(options.engine, options.separators[0], *values)))
        return 0
    for folder in options.separators:
        print(f"{Path(folder).name}: {options.seconds:g} s of {options.channels} channels")
        found = {}
        for engine in ("tensorflow", "onnx"):
            words = [folder, "--engine", engine]
            for name, value in zip(("--seconds", "--channels", "--repeat"), values):
                words += [name, str(value)]
            command = [sys.executable, "-m", "experiments.benchmarks.engines", *words]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            found[engine] = one = json.loads(done.stdout.splitlines()[-1])
            print(
                f"  {engine:10} {options.seconds / one['best_s']:5.2f} x real time, "
                f"{one['cpu_s']:.1f} s of processor time, {one['peak_mb']:.0f} MB, loaded in "
                f"{one['load_s']:.1f} s"
            )
        ratios = {key: found["tensorflow"][key] / found["onnx"][key] for key in found["onnx"]}
        print(
            f"  TensorFlow / ONNX Runtime: time {ratios['best_s']:.2f}, processor time "
            f"{ratios['cpu_s']:.2f}, memory {ratios['peak_mb']:.2f}"
        )
    print(f"this machine's matrix product: {matrix_rate(10)[0] / 1e9:.0f} GMAC/s (float32)")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
