"""Exported separators in other formats: `python -m dssgan.export SEPARATOR --to onnx OUT`.

OUT is a folder; where it is SEPARATOR itself, `dssgan.separate` runs the new file from then on
wherever ONNX Runtime is installed and there is no GPU.
"""

import argparse
import importlib.util
import shutil
import sys

from common import cli, startup
from dssgan.exports import CONFIG, WEIGHTS, find_export

NEEDED = ("onnx", "tf2onnx", "onnxruntime")


def main(argv: list[str]) -> int:
    """Write a separator in another format; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dssgan.export", description=__doc__, formatter_class=cli.HelpFormatter
    )
    parser.add_argument("separator", type=cli.path, help="folder of an exported separator")
    parser.add_argument("out", type=cli.path, help="folder for the files")
    parser.add_argument("--to", required=True, choices=("onnx",), help="the format")
    parser.add_argument(
        "--segment", type=float, metavar="S", help="seconds per chunk; default: its own"
    )
    parser.add_argument(
        "--channels", type=int, default=2, help="of a model that hears them together; default: 2"
    )
    options = parser.parse_args(argv)
    segment = options.segment
    if segment is not None and not 0 < segment <= 60:
        raise cli.UsageError(f"--segment {segment:g}: expected more than 0 and at most 60 seconds")
    if not 1 <= options.channels <= 64:
        raise cli.UsageError(f"--channels {options.channels}: expected 1 to 64")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise cli.UsageError(
            f"{', '.join(missing)} not installed: pip install -r requirements-export.txt"
        )
    try:
        folder = find_export(options.separator)
    except (ValueError, OSError) as error:
        raise cli.UsageError(cli.one_line(error)) from error
    with startup.stderr_hidden():
        from dssgan.exporting import onnx_file, parity
        from dssgan.separator import Separator

        separator = Separator.load(folder, segment=segment, precision="float32")
        options.out.mkdir(parents=True, exist_ok=True)
        if options.out.resolve() != folder.resolve():
            for name in (WEIGHTS, CONFIG):
                shutil.copyfile(folder / name, options.out / name)
        onnx_file.write(separator.model, options.out, separator.segment, options.channels)
        difference = parity.difference_db(separator, options.out, options.channels)
    size = (options.out / onnx_file.ONNX).stat().st_size / 1e6
    print(
        f"{options.out / onnx_file.ONNX}: {', '.join(separator.sources)}, {size:.1f} MB, differs "
        f"from TensorFlow by {difference:.0f} dB"
    )
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
