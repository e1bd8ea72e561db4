"""Sizes that no separator has are refused before TensorFlow is even loaded."""

from pathlib import Path
from typing import Any

from common.json_files import read_json

#: What hyperparameters count at most: units, entries of a list; samples or Hz; and layers in a row,
#: of which many double something from one to the next.
LARGEST_COUNT, LARGEST_LENGTH = 8192, 1_000_000
DEPTHS = {"layers": 16, "levels": 12, "stages": 6, "stacks": 64, "repeats": 64}
LENGTHS = ("rate", "length", "hop", "stride", "samples", "frames", "window", "split", "seed")


def check_export(path: Path) -> None:
    """Check the sizes in the configuration of an exported separator, where there is one.

    Raises:
      ValueError: not a configuration, or a size that no separator has.
    """
    if path.exists():
        config = read_json(path, {"hyperparameters": dict}, "export the separator again")
        check_sizes(config["hyperparameters"], f"{path}: hyperparameters")


def check_sizes(value: Any, where: str, key: str = "") -> None:
    """Check hyperparameters before anything is built of them.

    Args:
      value: all of them, or a part. where: its place, the beginning of the message. key: its name.

    Raises:
      ValueError: a number, a list or a text that no separator has; names the key and the limit.
    """
    if isinstance(value, dict | list | str) and len(value) > LARGEST_COUNT:
        raise ValueError(f"{where}: {len(value)} values; expected {LARGEST_COUNT} at most")
    if isinstance(value, int | float) and not isinstance(value, bool):
        limit = LARGEST_LENGTH if any(word in key for word in LENGTHS) else LARGEST_COUNT
        if key in DEPTHS and abs(value) <= limit:
            limit = DEPTHS[key]
        if not -limit <= value <= limit:
            raise ValueError(
                f"{where}={value}: expected {limit} at most, larger is no separator's size"
            )
    if isinstance(value, dict):
        for name, part in value.items():
            check_sizes(part, f"{where}.{name}", name)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            check_sizes(part, f"{where}.{place}", key)
