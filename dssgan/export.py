"""Exported separators in other formats: `python -m dssgan.export SEPARATOR --to FORMAT OUT`.

onnx: OUT/separator.onnx, for ONNX Runtime and others; where OUT is SEPARATOR itself,
`dssgan.separate` runs it from then on wherever ONNX Runtime is installed and there is no GPU.
savedmodel: OUT/saved_model, for TensorFlow and TensorFlow Serving, without this library: its
function takes chunks of one length and returns a dictionary of stems.
tflite: OUT/separator.tflite, for LiteRT on phones and elsewhere, without TensorFlow: the same
function, with the Fourier transforms in it.
stablehlo: OUT/separator.mlir, for JAX and others: a function of a chunk and of the weights, which
lie beside it; OUT/with_jax.py calls it with NumPy and JAX alone.
"""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

from common import cli, startup
from dssgan.exports import CONFIG, WEIGHTS, find_export

NEEDED = {
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "savedmodel": (),
    "stablehlo": ("jax",),
    "tflite": ("ai_edge_litert",),
}
INSTALL = {"stablehlo": "'jax>=0.6,<0.11'"}  # where it is not requirements-export.txt


def main(argv: list[str]) -> int:
    """Write a separator in another format; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dssgan.export", description=__doc__, formatter_class=cli.HelpFormatter
    )
    parser.add_argument("separator", type=cli.path, help="folder or name of an exported separator")
    parser.add_argument("out", type=cli.path, help="folder for the files")
    parser.add_argument("--to", required=True, choices=tuple(NEEDED), help="the format")
    parser.add_argument(
        "--segment", type=float, metavar="S", help="seconds per chunk; default: its own"
    )
    parser.add_argument(
        "--channels",
        type=int,
        default=2,
        help="of a chunk, where a format or the model fixes them; default: 2",
    )
    options = parser.parse_args(argv)
    segment = options.segment
    if segment is not None and not 0 < segment <= 60:
        raise cli.UsageError(f"--segment {segment:g}: expected more than 0 and at most 60 seconds")
    if not 1 <= options.channels <= 64:
        raise cli.UsageError(f"--channels {options.channels}: expected 1 to 64")
    missing = [name for name in NEEDED[options.to] if importlib.util.find_spec(name) is None]
    if missing:
        source = INSTALL.get(options.to, "-r requirements-export.txt")
        raise cli.UsageError(f"{', '.join(missing)} not installed: pip install {source}")
    try:
        folder = find_export(options.separator)
    except (ValueError, OSError) as error:
        raise cli.UsageError(cli.one_line(error)) from error
    write = to_onnx if options.to == "onnx" else to_runtime
    with startup.stderr_hidden():
        from dssgan.separator import Separator

        separator = Separator.load(folder, segment=segment, precision="float32")
        place, difference = write(separator, folder, options)
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(
        f"{place}: {', '.join(separator.sources)}, {size:.1f} MB, differs from TensorFlow by "
        f"{difference:.0f} dB"
    )
    return 0


def to_onnx(separator, folder: Path, options: argparse.Namespace) -> tuple[Path, float]:
    """Write separator.onnx beside the files of the export; returns it and how far it is off, dB."""
    from dssgan.exporting import onnx_file, parity

    options.out.mkdir(parents=True, exist_ok=True)
    if options.out.resolve() != folder.resolve():
        for name in (WEIGHTS, CONFIG):
            shutil.copyfile(folder / name, options.out / name)
    onnx_file.write(separator.model, options.out, separator.segment, options.channels)
    difference = parity.difference_db(separator, options.out, options.channels)
    return options.out / onnx_file.ONNX, difference


def to_runtime(separator, folder: Path, options: argparse.Namespace) -> tuple[Path, float]:
    """Write a format that its own runtime reads; returns it and how far it is off, in dB."""
    from dssgan.exporting import parity, saved_model, stablehlo, tflite_file

    del folder
    formats = {"savedmodel": saved_model, "stablehlo": stablehlo, "tflite": tflite_file}
    found = formats[options.to]
    place = found.write(separator.model, options.out, separator.segment, options.channels)
    difference = parity.difference_db(
        separator, lambda audio: found.run(place, audio), options.channels
    )
    return place, difference


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
