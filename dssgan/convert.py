"""Weights from elsewhere → separators of this library: `python -m dssgan.convert SYSTEM FILE OUT`.

FILE is a published checkpoint; for jax it is the state that a step of
`python -m experiments.export_step` was trained to.
"""

import argparse
import importlib
import math
import sys

from common import cli, startup
from common.audio_files import require_file
from dssgan.published.torch_files import file

#: Name on the command line → module and its function of a file.
SYSTEMS = {
    "bandsplit": ("dssgan.published.bandsplit", "bandsplit_file"),
    "jax": ("dssgan.training.exported_step", "read_model"),
    "meta-tasnet": ("dssgan.published.meta_tasnet", "meta_tasnet_file"),
    "wavenet": ("dssgan.published.wavenet", "from_wavenet"),
}
OPENED = ("bandsplit", "meta-tasnet")  # whose files are read before TensorFlow is loaded
# What a file does not always hold → the system that may ask for it.
OPTIONS = {
    "target": "bandsplit",
    "bundle": "jax",
    "layers": "meta-tasnet",
    "stride": "meta-tasnet",
}


def main(argv: list[str]) -> int:
    """Convert a checkpoint; returns the exit code. Misuse is told before TensorFlow is loaded."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.convert", description=__doc__)
    parser.add_argument("system", choices=sorted(SYSTEMS))
    parser.add_argument("file", type=cli.path, help="checkpoint of the original program, or state")
    parser.add_argument(
        "out", type=cli.path, help="folder for config.json and separator.weights.h5"
    )
    parser.add_argument("--target", help="bandsplit: the source, where the file does not say it")
    parser.add_argument(
        "--layers", type=int, help="meta-tasnet: layers per stack, where the file has no args"
    )
    parser.add_argument(
        "--stride", type=int, help="meta-tasnet: stride in samples, where the file has no args"
    )
    parser.add_argument(
        "--bundle", type=cli.path, help="jax: folder of step.json; default: that of FILE"
    )
    options = parser.parse_args(argv)
    if options.file.exists():
        require_file(options.file)
    else:
        raise cli.UsageError(f"{options.file}: no such file; give the checkpoint to convert")
    given = {name: getattr(options, name) for name in OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if OPTIONS[name] != options.system:
            raise cli.UsageError(
                f"--{name} is for {OPTIONS[name]}; leave it out for {options.system}"
            )
    # Before TensorFlow is loaded, which takes seconds: a file that cannot be read is told at once.
    content = (file.load(options.file),) if options.system in OPENED else ()
    with startup.stderr_hidden():
        from dssgan.separator import Separator

        module, function = SYSTEMS[options.system]
        found = getattr(importlib.import_module(module), function)(options.file, *content, **given)
    model, told = found if isinstance(found, tuple) else (found, {})
    provenance = {"converted_from": options.system, "file": options.file.name, **told}
    Separator(model).save(options.out, provenance=provenance)
    count = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    print(f"{options.out}: {options.system}, {count:,} parameters, {model.sample_rate} Hz")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
