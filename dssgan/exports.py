"""Exported separators without TensorFlow: where they lie, and what identifies their estimates."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from common.digests import file_digest
from common.files import read_json

CONFIG = "config.json"
WEIGHTS = "separator.weights.h5"
#: What identifies an export, of the keys of its configuration; and what to do about a damaged one.
IDENTITY = {"weights_sha256?": str, "hyperparameters?": dict}
ADVICE = "export the separator again"
SEGMENT_S, LARGE_SEGMENT_S = 8.0, 3.0  # of a chunk
LARGE = 20_000_000  # weights; from there on chunks are shorter, so that 1.5 GB of memory will do


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


def identity(
    folder: str | os.PathLike,
    segment: float | None = None,
    overlap: float = 0.25,
    shifts: int = 1,
) -> str:
    """What the estimates of an exported separator depend on, as a text.

    Two separators of one identity give the same scores, wherever they lie and whatever is known of
    their training.

    Args:
      folder: of the separator.
      segment, overlap, shifts: as of `dssgan.separator.Separator`.

    Raises:
      ValueError: `folder` is not an exported separator.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: not an exported separator (no {name})")
    try:
        config = read_json(folder / CONFIG, IDENTITY, ADVICE)
    except ValueError as error:
        text = str(error).removeprefix(f"{folder / CONFIG}: ")
        raise ValueError(f"{folder / CONFIG}: not that of an exported separator: {text}") from None
    weights = config.get("weights_sha256") or file_digest(folder / WEIGHTS)
    known = json.dumps([weights, config.get("hyperparameters")], sort_keys=True)
    if segment is None:
        large = (folder / WEIGHTS).stat().st_size >= 4 * LARGE
        segment = LARGE_SEGMENT_S if large else SEGMENT_S
    options = {"segment": float(segment), "overlap": float(overlap), "shifts": int(shifts)}
    # How many chunks run at once changes no estimate; the number stands for scores on record.
    return f"{known} {options | {'batch_size': 4}}"
