"""Weights of the original Meta-TasNet (pfnet-research/meta-tasnet) → `MultiStage`."""

import numpy as np

from dssgan.models import MultiStage

SOURCES = ("drums", "bass", "other", "vocals")


class State:
    """A dict of tensors that remembers which were used, so that nothing is silently ignored."""

    def __init__(self, state: dict[str, np.ndarray]):
        self.state, self.unused = state, set(state)

    def take(self, name: str) -> np.ndarray:
        if name not in self.state:
            raise ValueError(f"weights: tensor {name!r} is missing; is this a Meta-TasNet file?")
        self.unused.discard(name)
        return np.asarray(self.state[name], np.float32)

    def has(self, name: str) -> bool:
        return name in self.state


def from_meta_tasnet(state: dict[str, np.ndarray], **hyperparameters) -> MultiStage:
    """Build a `MultiStage` with the weights of the original program (pfnet-research/meta-tasnet).

    Args:
      state: the original's tensor names → arrays.
      **hyperparameters: of `MultiStage`; sizes that the tensors tell are read from them, others
        (stride, when it differs from the filter length) must be given.

    Raises:
      ValueError: a tensor is missing, has the wrong shape, or is left over.
    """
    tensors = State(state)
    # A data-parallel wrapper prefixes every name.
    if any(name.startswith("module.") for name in state):
        tensors = State({name.removeprefix("module."): value for name, value in state.items()})
    model = MultiStage(**{**_sizes(tensors), **hyperparameters})
    for index, stage in enumerate(model.stages):
        prefix = f"stages.{index}."
        _load_encoder(stage.encoder, tensors, prefix + "encoder.")
        _load_decoder(stage.decoder, tensors, prefix + "decoder.")
        if stage.mask.generated:
            _assign(stage.mask.embedding, tensors.take(prefix + "instrument_embedding.weight"))
        _load_mask(stage.mask, tensors, prefix + "mask.")
    if tensors.unused:
        some = ", ".join(sorted(tensors.unused)[:3])
        raise ValueError(f"weights: {len(tensors.unused)} tensors have no place, such as {some}")
    return model


