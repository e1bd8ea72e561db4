"""Imported systems against the public PyTorch programs: one excerpt, both in turns.

  python -m experiments.benchmarks.field --python PYTHON --program FOLDER … [--systems scnet …]
      [--seconds 6] [--repeat 5] [--precision bfloat16]

PYTHON is an interpreter that has PyTorch; FOLDERs hold the programs: a checkout of
Music-Source-Separation-Training, and one of Demucs and Open-Unmix where these are measured.
Networks have published sizes and random weights. Prints the median time of an excerpt in both, in
float32 and in another precision, the peak of memory, and ratios; above 1 ours is the faster or
smaller one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from common import cli

HERE = Path(__file__).parent
ROFORMER = {
    "dim": 384,
    "depth": 6,
    "heads": 8,
    "dim_head": 64,
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "stft_hop_length": 441,
    "mask_estimator_depth": 2,
}
#: System → hyperparameters here, and those of the public program.
SIZES = {
    "scnet": ({}, {}),
    "bs_roformer": (
        {"mask_depth": 2, "hop": 441},
        ROFORMER,
    ),
    "mel_band_roformer": (
        {"mask_depth": 3, "hop": 441},
        ROFORMER | {"num_bands": 60},
    ),
    "mdx23c": (
        {"frame_length": 8192, "hop": 1024, "bins": 4096},
        {
            "audio": {"n_fft": 8192, "hop_length": 1024, "dim_f": 4096, "num_channels": 2},
            "model": {
                "norm": "InstanceNorm",
                "act": "gelu",
                "num_subbands": 4,
                "num_scales": 5,
                "scale": [2, 2],
                "num_blocks_per_scale": 2,
                "num_channels": 128,
                "growth": 128,
                "bottleneck_factor": 4,
            },
            "training": {
                "instruments": ["drums", "bass", "other", "vocals"],
                "target_instrument": None,
            },
        },
    ),
    "openunmix": (
        {},
        {
            "targets": ["drums", "bass", "other", "vocals"],
            "niter": 1,
            "network": {"nb_bins": 2049, "nb_channels": 2, "hidden_size": 512, "max_bin": 1487},
        },
    ),
    "htdemucs": (
        {},
        {"sources": ["drums", "bass", "other", "vocals"], "bottom_channels": 512, "dconv_mode": 3},
    ),
}


class Worker:
    """A process that answers one run per line."""

    def __init__(self, command: list[str], threads: int):
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(threads)) | {"CUDA_VISIBLE_DEVICES": ""}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.weights = self.answer()["weights"]

    def answer(self) -> dict:
        """The next line of JSON that it prints; RuntimeError where it has ended."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"ended with code {self.process.wait()}")

    def run(self) -> dict:
        """One excerpt: {"seconds", "peak_mb"}."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """Let it go."""
        self.process.stdin.close()
        self.process.wait()


def ours(system: str, samples: int, precision: str) -> None:
    """This library's side: answer runs until the input ends."""
    import resource
    import time

    import numpy as np

    from dssgan.models import build
    from dssgan.separator import Separator

    sizes = SIZES[system][0] | {"precision": precision}
    if system == "htdemucs":  # both sides pad to the segment of training
        sizes["segment"] = samples / 44100
    model = build(system, **sizes)
    seconds = samples / model.sample_rate
    separator = Separator(model, segment=seconds, batch_size=1)
    infer = separator.inference(2)
    rng = np.random.default_rng(0)
    mixture = (0.1 * rng.standard_normal((1, separator.segment, 2))).astype(np.float32)
    print(json.dumps({"weights": int(model.count_params())}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        infer(mixture)
        found = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": found, "peak_mb": peak}), flush=True)


def measure(system: str, options: argparse.Namespace) -> dict[str, dict]:
    """Medians of all sides in turns: {side: {"seconds", "peak_mb", "weights"}}."""
    samples = round(options.seconds * 44100)
    if system == "mdx23c":  # the program takes frames by 32 alone
        samples = 1024 * (max(1, round(samples / 1024 / 32)) * 32 - 1)
    sizes = SIZES[system][1] | ({"segment": options.seconds} if system == "htdemucs" else {})
    given = [system, samples, options.threads, options.program, sizes]
    commands = {
        "PyTorch": [options.python, str(HERE / "field_torch.py"), json.dumps(given)],
    }
    for precision in dict.fromkeys(["float32", options.precision]):
        words = [sys.executable, "-m", "experiments.benchmarks.field"]
        words += ["--serve", system, "--samples", str(samples), "--precision", precision]
        commands[precision] = words
    workers = {side: Worker(command, options.threads) for side, command in commands.items()}
    found: dict[str, list[dict]] = {side: [] for side in workers}
    for number in range(options.repeat + 1):
        for side, worker in workers.items():
            answer = worker.run()
            if number:  # the first one compiles
                found[side].append(answer)
    told = {}
    for side, worker in workers.items():
        worker.end()
        seconds = statistics.median(answer["seconds"] for answer in found[side])
        peak = max(answer["peak_mb"] for answer in found[side])
        told[side] = {"seconds": seconds, "peak_mb": peak, "weights": worker.weights}
    return told


def main(argv: list[str]) -> int:
    """Measure the systems and print a table; 0."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], prog="python -m experiments.benchmarks.field"
    )
    parser.add_argument("--systems", nargs="+", choices=sorted(SIZES), default=list(SIZES))
    parser.add_argument("--python", help="an interpreter with PyTorch")
    parser.add_argument("--program", nargs="*", default=[], help="folders of the programs")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the excerpt")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        ours(options.serve, options.samples, options.precision)
        return 0
    if not options.python:
        raise cli.UsageError("--python: name an interpreter that has PyTorch")
    print(f"{'system':18} {'weights':>11} {'side':>9} {'s':>8} {'ratio':>6} {'MB':>6} {'ratio':>6}")
    for system in options.systems:
        told = measure(system, options)
        base = told["PyTorch"]
        for side, each in told.items():
            speed, size = base["seconds"] / each["seconds"], base["peak_mb"] / each["peak_mb"]
            print(
                f"{system:18} {each['weights']:11,} {side:>9} {each['seconds']:8.2f} {speed:6.2f} "
                f"{each['peak_mb']:6.0f} {size:6.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
