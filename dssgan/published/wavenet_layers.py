"""The layers of the original Wavenet: which comes where, and in which shapes.

A file lists its layers in the network's order: the first convolution, for every block a dilated one
and a 1×1 one, and the last three. Names hold the dilations alone.
"""

import re
from typing import NamedTuple

import h5py

from dssgan.published.layer_tables import most

# Number of outputs → sources, the predicted ones first.
SOURCES = {3: ("vocals", "drums", "bass", "other"), 1: ("vocals", "accompaniment")}
DILATED = re.compile(r"_dilated_conv_d(\d+)_s(\d+)$")
KERNEL = ("kernel",)


class KerasLayer(NamedTuple):
    """A layer of the file: its name and its weights by their short names, not read yet."""

    name: str
    weights: dict[str, h5py.Dataset]


def sizes_of(layers: list[KerasLayer]) -> dict:
    """Channels, number of blocks and dilations; what comes where follows from the order alone."""
    if len(layers) < 6:
        raise ValueError(
            f"{len(layers)} layers with weights, expected at least 6: is this a Wavenet?"
        )
    residual, mixed = _channels(layers)
    skip = mixed - residual
    if skip < 1:
        raise ValueError(
            f"layer {layers[2].name!r}: {mixed} outputs, expected more than the {residual} of the "
            "residual"
        )
    _kernel(layers, 0, "the first convolution", (3, 1, residual))
    blocks = 0
    while _another_block(layers, 2 * blocks + 1, residual):
        dilated, blocks = (3, residual, 2 * residual), blocks + 1
        _kernel(layers, 2 * blocks - 1, f"the dilated convolution of block {blocks}", dilated)
        _kernel(layers, 2 * blocks, f"the 1×1 convolution of block {blocks}", (1, residual, mixed))
    place = 2 * blocks + 1
    wide = _kernel(layers, place, "the first of the last three layers", (3, skip, None))[2]
    last = layers[place:]
    if len(last) > 3:
        raise ValueError(
            f"{len(last)} layers from {last[0].name!r} on, such as {last[3].name!r}, expected 3"
        )
    narrow = _kernel(layers, place + 1, "the second of the last three layers", (3, wide, None))[2]
    output = (1, narrow, None)
    outputs = _kernel(layers, place + 2, "the output layer", output, ("kernel", "bias"))[2]
    if outputs not in SOURCES:
        raise ValueError(
            f"layer {last[2].name!r}: {outputs} outputs, expected 1 (singing voice) or 3"
        )
    channels = (residual, skip, wide, narrow, outputs)
    return {"channels": channels, "blocks": blocks, "layers": _dilations(layers[1:-3:2])}


def _channels(layers: list[KerasLayer]) -> tuple[int, int]:
    """Channels of the residual and outputs of the 1×1 convolutions, as most blocks have them."""
    shapes = [_axes(layer) for layer in layers]
    dilated = [DILATED.search(layer.name) is not None for layer in layers]
    residual, mixed = [shapes[0][2:]], []
    for place, (here, shape) in enumerate(zip(dilated, shapes)):
        if here:
            residual += [shape[1:2], [size // 2 for size in shape[2:]]]
        elif place and dilated[place - 1]:
            residual.append(shape[1:2])
            mixed.append(shape[2:])
    first, second = (
        most(size for sizes in sizes_of for size in sizes) for sizes_of in (residual, mixed)
    )
    if first is None:
        first = _kernel(layers, 0, "the first convolution", (3, 1, None))[2]
    if second is None:
        second = _kernel(layers, 2, "the 1×1 convolution of block 1", (1, first, None))[2]
    return first, second


def _another_block(layers: list[KerasLayer], place: int, residual: int) -> bool:
    """Whether a block begins at a place; the first always does.

    A dilated convolution is known by its name. One of another name but the right shape is no layer
    of the last three where more than three are left; what is wrong with its name is reported later.
    """
    if place == 1 or any(DILATED.search(layer.name) for layer in layers[place:]):
        return True
    shape = (3, residual, 2 * residual)
    return len(layers) - place > 3 and _axes(layers[place]) == shape


def _axes(layer: KerasLayer) -> tuple[int, ...]:
    """The shape of a layer's kernel if it has the three axes of one; no axes otherwise."""
    shape = layer.weights["kernel"].shape if "kernel" in layer.weights else ()
    return shape if len(shape) == 3 else ()


def _kernel(
    layers: list[KerasLayer],
    place: int,
    what: str,
    expected: tuple,
    weights: tuple[str, ...] = KERNEL,
) -> tuple:
    """The shape of a layer's kernel, checked; None in `expected` is any number."""
    shown = "(" + ", ".join("any" if size is None else str(size) for size in expected) + ")"
    wanted = f"{what}, {' and '.join(weights)} of shape {shown}"
    if place >= len(layers):
        raise ValueError(f"ends after layer {layers[-1].name!r}: expected {wanted}; it is missing")
    layer = layers[place]
    problem = f"layer {layer.name!r}: expected {wanted}"
    shape = layer.weights["kernel"].shape if "kernel" in layer.weights else None
    if tuple(layer.weights) != weights:
        raise ValueError(
            f"{problem}; found {', '.join(layer.weights)}{f' of {shape}' * bool(shape)}"
        )
    if len(shape) != 3 or any(wanted not in (None, size) for wanted, size in zip(expected, shape)):
        raise ValueError(f"{problem}; found {shape}")
    if "bias" in weights and layer.weights["bias"].shape != shape[2:]:
        raise ValueError(
            f"{problem}, bias {shape[2:]}; found a bias of {layer.weights['bias'].shape}"
        )
    return shape


def _dilations(layers: list[KerasLayer]) -> int:
    """How many dilations a stack has, from the names of the dilated convolutions."""
    found = []
    for layer in layers:
        match = DILATED.search(layer.name)
        if match is None:
            raise ValueError(
                f"layer {layer.name!r}: expected a name that ends as in dilated_conv_d4_s0, which "
                "holds the dilation"
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
