"""Weights of the original Wavenet (francesclluis/source-separation-wavenet) → `Wavenet`.

The authors' files are Keras 2.1 checkpoints written with Theano. They are read with h5py alone:
arrays, names and the text of the model's description; nothing of a file is ever run.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from dssgan.models import Wavenet

# Number of outputs → sources, the predicted ones first.
SOURCES = {3: ("vocals", "drums", "bass", "other"), 1: ("vocals", "accompaniment")}
# Theano turns kernels around (a convolution in the strict sense); everyone else correlates.
BACKENDS = {"theano": True, "tensorflow": False, "cntk": False}
DILATED = re.compile(r"_dilated_conv_d(\d+)_s(\d+)$")
KERNEL = ("kernel",)


class Layer(NamedTuple):
    """A layer of the file: its name and its weights by their short names, not read yet."""

    name: str
    weights: dict[str, h5py.Dataset]


def from_wavenet(path: str | os.PathLike, **hyperparameters) -> Wavenet:
    """Build a `Wavenet` from a checkpoint of the original program.

    Args:
      path: an HDF5 file of Keras, a whole model or weights alone.
      **hyperparameters: of `Wavenet`, over those that the file tells.

    Raises:
      ValueError: not such a file, or a layer that is missing, left over or of an unexpected shape;
        the message names the file, the layer, what was expected and what was found.
      OSError: the file cannot be opened.
    """
    path = Path(path)
    with open(path, "rb"):  # a file that is not there or not allowed is not a damaged one
        pass
    try:
        with h5py.File(path, "r") as file:
            flip, layers = _layers(file)
            sizes = _sizes(layers)
            arrays = _arrays(layers)
            field = _target_field(file, sizes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a whole HDF5 file (damaged, cut off or of another kind): expected a "
            "checkpoint of the original Wavenet (.hdf5)"
        ) from error
    residual, skip, wide, narrow, outputs = sizes["channels"]
    sources = SOURCES[outputs]
    model = Wavenet(
        **{
            "sources": sources,
            "targets": sources[:-1],
            "layers": sizes["layers"],
            "stacks": sizes["blocks"] // sizes["layers"],
            "residual": residual,
            "skip": skip,
            "final": (wide, narrow),
            **({"target_field": field} if field else {}),
            **hyperparameters,
        }
    )
    kernels = [kernel[::-1] if flip else kernel for kernel, *_ in arrays]
    first, *blocks, wide_kernel, narrow_kernel, output = kernels
    model.first.assign(first[:, 0])
    model.dilated.assign(np.stack(blocks[::2]).reshape(-1, 3 * residual, 2 * residual))
    model.mixing.assign(np.stack(blocks[1::2])[:, 0])
    model.wide.assign(wide_kernel.reshape(3 * skip, wide))
    model.narrow.assign(narrow_kernel)
    model.output_kernel.assign(output[0])
    model.output_bias.assign(arrays[-1][1])
    return model


def _layers(file: h5py.File) -> tuple[bool, list[Layer]]:
    """Whether kernels are turned around, and the layers that have weights, in their order."""
    group = file.get("model_weights", file)
    if "layer_names" not in group.attrs:
        raise ValueError("no list of layers (layer_names): expected weights that Keras saved")
    backend = _text(group.attrs.get("backend", file.attrs.get("backend", "none")))
    if backend not in BACKENDS:
        raise ValueError(
            f"the attribute backend is {backend!r}, expected {' or '.join(BACKENDS)}: it tells "
            "which way round the kernels are"
        )
    layers = []
    for name in map(_text, group.attrs["layer_names"]):
        if name not in group:
            raise ValueError(f"layer {name!r} is listed but missing")
        weights = {}
        for weight in map(_text, group[name].attrs.get("weight_names", ())):
            found = group[name].get(weight)
            if not isinstance(found, h5py.Dataset):
                raise ValueError(f"layer {name!r}: weight {weight!r} is listed but missing")
            outside = found.file.filename != file.filename or found.external or found.is_virtual
            if outside or found.dtype.kind != "f":
                raise ValueError(
                    f"layer {name!r}: weight {weight!r} of type {found.dtype}"
                    f"{' in another file' if outside else ''}, expected floats in this one"
                )
            weights[weight.rpartition("/")[2].removesuffix(":0")] = found
        if weights:
            layers.append(Layer(name, weights))
    return BACKENDS[backend], layers


def _sizes(layers: list[Layer]) -> dict:
    """Channels, number of blocks and dilations; what comes where is told by the order alone."""
    if len(layers) < 6:
        raise ValueError(
            f"{len(layers)} layers with weights, expected at least 6: is this a Wavenet?"
        )
    residual = _kernel(layers[0], "the first convolution", (3, 1, None))[2]
    mixed = _kernel(layers[2], "the 1×1 convolution of block 1", (1, residual, None))[2]
    skip = mixed - residual
    if skip < 1:
        raise ValueError(
            f"layer {layers[2].name!r}: {mixed} outputs, expected more than the {residual} of the "
            "residual"
        )
    blocks = 0
    while 2 * blocks + 1 < len(layers) and _is_dilated(layers[2 * blocks + 1], residual):
        blocks += 1
        if 2 * blocks == len(layers):
            raise ValueError(
                f"ends after layer {layers[-1].name!r}: its 1×1 convolution is missing"
            )
        _kernel(layers[2 * blocks], f"the 1×1 convolution of block {blocks}", (1, residual, mixed))
    last = layers[2 * blocks + 1 :]
    if not last:
        raise ValueError(f"ends after layer {layers[-1].name!r}: the last three layers are missing")
    behind = f"the dilated convolution of block {blocks + 1} or the first of the last three layers"
    wide = _kernel(last[0], behind, (3, skip, None))[2]
    if len(last) != 3:
        more = f", such as {last[3].name!r}" if len(last) > 3 else ""
        raise ValueError(f"{len(last)} layers from {last[0].name!r} on{more}, expected 3")
    narrow = _kernel(last[1], "the second of the last three layers", (3, wide, None))[2]
    outputs = _kernel(last[2], "the output layer", (1, narrow, None), ("kernel", "bias"))[2]
    if outputs not in SOURCES:
        raise ValueError(
            f"layer {last[2].name!r}: {outputs} outputs, expected 1 (singing voice) or 3"
        )
    channels = (residual, skip, wide, narrow, outputs)
    return {"channels": channels, "blocks": blocks, "layers": _dilations(layers[1:-3:2])}


def _is_dilated(layer: Layer, residual: int) -> bool:
    kernel = layer.weights.get("kernel")
    return kernel is not None and kernel.shape == (3, residual, 2 * residual)


def _kernel(layer: Layer, what: str, expected: tuple, weights: tuple[str, ...] = KERNEL) -> tuple:
    """The shape of a layer's kernel, checked; None in `expected` is any number."""
    shown = "(" + ", ".join("any" if size is None else str(size) for size in expected) + ")"
    told = f"layer {layer.name!r}: expected {what}, {' and '.join(weights)} of shape {shown}"
    if tuple(layer.weights) != weights:
        raise ValueError(f"{told}; found {', '.join(layer.weights)}")
    shape = layer.weights["kernel"].shape
    if len(shape) != 3 or any(wanted not in (None, size) for wanted, size in zip(expected, shape)):
        raise ValueError(f"{told}; found {shape}")
    if "bias" in weights and layer.weights["bias"].shape != shape[2:]:
        raise ValueError(f"{told}; its bias has {layer.weights['bias'].shape}")
    return shape


