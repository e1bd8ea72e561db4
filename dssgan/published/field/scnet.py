"""Weights of the public SCNet (starrytong/SCNet) → `SCNet`."""

import numpy as np

from dssgan.models.scnet.model import SCNet
from dssgan.published.field.settings import Settings
from dssgan.published.field.tensors import ALONG_AXIS, LINEAR, SWAPPED_AXES, UPSAMPLING, Tensors

#: Keys of the section "model" that are read.
READ = {
    "sources", "audio_channels", "dims", "nfft", "hop_size", "win_size", "normalized", "band_SR",
    "band_stride", "band_kernel", "conv_depths", "compress", "conv_kernel", "num_dplayer",
    "expand",
}  # fmt: skip
ENDS = ("", "_reverse")


def from_scnet(named: dict[str, np.ndarray], settings: Settings) -> SCNet:
    """Build an `SCNet` with the weights of the public program.

    Args:
      named: the program's tensors. settings: the configuration that comes with them.

    Raises:
      ValueError: a layer is missing, left over or of an unexpected shape, or the configuration has
        an option that is not supported: one line that names it.
    """
    settings.known("model", READ, {})
    tensors = Tensors(named)
    model = SCNet(**_sizes(settings))
    for place, encoder in enumerate(model.encoders):
        _encoder(tensors, encoder, f"encoder.{place}")
    for place, decoder in enumerate(reversed(model.decoders)):
        tensors.pair(decoder.fusion, f"decoder.{place}.0.conv", SWAPPED_AXES)
        for band, leave in enumerate(decoder.exits):
            tensors.pair(leave, f"decoder.{place}.1.convtrs.{band}", UPSAMPLING, 3)
    for place, path in enumerate(model.dual_paths):
        name = f"separation_net.dp_modules.{place}"
        for axis in range(2):
            lstm(tensors, path.recurrent[axis], f"{name}.lstm_layers.{axis}")
            tensors.pair(path.maps[axis], f"{name}.linear_layers.{axis}", LINEAR)
            tensors.norm(path.norms[axis], f"{name}.norm_layers.{axis}")
    tensors.finish("SCNet")
    return model


def _sizes(settings: Settings) -> dict:
    options = settings.section("model")
    names = options.get("sources", settings.section("training").get("instruments"))
    sources, targets = settings.sources(len(names) if isinstance(names, list) else 0)
    frame_length = settings.number("model", "nfft", 4096)
    if settings.number("model", "win_size", frame_length) != frame_length:
        raise ValueError(f"{settings.path}: model.win_size: expected that of nfft")
    channels = settings.number("model", "audio_channels", 2)
    dims = options.get("dims", [4, 32, 64, 128])
    if not isinstance(dims, list) or dims[:1] != [2 * channels]:
        raise ValueError(f"{settings.path}: model.dims is {dims!r}, expected {2 * channels} first")
    lists = {"shares": "band_SR", "strides": "band_stride", "kernels": "band_kernel"}
    lists["depths"] = "conv_depths"
    return {
        "sources": sources,
        "targets": targets,
        "sample_rate": settings.number("audio", "sample_rate", 44100),
        "channels": channels,
        "frame_length": frame_length,
        "hop": settings.number("model", "hop_size", 1024),
        "scaled": bool(options.get("normalized", True)),
        "widths": dims[1:],
        "compress": settings.number("model", "compress", 4),
        "module_kernel": settings.number("model", "conv_kernel", 3),
        "paths": settings.number("model", "num_dplayer", 6),
        "expand": settings.number("model", "expand", 1),
        **{key: options[there] for key, there in lists.items() if there in options},
    }


def _encoder(tensors: Tensors, encoder, name: str) -> None:
    for band, entry in enumerate(encoder.entries):
        tensors.pair(entry, f"{name}.SDlayer.convs.{band}", ALONG_AXIS, 3)
    for band, module in enumerate(encoder.modules):
        for k, (norm, entry, depthwise, inner, leave) in enumerate(module.branches):
            branch = f"{name}.conv_modules.{band}.layers.{k}"
            tensors.norm(norm, f"{branch}.0")
            tensors.pair(entry, f"{branch}.1", ALONG_AXIS)
            tensors.pair(depthwise, f"{branch}.3", LINEAR, 1)
            tensors.norm(inner, f"{branch}.4")
            tensors.pair(leave, f"{branch}.6", LINEAR, 2)
    tensors.pair(encoder.over_all, f"{name}.globalconv", SWAPPED_AXES)


def lstm(tensors: Tensors, layer, name: str, number: int = 0) -> None:
    """Both directions of a layer of PyTorch's LSTM."""
    form = f"{name}.{{}}_{{}}_l{number}{{}}".format
    for variable, kind in ((layer.kernel, "ih"), (layer.recurrent, "hh")):
        tensors.stack(variable, [form("weight", kind, end) for end in ENDS], LINEAR)
    width = layer.bias.shape[-1:]
    layer.bias.assign(
        [[tensors.take(form("bias", kind, end), width) for kind in ("ih", "hh")] for end in ENDS]
    )
