"""What a song costs on a cluster: separation with 1, 2, … workers on this machine, and a model.

  python -m experiments.benchmarks.scale [--workers 1,2,3] [--songs 6] [--seconds 20]

Starts a Dask scheduler and workers on loopback, separates the same songs
(noise and clicks) with `python -m dssgan.separate --cluster` once for each number of workers, and
prints the time of each, the speedup over one worker, and the least-squares fit of

  time = start + cost · seconds of audio / min(workers, cores)

A worker runs on one core, as if that were its machine; workers beyond the cores share them.
Then what a million songs take.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from common import cli
from common.json_files import read_json

RATE = 44100
SONG = 240.0  # seconds of a song of the forecast
STEM_BYTES = 2 * 2 * RATE  # per second of a stem: stereo in 16 bits


def main(argv: list[str]) -> int:
    """Measure and print; 1 if a separation fails."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.scale",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("--workers", default="1,2,3", metavar="1,2,3", help="numbers of workers")
    parser.add_argument("--songs", type=int, default=6, metavar="N", help="songs of each run")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of a song")
    parser.add_argument("--model", default="drums", metavar="NAME", help="separator")
    options = parser.parse_args(argv)
    counts = [int(word) for word in cli.names(options.workers)]
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        write_songs(top / "songs", options.songs, options.seconds)
        found = []
        for count in counts:
            for songs in (options.songs // 2, options.songs):
                seconds = measure(top, count, songs, options.model)
                audio = songs * options.seconds
                found.append((count, audio, seconds))
                print(f"{count} workers: {audio:.0f} s of audio in {seconds:.1f} s", flush=True)
    print(report(found, os.cpu_count() or 1))
    return 0


def write_songs(folder: Path, songs: int, seconds: float) -> None:
    """Write mixtures of noise and clicks in stereo: what is separated does not change the time."""
    from datasets import audio

    rng = np.random.default_rng(0)
    for number in range(songs):
        noise = rng.normal(0, 0.05, (round(seconds * RATE), 2)).astype(np.float32)
        noise[:: RATE // 2] += 0.5
        path = folder / str(number) / f"{number}.wav"
        path.parent.mkdir(parents=True)
        audio.write(path, noise, RATE)


def measure(top: Path, workers: int, songs: int, model: str) -> float:
    """Seconds to separate songs with so many new workers that are ready."""
    programs = []
    try:
        address = _scheduler(top, programs)
        for number in range(workers):
            words = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
            core = number % (os.cpu_count() or 1)
            programs.append(_start(*words, preexec_fn=partial(os.sched_setaffinity, 0, {core})))
        _wait(address, workers)
        inputs = [str(top / "songs" / str(number)) for number in range(songs)]
        out = tempfile.mkdtemp(dir=top)
        command = [sys.executable, "-m", "dssgan.separate", *inputs, "-o", out, "--model", model]
        begun = time.perf_counter()
        subprocess.run([*command, "--cluster", address], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun
    finally:
        for program in programs:
            program.kill()
            program.wait()


def report(found: list[tuple[int, float, float]], cores: int) -> str:
    """The fit of the model and the forecast, as lines.

    Args:
      found: workers, seconds of audio, seconds that it took. cores: of this machine.
    """
    start, cost, error = fit(found, cores)
    full = max(audio for _, audio, _ in found)
    base = next(seconds for count, audio, seconds in found if audio == full)
    lines = [
        f"{count} workers: {base / seconds:.2f} times as fast as {found[0][0]}"
        for count, audio, seconds in found
        if audio == full
    ]
    lines.append(
        f"start {start:.1f} s, {cost:.4f} s per second of audio and worker (that is "
        f"{1 / cost:.1f} x real time), errors up to {error:.0%}"
    )
    days = cost * SONG * 1e6 / 86400
    lines.append(f"a million songs of 4 min: {days:.0f} days of such a worker")
    for workers in (100, 1000):
        lines.append(f"  {workers} workers: {days / workers:.1f} days")
    lines.append(f"  {STEM_BYTES * SONG * 1e6 / 1e12:.0f} TB for each stem in 16 bits")
    return "\n".join(lines)


def fit(found: list[tuple[int, float, float]], cores: int) -> tuple[float, float, float]:
    """Seconds of the start, seconds per second of audio, and the largest relative error."""
    rows = np.array([[1.0, audio / min(workers, cores)] for workers, audio, _ in found])
    times = np.array([seconds for *_, seconds in found])
    (start, cost), *_ = np.linalg.lstsq(rows, times, rcond=None)
    error = np.abs(rows @ [start, cost] / times - 1).max()
    return float(start), float(cost), float(error)


def _start(program: str, *words: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
    hidden = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, **hidden, **options)


def _scheduler(top: Path, programs: list[subprocess.Popen]) -> str:
    file = Path(tempfile.mkdtemp(dir=top)) / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    programs.append(_start("scheduler", *words))
    while not (file.exists() and file.read_text().endswith("}")):
        time.sleep(0.05)
    return read_json(file)["address"]


def _wait(address: str, workers: int) -> None:
    from common import dask_cluster

    with dask_cluster.opened(address) as client:
        client.wait_for_workers(workers, timeout=120)


if __name__ == "__main__":
    cli.run(main)