def _dilations(layers: list[Layer]) -> int:
    """How many dilations a stack has, from the names of the dilated convolutions."""
    found = []
    for layer in layers:
        match = DILATED.search(layer.name)
        if match is None:
            raise ValueError(
                f"layer {layer.name!r}: expected a name that ends as in dilated_conv_d4_s0, which "
                "tells the dilation"
            )
        found.append(int(match[1]))
    count = max(found).bit_length()
    for place, (layer, dilation) in enumerate(zip(layers, found)):
        if dilation != 2 ** (place % count):
            raise ValueError(
                f"layer {layer.name!r}: dilation {dilation}, expected {2 ** (place % count)}; is a "
                "layer before it missing?"
            )
    if len(layers) % count:
        raise ValueError(
            f"layer {layers[-1].name!r} is the last block, expected dilation {2 ** (count - 1)} "
            "there; is a layer behind it missing?"
        )
    return count


def _arrays(layers: list[Layer]) -> list[list[np.ndarray]]:
    """The numbers of every layer, float32."""
    arrays = []
    for layer in layers:
        arrays.append([np.asarray(weight[()], np.float32) for weight in layer.weights.values()])
        if not all(np.isfinite(array).all() for array in arrays[-1]):
            raise ValueError(
                f"layer {layer.name!r}: expected numbers, found some that are not finite"
            )
    return arrays


def _target_field(file: h5py.File, sizes: dict) -> int | None:
    """Length of the original's fragments, where the file describes its model."""
    try:
        described = json.loads(_text(file.attrs["model_config"]))["config"]["layers"]
        shapes = [layer["config"].get("batch_input_shape") for layer in described]
        length = next(shape[1] for shape in shapes if shape)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration, AttributeError):
        return None
    stacks = sizes["blocks"] // sizes["layers"]
    field = length - 2 * stacks * (2 ** sizes["layers"] - 1) if isinstance(length, int) else 0
    return field if field > 0 and field % 2 else None


def _text(value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
