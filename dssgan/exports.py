"""Where exported separators lie, told without TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

CONFIG = "config.json"
WEIGHTS = "separator.weights.h5"


def newest_export(tops: Sequence[str] = ("runs", "demo")) -> Path:
    """The folder of the newest exported separator under `tops`.

    Raises:
      FileNotFoundError: there is none; the message says how to get one.
    """
    found = [
        weights
        for top in tops
        for weights in Path(top).rglob(WEIGHTS)
        if (weights.parent / CONFIG).is_file()
    ]
    if not found:
        raise FileNotFoundError(
            f"no trained separator under {'/ or '.join(tops)}/: name one with --model DIR, or make "
            "one with 'make demo' or 'python -m dssgan.train'"
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent
