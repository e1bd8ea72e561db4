"""Speed and memory of the paper-size Wavenet, as ratios to this machine's matrix products.

  python -m experiments.benchmarks.wavenet [--seconds 8] [--repeat 3] [--precision float32]

Counts the multiply-accumulates that are really done per second of audio, and compares them with
52.4 GMAC: what every layer costs at every sample, nothing computed twice. The original's fragments
of 1601 samples cost 160. The last two layers are one at separation time, which is why less than
52.4 will do. "nominal" is the rate that a machine would need which did all the 52.4.

Rates are taken twice: by the clock, and by processor time on one core, which other work on the
machine disturbs less. The machine's own rates are those of a 2048 × 2048 × 2048 float32 product
in the same run.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

from common import cli
from experiments.benchmarks.timing import best, matrix_rate

NOMINAL = 52.4e9  # MAC per second of audio
TASKS = ("separate", "train")


def measure(task: str, precision: str, seconds: float, repeat: int) -> dict:
    """One task in this process; rates in GMAC/s by the clock and per processor second."""
    import tensorflow as tf

    from dssgan.losses import LOSSES
    from dssgan.models import build
    from dssgan.optimisers import rules, schedules
    from dssgan.optimisers.update import Update
    from dssgan.training.state import TrainingState
    from dssgan.training.supervised_step import SupervisedStep
    from experiments.systems.arithmetic import macs

    model = build("wavenet", precision=precision)
    samples = round(seconds * model.sample_rate)
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if task == "separate":
        state = model.inference_state()
        mixture = 0.1 * tf.random.stateless_normal((1, samples, 1), (0, 3))
        function = tf.function(model.infer, jit_compile=on_gpu)
        work, audio = macs(model, samples), samples

        def run():
            return function(mixture, state).numpy()

    else:
        references = 0.1 * tf.random.stateless_normal((1, 4, samples, 1), (0, 3))
        state = TrainingState(model, rules.build("adam"))
        update = Update(state.optimiser, schedules.schedule("constant", 1e-6))
        step = SupervisedStep(state, LOSSES["wavenet"], update, xla=on_gpu)
        # Estimates of the middle alone, and twice as much again on the way back.
        audio = samples - 2 * model.context
        work = 3 * macs(model, audio)

        def run():
            return step(references, 0)["loss"].numpy()

    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    machine = [matrix_rate(10)]
    clock, used = best(run, repeat)
    machine.append(matrix_rate(10))
    return {
        "work_gmac": work / (audio / model.sample_rate) / 1e9,
        "clock": work / clock / 1e9,
        "used": work / used / 1e9,
        "matrix_clock": max(one for one, _ in machine) / 1e9,
        "matrix_used": max(one for _, one in machine) / 1e9,
        "first_s": first,
        "s_per_s": clock / (audio / model.sample_rate),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a chunk")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.one:
        print(json.dumps(measure(given.task, given.precision, given.seconds, given.repeat)))
        return 0
    print(
        "                    GMAC per s       by the clock, GMAC/s       per processor second\n"
        "task      precision of audio  ratio  model  matrix  ratio  model  matrix  ratio  nominal"
        "  s per s  first call  peak GB"
    )
    for task in [given.task] if given.task else TASKS:
        for precision in [given.precision] if given.precision else ["float32", "bfloat16"]:
            # A process each, so that peak memory belongs to one task.
            command = [sys.executable, "-m", "experiments.benchmarks.wavenet", "--one"]
            command += ["--task", task, "--precision", precision]
            command += ["--seconds", str(given.seconds), "--repeat", str(given.repeat)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            share = row["work_gmac"] * 1e9 / NOMINAL / (3 if task == "train" else 1)
            used = row["used"] / row["matrix_used"]
            print(
                f"{task:9} {precision:9} {row['work_gmac']:8.1f} {share:6.2f}"
                f" {row['clock']:6.1f} {row['matrix_clock']:7.1f}"
                f" {row['clock'] / row['matrix_clock']:6.2f}"
                f" {row['used']:6.1f} {row['matrix_used']:7.1f} {used:6.2f} {used / share:8.2f}"
                f" {row['s_per_s']:8.3f} {row['first_s']:10.1f} s {row['peak_gb']:7.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    cli.run(main)
