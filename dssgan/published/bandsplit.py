"""Weights of the public Band-Split RNN (amanteur/BandSplitRNN-PyTorch) → `BandSplit`.

Files are a plain state dict (`.pt`) or a checkpoint of PyTorch Lightning (`.ckpt`), whose names
begin with "model.". Which band split a file has follows from its shapes; which of vocals and other
it was trained for does not, nor whether it was written before 29 July 2023: the program had its
masks transposed until then, in the same names and shapes, and weights from that time separate badly
here as they do there.
"""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dssgan.models.bandsplit import BandSplit
from dssgan.models.bandsplit_bands import SPLITS, band_widths
from dssgan.published import torch_file

TARGETS = {"v7": "vocals", "bass": "bass", "drums": "drums"}
PARTS = 4  # real and imaginary parts of two channels
DIRECTIONS = ("", "_reverse")
State = dict[str, np.ndarray]


def bandsplit_file(path: Path, target: str | None = None) -> BandSplit:
    """Read a `.pt` or `.ckpt` file of the public program; see `from_bandsplit_rnn`."""
    content = torch_file.load(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    try:
        model = from_bandsplit_rnn(content, target)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    print(
        f"{path}: masks are taken to be in the program's layout since 29 July 2023; weights from "
        "before look the same and cannot be told apart",
        file=sys.stderr,
    )
    return model


def from_bandsplit_rnn(state: dict[str, Any], target: str | None = None) -> BandSplit:
    """Build a `BandSplit` of the variant "amanteur" with the weights of the public program.

    Args:
      state: the program's tensor names → arrays; a leading "model." is dropped.
      target: the source the weights are for; None: "bass" and "drums" as the band split says, and
        "vocals" for the split that vocals and other share.

    Returns:
      A separator of the target and its accompaniment.

    Raises:
      ValueError: a layer is missing, left over or of an unexpected shape: one line that names it,
        what was expected and what was found.
    """
    state = {name.removeprefix("model."): value for name, value in state.items()}
    sizes = _sizes(state)
    _check(state, _expected(**sizes))
    target = target or TARGETS[sizes["split"]]
    model = BandSplit(
        sources=(target, "accompaniment"),
        targets=(target,),
        variant="amanteur",
        **{key: value for key, value in sizes.items() if key != "widths"},
    )
    _assign(model, {name: np.asarray(value, np.float32) for name, value in state.items()})
    return model


def _sizes(state: dict[str, Any]) -> dict[str, Any]:
    """What the shapes tell."""

    def shape(name: str, rank: int) -> tuple[int, ...]:
        found = np.shape(state[name]) if isinstance(state.get(name), np.ndarray) else None
        if found is None or len(found) != rank:
            there = f"shape {found}" if found is not None else f"only {_some(state)}"
            raise ValueError(
                f"layer {name!r}: expected a tensor of {rank} axes, found {there}; is this a file "
                "of the public BandSplitRNN?"
            )
        return found

    def count(form: str) -> int:
        places = (re.fullmatch(form, name) for name in state)
        return max(1, len({place[1] for place in places if place}))

    bands = count(r"bandsplit\.fcs\.(\d+)\.weight")
    inputs = [shape(f"bandsplit.fcs.{band}.weight", 2)[1] for band in range(bands)]
    splits = {name: band_widths(name, 2048, 44100) for name in SPLITS}
    split = next((n for n, own in splits.items() if [PARTS * w for w in own] == inputs), None)
    if split is None:
        raise ValueError(
            f"layers 'bandsplit.fcs.*.weight': expected {PARTS} inputs per bin of the splits "
            f"{', '.join(f'{name} ({len(own)} bands)' for name, own in splits.items())}, found "
            f"{bands} bands of {', '.join(map(str, inputs[:6]))}, … inputs"
        )
    return {
        "split": split,
        "widths": splits[split],
        "features": shape("bandsplit.fcs.0.weight", 2)[0],
        "frames": shape("bandsplit.layernorms.0.weight", 2)[1],
        "hidden": shape("bandsequence.bsrnn.0.0.rnn.weight_hh_l0", 2)[1],
        "repeats": count(r"bandsequence\.bsrnn\.(\d+)\..*"),
        "mask_hidden": shape("maskest.mlp.0.mlp.0.weight", 2)[0],
    }


def _expected(split, widths, features, frames, hidden, repeats, mask_hidden) -> dict[str, tuple]:
    """Every layer of the program and its shape."""
    del split
    shapes: dict[str, tuple] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = shape

    for band, width in enumerate(widths):
        size = PARTS * width
        norm(f"bandsplit.layernorms.{band}", size, frames)
        linear(f"bandsplit.fcs.{band}", size, features)
        norm(f"maskest.layernorms.{band}", frames, features)
        linear(f"maskest.mlp.{band}.mlp.0", features, mask_hidden)
        linear(f"maskest.mlp.{band}.mlp.2", mask_hidden, size)
        linear(f"maskest.mlp.{band}.mlp.3.linear", size, 2 * size)
    for place in range(2 * repeats):
        name = f"bandsequence.bsrnn.{place // 2}.{place % 2}"
        norm(f"{name}.groupnorm", features)
        linear(f"{name}.fc", 2 * hidden, features)
        for end in DIRECTIONS:
            shapes[f"{name}.rnn.weight_ih_l0{end}"] = (4 * hidden, features)
            shapes[f"{name}.rnn.weight_hh_l0{end}"] = (4 * hidden, hidden)
            shapes[f"{name}.rnn.bias_ih_l0{end}"] = (4 * hidden,)
            shapes[f"{name}.rnn.bias_hh_l0{end}"] = (4 * hidden,)
    return shapes


def _check(state: dict[str, Any], expected: dict[str, tuple]) -> None:
    for name, shape in expected.items():
        if name not in state:
            raise ValueError(f"layer {name!r}: expected shape {shape}, found no such layer")
        value = state[name]
        if not isinstance(value, np.ndarray):
            kind = type(value).__name__
            raise ValueError(f"layer {name!r}: expected a tensor of shape {shape}, found {kind}")
        if value.shape != shape:
            raise ValueError(f"layer {name!r}: expected shape {shape}, found {value.shape}")
        if not np.isfinite(value).all():
            raise ValueError(f"layer {name!r}: expected finite numbers, found others")
    more = [name for name in state if name not in expected]
    if more:
        raise ValueError(
            f"{len(more)} layers more than expected, found {_some(more)}; the attention variant "
            "and other systems cannot be converted"
        )


def _some(names) -> str:
    names = sorted(map(str, names))
    return ", ".join(map(repr, names[:3])) + (", …" if len(names) > 3 else "") or "nothing"


def _assign(model: BandSplit, state: State) -> None:
    def assign(pair, name, members, turn=np.transpose) -> None:
        """Weights and biases of the layers `name` of some bands, one upon the other."""
        for variable, kind in zip(pair, ("weight", "bias")):
            values = [state[f"{name.format(band)}.{kind}"] for band in members]
            values = [turn(value) if value.ndim == 2 else value for value in values]
            variable.assign(np.stack(values).reshape(variable.shape))

    mask, split = model.masks[0], model.splitter
    everyone = range(mask.bands.count)
    assign((mask.scale, mask.shift), "maskest.layernorms.{}", everyone, np.asarray)
    assign(mask.first, "maskest.mlp.{}.mlp.0", everyone)
    for place, members in enumerate(mask.bands.members):
        assign(split.norms[place], "bandsplit.layernorms.{}", members)
        assign(split.maps[place], "bandsplit.fcs.{}", members)
        assign(mask.middle[place], "maskest.mlp.{}.mlp.2", members)
        assign(mask.last[place], "maskest.mlp.{}.mlp.3.linear", members)
    for place, block in enumerate(model.blocks):
        name = f"bandsequence.bsrnn.{place // 2}.{place % 2}"
        block.scale.assign(state[f"{name}.groupnorm.weight"])
        block.shift.assign(state[f"{name}.groupnorm.bias"])
        block.out_kernel.assign(state[f"{name}.fc.weight"].T)
        block.out_bias.assign(state[f"{name}.fc.bias"][None])
        rnn = f"{name}.rnn.{{}}_{{}}_l0{{}}".format
        for variable, kind in ((block.kernel, "ih"), (block.recurrent, "hh")):
            variable.assign([state[rnn("weight", kind, end)].T for end in DIRECTIONS])
        block.bias.assign(
            [[state[rnn("bias", kind, end)] for kind in ("ih", "hh")] for end in DIRECTIONS]
        )
