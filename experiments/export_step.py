"""The training step of a recipe as StableHLO, for a host that has JAX and no TensorFlow.

    python -m experiments.export_step with RECIPE [KEY=VALUE …] --out BUNDLE

writes the update of the supervised phase, the separation of a batch, the state that training starts
from, and the program `with_jax.py` that trains with them. Songs are needed for `--excerpts` alone,
which also fits the input statistics of a new model, where it has some.
`python -m dssgan.convert jax BUNDLE/state.npz OUT` makes a separator of what was trained.
"""

import argparse
from pathlib import Path

import numpy as np

from common import cli, startup
from common.cli import UsageError
from dssgan.config.schema import Config
from experiments.run.checks import check
from experiments.run.configuration import configure

PEAK = 2**15 - 1  # of 16 bits


def main(argv: list[str]) -> int:
    """Export the step; returns the exit code."""
    options = parse(argv)
    config, resume, origin = configure(options.updates)
    if resume is not None:
        raise UsageError("resume=… is for training; name the run's checkpoint with --start")
    if "supervised" not in config.phases:
        raise UsageError(
            f"{origin}: phases={list(config.phases)}: expected supervised among them, whose update "
            "alone can be exported"
        )
    with startup.stderr_hidden():
        from dssgan.training import exported_step
        from dssgan.training.options import check_choices
    try:
        if options.excerpts:
            check(config)
        check_choices(config)
    except (ValueError, OSError) as error:
        raise UsageError(cli.one_line(error)) from error
    with startup.stderr_hidden():
        model, checkpoint = started(config, options.start)
        shape = exported_step.excerpt_shape(config, model)
        if options.excerpts:
            write_excerpts(config, model, shape[2], options)
        facts = exported_step.write(config, model, options.out, checkpoint)
    weights = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    size = sum(path.stat().st_size for path in options.out.glob("*.*")) / 1e6
    cli.say(
        f"{options.out}: {facts['separator']}, {weights:,} weights, updates of {shape[0]} × "
        f"{shape[2] / model.sample_rate:.2f} s at {model.sample_rate} Hz, {size:.1f} MB"
    )
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.export_step",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("word", choices=["with"], metavar="with", help="the word `with`")
    parser.add_argument("updates", nargs="+", metavar="RECIPE|KEY=VALUE", help="as in training")
    parser.add_argument("--out", type=cli.path, required=True, help="folder for the files")
    parser.add_argument(
        "--start",
        type=cli.path,
        help="what training starts from: an exported separator (its folder), or a checkpoint of a "
        "run (RUN/checkpoints/supervised/last.npz); default: new weights",
    )
    parser.add_argument(
        "--excerpts",
        type=int,
        default=0,
        metavar="N",
        help="write the first N batches that the recipe draws from its songs, in 16 bits",
    )
    options = parser.parse_args(argv)
    if options.excerpts < 0:
        raise UsageError(f"--excerpts {options.excerpts}: expected 0 or more")
    if options.start is not None and not options.start.exists():
        raise UsageError(f"--start {options.start}: no such file or folder")
    return options


def started(config: Config, start: Path | None):
    """(model with the weights to start from, checkpoint that is still to be restored or None)."""
    from dssgan.training.build import build_model
    from dssgan.training.start import start_from

    model = build_model(config)
    if start is None or start.is_file():
        return model, start
    start_from(model, start, "--start")
    return model, None


def write_excerpts(config: Config, model, samples: int, options: argparse.Namespace) -> None:
    """Write `excerpts/*.npz`, and fit the statistics of a model that starts anew."""
    from dssgan.exporting.stablehlo import write_arrays
    from dssgan.training.pipeline import calibration_mixtures
    from experiments.songs.training_data import load_training_data

    data = load_training_data(config, model.sample_rate, samples)
    if options.start is None:
        model.calibrate(calibration_mixtures(config, data.calibration))
    for number in cli.progress(range(options.excerpts), desc="excerpts"):
        stems = data.paired.batch(number)["stems"]
        scale = np.float32(max(np.abs(stems).max(), 1e-9) / PEAK)
        arrays = {"stems": np.round(stems / scale).astype(np.int16), "scale": scale}
        write_arrays(options.out / "excerpts" / f"{number:06d}.npz", arrays)


if __name__ == "__main__":
    cli.run(main)
