"""Weights of the original Wavenet (francesclluis/source-separation-wavenet) → `Wavenet`.

The authors' files are Keras 2.1 checkpoints written with Theano. They are read with h5py alone:
arrays, names and the text of the model's description; nothing of a file is ever run.
"""

import os
from pathlib import Path

import h5py
import numpy as np

from common.audio_files import require_file
from common.json_files import parse_json
from dssgan.models.wavenet.model import Wavenet
from dssgan.published.layer_tables import floats
from dssgan.published.wavenet_layers import SOURCES, KerasLayer, sizes_of

# Theano turns kernels around (a convolution in the strict sense); everyone else correlates.
LAYERS = {"config": {"layers": [{"config": dict}]}}  # of a model's description
LARGEST = 2**28  # bytes of all weights; the published ones take 14 MB
BACKENDS = {"theano": True, "tensorflow": False, "cntk": False}


def from_wavenet(path: str | os.PathLike, **hyperparameters) -> Wavenet:
    """Build a `Wavenet` from a checkpoint of the original program.

    Args:
      path: an HDF5 file of Keras, a whole model or weights alone.
      **hyperparameters: of `Wavenet`, over those of the file.

    Raises:
      ValueError: not such a file, or a layer that is missing, left over or of an unexpected shape;
        the message names the file, the layer, what was expected and what was found.
      OSError: the file cannot be opened.
    """
    path = Path(path)
    require_file(path)
    with open(path, "rb"):  # a file that is not there or not allowed is not a damaged one
        pass
    try:
        with h5py.File(path, "r") as file:
            flip, layers = _layers(file)
            sizes = sizes_of(layers)
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


def _layers(file: h5py.File) -> tuple[bool, list[KerasLayer]]:
    """Whether kernels are turned around, and the layers that have weights, in their order."""
    group = file.get("model_weights", file)
    if "layer_names" not in group.attrs:
        raise ValueError("no list of layers (layer_names): expected weights that Keras saved")
    backend = _text(group.attrs.get("backend", file.attrs.get("backend", "none")))
    if backend not in BACKENDS:
        raise ValueError(
            f"the attribute backend is {backend!r}, expected {' or '.join(BACKENDS)}: it says "
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
            layers.append(KerasLayer(name, weights))
    return BACKENDS[backend], layers


def _arrays(layers: list[KerasLayer]) -> list[list[np.ndarray]]:
    """The numbers of every layer, float32; ValueError where they are more than any Wavenet's."""
    size = sum(weight.nbytes for layer in layers for weight in layer.weights.values())
    if size > LARGEST:
        raise ValueError(f"its layers announce {size} bytes; expected {LARGEST} at most")
    return [
        [floats(layer.name, weight[()]) for weight in layer.weights.values()] for layer in layers
    ]


def _target_field(file: h5py.File, sizes: dict) -> int | None:
    """Length of the original's fragments, where the file describes its model."""
    try:
        text = _text(file.attrs["model_config"])
        described = parse_json(text, "model_config", kind=LAYERS)["config"]["layers"]
        shapes = [layer["config"].get("batch_input_shape") for layer in described]
        length = next(shape[1] for shape in shapes if shape)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration, AttributeError):
        return None
    stacks = sizes["blocks"] // sizes["layers"]
    field = length - 2 * stacks * (2 ** sizes["layers"] - 1) if isinstance(length, int) else 0
    return field if field > 0 and field % 2 else None


def _text(value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