def _sizes(tensors: State) -> dict:
    """Hyper-parameters that the shapes of the tensors tell."""

    def shape(name):
        return tensors.state[name].shape if tensors.has(name) else None

    def count(form):
        return next(i for i in range(10_000) if not tensors.has(form.format(i)))

    filters = shape("stages.0.encoder.filters.0.weight")
    if filters is None:
        raise ValueError(
            "weights: tensor 'stages.0.encoder.filters.0.weight' is missing; "
            "is this a Meta-TasNet file?"
        )
    sizes = {
        "width": shape("stages.0.encoder.bottleneck.0.weight")[0],
        "filter_length": filters[2],
        "stride": filters[2],
        "banks": count("stages.0.encoder.filters.{}.weight"),
        "stages": count("stages.{}.encoder.filters.0.weight"),
        "generated": tensors.has("stages.0.instrument_embedding.weight"),
    }
    mel = shape("stages.0.encoder.spectrogram.mel_transform.weight")
    sizes["mels"] = mel[0] if mel else 0
    blocks = count("stages.0.mask.tcn.{}.prelu_1.weight")
    sizes["layers"], sizes["stacks"] = (6, blocks // 6) if blocks % 6 == 0 else (blocks, 1)
    if sizes["generated"]:
        embedding = shape("stages.0.instrument_embedding.weight")
        norm_2 = shape("stages.0.mask.norm_2.affine.weight")
        sizes["embedding_size"], sizes["code_size"] = embedding[1], norm_2[1]
        sizes["bottleneck"] = norm_2[0] // 2
        sizes["hidden"] = shape("stages.0.mask.tcn.0.norm_1.affine.weight")[0] // 2
        sizes["sources"] = SOURCES[: embedding[0]]
        taps = shape("stages.0.mask.tcn.0.dconv1d.kernel.weight")[0] // sizes["hidden"]
        sizes["residual_bias"] = tensors.has("stages.0.mask.tcn.0.res_out.bias.weight")
    else:
        conv = shape("stages.0.mask.in_conv.conv.weight")
        sizes["bottleneck"] = conv[0] // len(SOURCES)
        depthwise = shape("stages.0.mask.tcn.0.dconv1d.conv.weight")
        sizes["hidden"], taps = depthwise[0] // len(SOURCES), depthwise[2]
        sizes["residual_bias"] = tensors.has("stages.0.mask.tcn.0.res_out.conv.bias")
    sizes["kernel"] = taps
    return sizes


def _assign(variable, value: np.ndarray) -> None:
    if tuple(variable.shape) != value.shape:
        raise ValueError(
            f"weights: {variable.path} expects shape {tuple(variable.shape)}, found {value.shape}; "
            "do the hyper-parameters match the file?"
        )
    variable.assign(value)


def _load_encoder(encoder, tensors: State, prefix: str) -> None:
    for bank, variable in enumerate(encoder.filters):
        weight = tensors.take(f"{prefix}filters.{bank}.weight")
        _assign(variable, weight[:, 0].T)
    banks = len(encoder.filters)
    width = encoder.filters[0].shape[1]
    kernel = tensors.take(prefix + "bottleneck.0.weight")[:, :, 0].T
    # The original interleaves the banks (channel n · banks + l); here they follow one another.
    order = [n * banks + bank for bank in range(banks) for n in range(width)]
    order += list(range(banks * width, kernel.shape[0]))
    _assign(encoder.bottleneck_0, kernel[order])
    _assign(encoder.bottleneck_1, tensors.take(prefix + "bottleneck.2.weight")[:, :, 0].T)
    if encoder.mels:
        spectrogram = prefix + "spectrogram."
        tensors.unused.discard(spectrogram + "window")
        _assign(encoder.mean, tensors.take(spectrogram + "mean")[0, :, 0])
        _assign(encoder.std, tensors.take(spectrogram + "std")[0, :, 0])
        _assign(encoder.scale, tensors.take(spectrogram + "affine_scale")[0, :, 0])
        _assign(encoder.shift, tensors.take(spectrogram + "affine_bias")[0, :, 0])
        _assign(encoder.mel_kernel, tensors.take(spectrogram + "mel_transform.weight")[:, :, 0].T)
        _assign(encoder.mel_bias, tensors.take(spectrogram + "mel_transform.bias"))


def _load_decoder(decoder, tensors: State, prefix: str) -> None:
    _assign(decoder.bottleneck, tensors.take(prefix + "bottleneck.0.weight")[:, :, 0])
    for bank, variable in enumerate(decoder.filters):
        _assign(variable, tensors.take(f"{prefix}filters.{bank}.weight")[:, 0])


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
    slopes = [tensors.take(f"{prefix}prelu_{i}.weight")[0] for i in (1, 2, 3, 4)]
    _assign(mask.slopes, np.array(slopes, np.float32))
    slopes = [
        [tensors.take(f"{prefix}tcn.{block}.prelu_{i}.weight")[0] for i in (1, 2)]
        for block in blocks
    ]
    _assign(mask.block_slopes, np.array(slopes, np.float32))


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
        return np.stack([tensors.take(f"{path}.{form}") for path in paths])

    _assign(layer.code_kernel, np.swapaxes(stack("bottleneck.weight"), 1, 2))
    _assign(layer.code_bias, stack("bottleneck.bias")[:, None])
    _assign(layer.kernel, _ours(np.swapaxes(stack(f"{kind}.weight"), 1, 2), shape))
    _assign(layer.bias, _ours(stack(f"{kind}.bias")[:, None], shape))


def _load_independent(mask, name: str, tensors: State, paths: list[str]) -> None:
    layer, shape = mask.weights_of[name], _kernel_shape(mask, name)

    def stack(form):
        return np.stack(
            [tensors.take(f"{path}.{form}").reshape(mask.sources, -1) for path in paths]
        )

    if shape:
        value = _ours(stack("conv.weight"), shape)
    elif name.endswith("_bias"):
        value = stack("conv.bias")
    else:
        value = np.concatenate([stack("group_norm.weight"), stack("group_norm.bias")], -1)
    _assign(layer.weight, value)
