"""The tensors of a checkpoint, wherever programs put them in it."""

from pathlib import Path
from typing import Any

import numpy as np

from dssgan.published.field import safetensors
from dssgan.published.torch_files import file

#: Where weights are kept, those that were averaged over training first.
AVERAGED = ("ema_state_dict", "model_ema", "ema_model", "ema")
PLACES = ("state_dict", "model_state_dict", "state", "model", "params", "best_state")
PREFIXES = ("ema_model.", "module.", "model.", "_orig_mod.")
AVERAGE = "ema_model."  # of names beside "online_model." in one dict
Tensors = dict[str, np.ndarray]


def read(path: Path) -> Any:
    """What a file holds: `.safetensors`, or anything that torch.save wrote; errors as of both."""
    return safetensors.load(path) if path.suffix == ".safetensors" else file.load(path)


def tensors_of(content: Any) -> tuple[Tensors, str]:
    """The tensors by their names, without what programs put before these; and where they were.

    Raises:
      ValueError: there are none.
    """
    place = ""
    for _ in range(3):  # dicts within dicts
        if not isinstance(content, dict):
            break
        found = next((key for key in (*AVERAGED, *PLACES) if _has_tensors(content.get(key))), None)
        if found is None or _count(content) > _count(content[found]):
            break
        content, place = content[found], f"{place}{found}: "
    if not _has_tensors(content):
        kind = type(content).__name__ if not isinstance(content, dict) else "a dict without them"
        raise ValueError(f"{place}expected tensors by their names, found {kind}")
    tensors = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    if any(name.startswith(AVERAGE) for name in tensors):
        tensors = {name: value for name, value in tensors.items() if name.startswith(AVERAGE)}
        place += "ema_model: "
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors, place


def _has_tensors(content: Any) -> bool:
    return isinstance(content, dict) and (
        _count(content) > 0 or any(_has_tensors(content.get(key)) for key in (*AVERAGED, *PLACES))
    )


def _count(content: dict) -> int:
    return sum(
        isinstance(name, str) and isinstance(value, np.ndarray) for name, value in content.items()
    )
