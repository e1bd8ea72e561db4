"""Weights of the original Meta-TasNet (pfnet-research/meta-tasnet) → `MultiStage`.

Files are what the original's training writes (a dict with `args` and `state_dict`) or a bare state
dict. Sizes follow from the tensors, but two things stand in `args` alone: how many layers a stack
has, which the dilations depend on, and the stride.
"""

import sys
from pathlib import Path
from typing import Any

from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.published import layer_tables
from dssgan.published.meta_tasnet_layers import FORM, counts, table
from dssgan.published.meta_tasnet_weights import load_stage

SOURCES = ("drums", "bass", "other", "vocals")
SYSTEM = "Meta-TasNet file"
# Our names → those of the original's command line, as they stand in `args`.
ARGUMENTS = {
    "width": "N",
    "filter_length": "L",
    "stride": "W",
    "banks": "filters",
    "mels": "num_mels",
    "bottleneck": "B",
    "hidden": "H",
    "kernel": "kernel",
    "layers": "layers",
    "stacks": "stack",
    "stages": "stages_num",
    "base_rate": "sampling_rate",
    "embedding_size": "E_1",
    "code_size": "E_2",
    "residual_bias": "residual_bias",
}


def meta_tasnet_file(path: Path, content: Any, **given: int) -> MultiStage:
    """Build from a checkpoint of the original program.

    Args:
      path: the file, for messages.
      content: of the file, as `torch_files.file.load` reads it.
      **given: of `MultiStage`, over those in the file: "layers" and "stride", where it has no args.

    Raises:
      ValueError: as of `from_meta_tasnet`, and args that do not fit; the message names the file.
    """
    try:
        arguments = content.get("args") if isinstance(content, dict) else None
        if not isinstance(arguments, dict | None):
            raise ValueError("args: expected the arguments of the original program, found others")
        known = {
            ours: arguments[theirs]
            for ours, theirs in ARGUMENTS.items()
            if theirs in (arguments or {})
        }
        model = from_meta_tasnet(content, **{**known, **given})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if "stride" not in {**known, **given}:
        print(
            f"{path}: does not hold the stride; taken to be the filter length, "
            f"{model.hyperparameters['stride']} samples: give --stride where it was another",
            file=sys.stderr,
        )
    return model


def from_meta_tasnet(state: dict[str, Any], **hyperparameters) -> MultiStage:
    """Build a `MultiStage` with the weights of the original program (pfnet-research/meta-tasnet).

    Args:
      state: the original's tensor names → arrays; a leading "module." is dropped.
      **hyperparameters: of `MultiStage`; sizes that the tensors have are read from them, others
        (layers or stacks; the stride, when it differs from the filter length) must be given.

    Raises:
      ValueError: a layer is missing, left over, of an unexpected shape or not finite, or a
        hyper-parameter does not fit to the layers: one line that names it, what was expected and
        what was found.
    """
    layers = layer_tables.layers_of(state, "module.", FORM, SYSTEM)
    found = counts(layers)
    expected = table(
        **found,
        sources=len(hyperparameters.get("sources", SOURCES)),
        base_rate=_whole("base_rate", hyperparameters.get("base_rate", 8000)),
    )
    sizes = layer_tables.sizes_of(layers, expected)
    sizes_found = (
        {"mels": 0} | sizes | {key: found[key] for key in ("stages", "banks", "residual_bias")}
    )
    given = dict(hyperparameters)
    if not found["generated"]:
        for unused in ("embedding_size", "code_size"):
            given.pop(unused, None)
    for key, value in sizes_found.items():
        if key in given and not (isinstance(given[key], int) and given[key] == value):
            raise ValueError(f"{_called(key)} is {_short(given[key])}, but its layers have {value}")
    tensors = layer_tables.check(
        layers, layer_tables.shapes(expected, sizes), "other systems cannot be converted"
    )
    dilations = _dilations(found["blocks"], given)
    sizes_found |= {"stride": sizes_found["filter_length"], "generated": found["generated"]}
    model = MultiStage(**{"sources": SOURCES, **sizes_found, **given, **dilations})
    for index, stage in enumerate(model.stages):
        load_stage(stage, tensors, f"stages.{index}.")
    return model


def _dilations(blocks: int, given: dict[str, Any]) -> dict[str, int]:
    """Layers and stacks of the mask network: their product alone shows in its layers."""
    known = {key: _whole(key, given[key]) for key in ("layers", "stacks") if key in given}
    if not known and blocks > 1:
        choices = ", ".join(str(n) for n in range(1, blocks + 1) if blocks % n == 0)
        raise ValueError(
            f"how many layers a stack has does not follow from its {blocks} blocks, and the "
            f"dilations depend on it: give layers ({choices}; --layers for the command, 6 in the "
            "paper)"
        )
    layers = known.get("layers", max(1, blocks // known.get("stacks", 1)))
    stacks = known.get("stacks", max(1, blocks // layers))
    if layers * stacks != blocks:
        raise ValueError(
            f"{_called('layers')} × {_called('stacks')} is {layers} × {stacks}, but its layers "
            f"have {blocks} blocks"
        )
    return {"layers": layers, "stacks": stacks}


def _whole(key: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{_called(key)} is {_short(value)}, expected a whole number from 1 on")
    return value


def _called(key: str) -> str:
    return f"{key} ({ARGUMENTS[key]} in args)" if key in ARGUMENTS else key


def _short(value: Any) -> str:
    """A value for a message: never long, and nothing of what is inside."""
    plain = isinstance(value, bool | float | str | None) or (
        type(value) is int and abs(value) < 1e20
    )
    return repr(value)[:60] if plain else f"a {type(value).__name__}"
