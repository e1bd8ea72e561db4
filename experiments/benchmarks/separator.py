"""Speed and memory of the paper-size separator, as ratios to this machine's matrix products.

  python -m experiments.benchmarks.separator [--seconds 8] [--batch 1] [--repeat 5]

Counts the multiply-accumulates that are really done, per second of mono audio: 16.56 GMAC for
separation (the published count is 18.05, with the decoders of the first two stages, which
separation leaves out), and three times 32.7 GMAC for a training step (the encoders
of four references and the reconstructions included). The machine's own rate is a
2048 × 2048 × 2048 float32 product timed in the same run.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

from common import cli
from experiments.benchmarks.timing import best, matrix_rate


def measure(task: str, precision: str, seconds: float, batch: int, repeat: int) -> dict:
    """One task in this process: {"gmac_s", "matrix_gmac_s", "first_s", "peak_gb", "step_s"}."""
    import tensorflow as tf

    from dssgan.losses import LOSSES
    from dssgan.models import build
    from dssgan.optimisers import rules, schedules
    from dssgan.optimisers.update import Update
    from dssgan.training.state import TrainingState
    from dssgan.training.supervised_step import SupervisedStep
    from experiments.systems.arithmetic import multistage_rates

    model = build("multistage", precision=precision)
    separation, forward = multistage_rates(model)
    samples = int(seconds * model.sample_rate) // model.multiple * model.multiple
    audio = samples / model.sample_rate
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if task == "separate":
        state = model.inference_state()
        mixture = 0.1 * tf.random.stateless_normal((batch, samples, 1), (0, 3))
        function = tf.function(model.infer, jit_compile=on_gpu)

        def run():
            return function(mixture, state).numpy()

        work = separation * audio * batch
    else:
        references = 0.1 * tf.random.stateless_normal((batch, 4, samples, 1), (0, 3))
        state = TrainingState(model, rules.build("ranger"))
        update = Update(state.optimiser, schedules.schedule("constant", 1e-6), clip=5.0)
        step = SupervisedStep(state, LOSSES["multistage"], update, xla=on_gpu)

        def run():
            return step(references, 0)["loss"].numpy()

        work = 3 * forward * audio * batch
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    rates = [matrix_rate(max(10, repeat))[0]]
    elapsed, _ = best(run, repeat)
    rates.append(matrix_rate(max(10, repeat))[0])
    return {
        "gmac_s": work / elapsed / 1e9,
        "matrix_gmac_s": max(rates) / 1e9,
        "first_s": first,
        "step_s": elapsed,
        "audio_s": audio * batch,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "device": "GPU" if on_gpu else "CPU",
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="length of an excerpt")
    parser.add_argument("--batch", type=int, default=1, help="mono excerpts at once")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--task", choices=("separate", "train"))
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.one:
        sizes = given.seconds, given.batch, given.repeat
        print(json.dumps(measure(given.task, given.precision, *sizes)))
        return 0
    print("task      precision   GMAC/s  matrix  ratio  s per audio s  first call  peak GB")
    for task in [given.task] if given.task else ["separate", "train"]:
        for precision in [given.precision] if given.precision else ["float32", "bfloat16"]:
            # A process each, so that peak memory belongs to one task.
            command = [sys.executable, "-m", "experiments.benchmarks.separator", "--one"]
            command += ["--task", task, "--precision", precision]
            for name in ("seconds", "batch", "repeat"):
                command += [f"--{name}", str(getattr(given, name))]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{task:9} {precision:9} {row['gmac_s']:8.1f} {row['matrix_gmac_s']:7.1f}"
                f" {row['gmac_s'] / row['matrix_gmac_s']:6.2f}"
                f" {row['step_s'] / row['audio_s']:14.3f} {row['first_s']:10.1f} s"
                f" {row['peak_gb']:8.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    cli.run(main)
