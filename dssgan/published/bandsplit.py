"""Weights of the public Band-Split RNN (amanteur/BandSplitRNN-PyTorch) → `BandSplit`.

Files are a plain state dict (`.pt`) or a checkpoint of PyTorch Lightning (`.ckpt`), whose names
begin with "model.". Which band split a file has follows from its shapes; which of vocals and other
it was trained for does not, nor whether it was written before 29 July 2023: the program had its
masks transposed until then, in the same names and shapes, and weights from that time separate badly
here as they do there.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from dssgan.models.bandsplit.bands import SPLITS, band_widths
from dssgan.models.bandsplit.model import BandSplit
from dssgan.published import layer_tables

TARGETS = {"v7": "vocals", "bass": "bass", "drums": "drums"}
PARTS = 4  # real and imaginary parts of two channels
DIRECTIONS = ("", "_reverse")
FORM = r"(bandsplit|bandsequence|maskest)\..*"
State = dict[str, np.ndarray]


def bandsplit_file(path: Path, content: Any, target: str | None = None) -> BandSplit:
    """Build from a `.pt` or `.ckpt` file of the public program; see `from_bandsplit_rnn`.

    Args:
      path: the file, for messages.
      content: of the file, as `torch_files.file.load` reads it.
      target: as of `from_bandsplit_rnn`.
    """
    try:
        model = from_bandsplit_rnn(content, target)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    print(
        f"{path}: masks are taken to be in the program's layout since 29 July 2023; weights from "
        "before look the same and cannot be distinguished",
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
    layers = layer_tables.layers_of(state, "model.", FORM, "file of the public BandSplitRNN")
    split = _split(layers)
    repeats = max(1, layer_tables.count(layers, r"bandsequence\.bsrnn\.(\d+)\..*"))
    table = _table(_widths(split), repeats)
    sizes = layer_tables.sizes_of(layers, table)
    tensors = layer_tables.check(
        layers,
        layer_tables.shapes(table, sizes),
        "the attention variant and other systems cannot be converted",
    )
    target = target or TARGETS[split]
    model = BandSplit(
        sources=(target, "accompaniment"),
        targets=(target,),
        variant="amanteur",
        split=split,
        repeats=repeats,
        **sizes,
    )
    _assign(model, tensors)
    return model


def _widths(split: str) -> list[int]:
    return band_widths(split, 2048, 44100)


def _split(layers: dict[str, Any]) -> str:
    """The split whose bands most layers have."""
    forms = {"bandsplit.fcs.{}.weight": 1, "bandsplit.layernorms.{}.weight": 0}
    forms |= {"maskest.mlp.{}.mlp.2.weight": 0}

    def inputs(form: str, band: int) -> int | None:
        value = layers.get(form.format(band))
        fits = isinstance(value, np.ndarray) and value.ndim == 2
        return value.shape[forms[form]] if fits else None

    bands = layer_tables.count(layers, r"bandsplit\.(?:fcs|layernorms)\.(\d+)\..*")
    shares = {}
    for split in SPLITS:
        widths = _widths(split)
        right = sum(
            inputs(form, band) == PARTS * width
            for form in forms
            for band, width in enumerate(widths)
        )
        shares[split] = right / (len(forms) * max(len(widths), bands))
    best = max(shares, key=shares.get)
    if shares[best] > 0.5:
        return best
    splits = ", ".join(f"{split} ({len(_widths(split))} bands)" for split in SPLITS)
    first = ", ".join(str(inputs("bandsplit.fcs.{}.weight", band)) for band in range(min(bands, 6)))
    raise ValueError(
        f"layers 'bandsplit.fcs.*.weight': expected {PARTS} inputs per bin of one of the splits "
        f"{splits}, found {bands} bands{f' of {first}, … inputs' if bands else ''}"
    )


def _table(widths: list[int], repeats: int) -> layer_tables.Table:
    """Every layer of the program and what its shape is made of."""
    features, hidden, frames, mask_hidden = (
        layer_tables.Size((name,)) for name in ("features", "hidden", "frames", "mask_hidden")
    )
    shapes: layer_tables.Table = {}

    def linear(name: str, inputs, outputs) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str, *shape) -> None:
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
