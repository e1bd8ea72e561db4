"""Tensors of the original Meta-TasNet → the variables of a stage, in the order that they have here.

Names and shapes are checked before (`checks.check`).
"""

import numpy as np

State = dict[str, np.ndarray]


def load_stage(stage, tensors: State, prefix: str) -> None:
    """Put the tensors whose names begin with `prefix` into a stage of `MultiStage`."""
    _load_encoder(stage.encoder, tensors, prefix + "encoder.")
    _load_decoder(stage.decoder, tensors, prefix + "decoder.")
    if stage.mask.generated:
        stage.mask.embedding.assign(tensors[prefix + "instrument_embedding.weight"])
    _load_mask(stage.mask, tensors, prefix + "mask.")


def _load_encoder(encoder, tensors: State, prefix: str) -> None:
    for bank, variable in enumerate(encoder.filters):
        weight = tensors[f"{prefix}filters.{bank}.weight"]
        variable.assign(weight[:, 0].T)
    banks = len(encoder.filters)
    width = encoder.filters[0].shape[1]
    kernel = tensors[prefix + "bottleneck.0.weight"][:, :, 0].T
    # The original interleaves the banks (channel n · banks + l); here they follow one another.
    order = [n * banks + bank for bank in range(banks) for n in range(width)]
    order += list(range(banks * width, kernel.shape[0]))
    encoder.bottleneck_0.assign(kernel[order])
    encoder.bottleneck_1.assign(tensors[prefix + "bottleneck.2.weight"][:, :, 0].T)
    if encoder.mels:
        spectrogram = prefix + "spectrogram."
        encoder.mean.assign(tensors[spectrogram + "mean"][0, :, 0])
        encoder.std.assign(tensors[spectrogram + "std"][0, :, 0])
        encoder.scale.assign(tensors[spectrogram + "affine_scale"][0, :, 0])
        encoder.shift.assign(tensors[spectrogram + "affine_bias"][0, :, 0])
        encoder.mel_kernel.assign(tensors[spectrogram + "mel_transform.weight"][:, :, 0].T)
        encoder.mel_bias.assign(tensors[spectrogram + "mel_transform.bias"])


def _load_decoder(decoder, tensors: State, prefix: str) -> None:
    decoder.bottleneck.assign(tensors[prefix + "bottleneck.0.weight"][:, :, 0])
    for bank, variable in enumerate(decoder.filters):
        variable.assign(tensors[f"{prefix}filters.{bank}.weight"][:, 0])


def _load_mask(mask, tensors: State, prefix: str) -> None:
    layers = {
        "norm_1": ["norm_1"],
        "in_conv": ["in_conv"],
        "norm_2": ["norm_2"],
        "norm_3": ["norm_3"],
        "mask_output": ["mask_output"],
        "norm_4": ["norm_4"],
    }
    blocks = range(len(mask.dilations))
    inside = {
        "expand": "conv1d",
        "block_norm_1": "norm_1",
        "depthwise": "dconv1d",
        "block_norm_2": "norm_2",
        "residual": "res_out",
        "skip": "skip_out",
    }
    for ours, theirs in inside.items():
        layers[ours] = [f"tcn.{block}.{theirs}" for block in blocks]
    load = _load_generated if mask.generated else _load_independent
    for name, paths in layers.items():
        load(mask, name, tensors, [prefix + path for path in paths])
    if "skip_bias" in mask.weights_of:
        for name in ("residual", "skip"):
            theirs = [f"{prefix}tcn.{block}.{inside[name]}" for block in blocks]
            load(mask, name + "_bias", tensors, theirs)
    slopes = [tensors[f"{prefix}prelu_{i}.weight"][0] for i in (1, 2, 3, 4)]
    mask.slopes.assign(np.array(slopes, np.float32))
    slopes = [
        [tensors[f"{prefix}tcn.{block}.prelu_{i}.weight"][0] for i in (1, 2)] for block in blocks
    ]
    mask.block_slopes.assign(np.array(slopes, np.float32))


def _kernel_shape(mask, name: str) -> tuple[int, int, int] | None:
    """(out, in per group, taps) of a convolution in the original's row-major order."""
    return {
        "in_conv": (mask.bottleneck, mask.inputs, 1),
        "expand": (mask.hidden, mask.bottleneck, 1),
        "depthwise": (mask.hidden, 1, mask.kernel),
        "residual": (mask.bottleneck, mask.hidden, 1),
        "skip": (mask.bottleneck, mask.hidden, 1),
        "mask_output": (mask.outputs, mask.bottleneck, 1),
    }.get(name)


def _ours(weight: np.ndarray, shape) -> np.ndarray:
    """(…, out · in · taps) → (…, taps · in · out): how the mask network keeps its kernels."""
    if shape is None:
        return weight
    lead = weight.shape[:-1]
    weight = weight.reshape(*lead, *shape)
    return np.moveaxis(weight, (-1, -2, -3), (-3, -2, -1)).reshape(*lead, -1)


def _load_generated(mask, name: str, tensors: State, paths: list[str]) -> None:
    layer, shape = mask.weights_of[name], _kernel_shape(mask, name)
    kind = "kernel" if shape else ("bias" if name.endswith("_bias") else "affine")

    def stack(form):
        return np.stack([tensors[f"{path}.{form}"] for path in paths])

    layer.code_kernel.assign(np.swapaxes(stack("bottleneck.weight"), 1, 2))
    layer.code_bias.assign(stack("bottleneck.bias")[:, None])
    layer.kernel.assign(_ours(np.swapaxes(stack(f"{kind}.weight"), 1, 2), shape))
    layer.bias.assign(_ours(stack(f"{kind}.bias")[:, None], shape))


def _load_independent(mask, name: str, tensors: State, paths: list[str]) -> None:
    layer, shape = mask.weights_of[name], _kernel_shape(mask, name)

    def stack(form):
        return np.stack([tensors[f"{path}.{form}"].reshape(mask.sources, -1) for path in paths])

    if shape:
        value = _ours(stack("conv.weight"), shape)
    elif name.endswith("_bias"):
        value = stack("conv.bias")
    else:
        value = np.concatenate([stack("group_norm.weight"), stack("group_norm.bias")], -1)
    layer.weight.assign(value)
