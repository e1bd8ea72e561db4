"""A published checkpoint → an exported separator, by `python -m dssgan.convert auto`."""

import contextlib
import io
from pathlib import Path

from common import cli


def convert_file(checkpoint: Path, config: Path | None, out: Path) -> None:
    """Convert a checkpoint of a published system.

    What the converter prints of the file goes to standard output, without the name of `out`.

    Args:
      config: its YAML configuration; None where the checkpoint holds its own.
      out: folder for config.json and separator.weights.h5.

    Raises:
      ValueError: the file is of no system that can be converted, or damaged.
    """
    from dssgan import convert  # TensorFlow comes with what it calls

    words = ["auto", str(checkpoint)]
    words += [] if config is None else ["--config", str(config)]
    printed, complaints = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            code = convert.main([*words, str(out)])
    except SystemExit as stop:  # argparse
        code = stop.code
    if code:
        lines = complaints.getvalue().strip().splitlines() or [f"exit code {code}"]
        raise ValueError(f"{checkpoint}: cannot be converted: {lines[-1]}")
    for line in printed.getvalue().splitlines():
        cli.say(line.removeprefix(f"{out}: "))
