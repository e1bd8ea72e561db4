"""Memory and rate of separation: three hours against three minutes, and a hundred calls.

    python -m experiments.benchmarks.memory [--model DIR | --paper] [--hours 3] [--minutes 3]
                                            [--calls 100]

Makes a short and a long stereo file at 44.1 kHz, separates both with the command
`python -m dssgan.separate`, and prints the peak resident size, the rate and the processor time of
each, and their ratios; where other programs run beside it, only the processor time means something.
Targets: at most 1.5 GB resident, rates within 10 % of each other, a hundred calls of
`Separator.separate` flat within 50 MB and one trace (`--calls 0` leaves the calls out). `--paper`
takes the paper's model with random weights. Needs about 35 GB of disk for three hours and four
stems; the time is the model's own (about three hours divided by its rate).
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from common.cli import path, run
from datasets.audio.writing import Writer
from dssgan.exports import newest_export

RATE = 44100
WARM_UP_S = 20
PAPER = """
import sys
from dssgan import models
from dssgan.models import export
export.save(models.build("multistage"), sys.argv[1])
"""
CALLS = """
import gc, sys
import numpy as np, psutil
from dssgan.separator import Separator
separator = Separator.load(sys.argv[1])
audio = np.random.default_rng(0).standard_normal((44100 * 10, 2)).astype("f4") / 10
sizes = []
for call in range(int(sys.argv[2]) + 5):
    separator.separate(audio, 44100)
    gc.collect()
    sizes.append(psutil.Process().memory_info().rss / 1e6)
print(sizes[4], sizes[-1], max(sizes[5:]), separator.traces)
"""


def main(argv: list[str]) -> int:
    """Measure and print; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.memory")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", type=path, help="exported separator (default: the newest)")
    model.add_argument("--paper", action="store_true", help="the paper's model, random weights")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument(
        "--folder", type=path, help="where the files go (default: the temporary folder)"
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = Path(folder)
        if options.paper:
            model = os.fspath(folder / "paper")
            python(PAPER, model)
        else:
            model = os.fspath(options.model or newest_export())
        print(f"separator {'of the paper, random weights' if options.paper else model}")
        make_song(folder / "warm.wav", WARM_UP_S)
        make_song(folder / "short.wav", options.minutes * 60)
        short = separate(folder, "short", model)
        print(f"{options.minutes:g} min: {short}", flush=True)
        make_song(folder / "long.wav", options.hours * 3600)
        long = separate(folder, "long", model)
        print(f"{options.hours:g} h: {long}", flush=True)
        ratio = long.rate / short.rate
        print(f"rate of the long file against the short one: {ratio:.3f} (target: 0.9 or more)")
        print(f"the same by processor time: {short.processor / long.processor:.3f}")
        print(f"peak of the long file: {long.peak:.0f} MB (target: 1500 MB at most)")
        missed = ratio < 0.9 or long.peak > 1500
        if options.calls:
            first, last, highest, traces = repeat(model, options.calls)
            print(
                f"{options.calls} calls: {last - first:+.1f} MB, {highest - first:+.1f} MB at most,"
                f" {traces:.0f} trace(s) (target: within 50 MB, one trace)"
            )
            missed = missed or highest - first > 50 or traces != 1
    return int(missed)


@dataclass(frozen=True)
class Cost:
    """Peak resident size in MB, seconds of music per second, processor seconds per second of it."""

    peak: float
    rate: float
    processor: float

    def __str__(self) -> str:
        return (
            f"{self.peak:.0f} MB at most, {self.rate:.2f} x real time, "
            f"{self.processor:.3f} processor seconds per second"
        )


def make_song(path: Path, seconds: float) -> None:
    """Noise bursts over a chord, stereo, written in constant memory."""
    time = np.arange(RATE) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (110, 165, 220, 277)) / 20
    with Writer(path, RATE, 2) as file:
        for second in range(round(seconds)):
            rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(second,)))
            bursts = rng.standard_normal((RATE, 2)) * (0.2 * np.exp(-8 * (time % 0.5)))[:, None]
            file.write((bursts + chord[:, None]).astype(np.float32))


def separate(folder: Path, name: str, model: str) -> Cost:
    """Separate one file by the command, after a short one that pays for tracing."""
    command = [sys.executable, "-m", "dssgan.separate", "--model", model]
    command += ["-o", os.fspath(folder / "stems"), os.fspath(folder / "warm.wav")]
    command.append(os.fspath(folder / f"{name}.wav"))
    at_once = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=at_once)
    facts, before = [], 0.0
    for line in process.stdout:
        if fact := re.search(r"([\d.]+) s in ([\d.]+) s", line):
            facts.append(fact)
            if len(facts) == 1:  # the warm-up is over
                spent = psutil.Process(process.pid).cpu_times()
                before = spent.user + spent.system
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise OSError(f"{' '.join(command)} failed with exit code {process.returncode}")
    seconds, took = map(float, facts[-1].groups())
    spent = usage.ru_utime + usage.ru_stime - before
    return Cost(usage.ru_maxrss / 1024 * 1.048576, seconds / took, spent / seconds)


def repeat(model: str, calls: int) -> list[float]:
    """Resident size in MB after five calls, after all, the largest between, and the traces."""
    return [float(number) for number in python(CALLS, model, str(calls)).split()]


def python(program: str, *arguments: str) -> str:
    """Run a program in a process of its own; returns what it prints."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"a measured program failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


if __name__ == "__main__":
    run(main)
