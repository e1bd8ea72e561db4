"""Weights from elsewhere → separators of this library: `python -m dssgan.convert SYSTEM FILE OUT`.

FILE is a published checkpoint; `auto` tells its system from the names of its layers. For openunmix
it is a folder; for jax it is the state that a step of `python -m experiments.export_step` was
trained to.
"""

import argparse
import importlib
import math
import sys
from pathlib import Path

from common import cli, startup
from common.audio_files import require_file
from dssgan.published.field import checkpoint

#: Name on the command line → module and its function of a file.
OPENING = ("dssgan.published.field.opening", "open_checkpoint")
FIELD = ("bs_roformer", "htdemucs", "mdx23c", "mel_band_roformer", "openunmix", "scnet")
SYSTEMS = {
    "auto": OPENING,
    **dict.fromkeys(FIELD, OPENING),
    "bandsplit": ("dssgan.published.bandsplit", "bandsplit_file"),
    "jax": ("dssgan.training.exported_step", "read_model"),
    "meta-tasnet": ("dssgan.published.meta_tasnet", "meta_tasnet_file"),
    "wavenet": ("dssgan.published.wavenet", "from_wavenet"),
}
OPENED = ("auto", "bandsplit", "meta-tasnet", *FIELD)  # read before TensorFlow is loaded
# What a file does not always hold → the system that may ask for it.
OPTIONS = {
    "target": ("bandsplit",),
    "bundle": ("jax",),
    "layers": ("meta-tasnet",),
    "stride": ("meta-tasnet",),
    "config": ("auto", *FIELD),
}


def is_bag(path: Path) -> bool:
    """Whether a file is a list of Demucs' packages, and no checkpoint."""
    return path.suffix.lower() in (".yaml", ".yml")


def main(argv: list[str]) -> int:
    """Convert a checkpoint; returns the exit code. Misuse is told before TensorFlow is loaded."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.convert", description=__doc__)
    known = ", ".join(sorted(SYSTEMS))
    parser.add_argument("system", choices=sorted(SYSTEMS), metavar="system", help=f"one of {known}")
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
    parser.add_argument(
        "--config", type=cli.path, help="the YAML that comes with FILE; default: the one beside it"
    )
    options = parser.parse_args(argv)
    if not options.file.exists():
        raise cli.UsageError(f"{options.file}: no such file; give the checkpoint to convert")
    folder = options.file.is_dir() and options.system in ("auto", "openunmix")
    if not folder:
        require_file(options.file)
    if options.config is not None and not options.config.is_file():
        raise cli.UsageError(f"--config {options.config}: no such file")
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    for name in given:
        if options.system not in OPTIONS[name]:
            known = ", ".join(OPTIONS[name])
            raise cli.UsageError(f"--{name} is for {known}; leave it out for {options.system}")
    # Before TensorFlow is loaded, which takes seconds: a file that cannot be read is told at once.
    read = options.system in OPENED and not folder and not is_bag(options.file)
    content = (checkpoint.read(options.file),) if read else ()
    if options.system in FIELD:
        given["system"] = options.system
    with startup.stderr_hidden():
        from dssgan.separator import Separator

        module, function = SYSTEMS[options.system]
        found = getattr(importlib.import_module(module), function)(options.file, *content, **given)
    model, told = found if isinstance(found, tuple) else (found, {})
    system = told.pop("system", options.system)
    provenance = {"converted_from": system, "file": options.file.name, **told}
    Separator(model).save(options.out, provenance=provenance)
    count = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    print(f"{options.out}: {system}, {count:,} parameters, {model.sample_rate} Hz")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
