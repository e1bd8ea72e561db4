"""Weights of the public MDX23C (TFC-TDF v3 of Music-Source-Separation-Training) → `MDX23C`."""

import numpy as np

from dssgan.models.mdx23c.model import MDX23C
from dssgan.published.field.settings import Settings
from dssgan.published.field.tensors import TWO_AXES, Tensors

#: Keys of the section "model" that are read, and those of which one value is supported.
READ = {
    "act", "bottleneck_factor", "growth", "num_blocks_per_scale", "num_channels", "num_scales",
    "num_subbands", "scale",
}  # fmt: skip
REFUSED = {"norm": "InstanceNorm"}
UP = (2, 3, 0, 1)  # axes of a transposed convolution


def from_mdx23c(named: dict[str, np.ndarray], settings: Settings) -> MDX23C:
    """Build an `MDX23C` with the weights of the public program.

    Args:
      named: the program's tensors. settings: the configuration that comes with them.

    Raises:
      ValueError: a layer is missing, left over or of an unexpected shape, or the configuration has
        an option that is not supported: one line that names it.
    """
    settings.known("model", READ, REFUSED)
    tensors = Tensors(named)
    model = MDX23C(**_sizes(named, settings))
    _point(tensors, model.entry, "first_conv.weight")
    for k, (blocks, down) in enumerate(zip(model.encoders, model.down)):
        _blocks(tensors, blocks, f"encoder_blocks.{k}.tfc_tdf")
        tensors.norm(down.norm, f"encoder_blocks.{k}.downscale.conv.0")
        tensors.put(down.kernel, f"encoder_blocks.{k}.downscale.conv.2.weight", TWO_AXES)
    _blocks(tensors, model.bottom, "bottleneck_block")
    for k, (up, blocks) in enumerate(zip(reversed(model.up), reversed(model.decoders))):
        tensors.norm(up.norm, f"decoder_blocks.{k}.upscale.conv.0")
        tensors.put(up.kernel, f"decoder_blocks.{k}.upscale.conv.2.weight", UP)
        _blocks(tensors, blocks, f"decoder_blocks.{k}.tfc_tdf")
    for k, leave in enumerate(model.exits):
        _point(tensors, leave, f"final_conv.{2 * k}.weight")
    tensors.finish("MDX23C")
    return model


def _sizes(named: dict[str, np.ndarray], settings: Settings) -> dict:
    number, scale = settings.number, settings.section("model").get("scale", [2, 2])
    last = named.get("final_conv.2.weight")
    parts = 2 * number("audio", "num_channels", 2) * number("model", "num_subbands")
    sources, targets = settings.sources(last.shape[0] // parts if last is not None else 0)
    return {
        "sources": sources,
        "targets": targets,
        "sample_rate": number("audio", "sample_rate", 44100),
        "channels": number("audio", "num_channels", 2),
        "frame_length": number("audio", "n_fft"),
        "hop": number("audio", "hop_length"),
        "bins": number("audio", "dim_f"),
        "subbands": number("model", "num_subbands"),
        "width": number("model", "num_channels"),
        "growth": number("model", "growth"),
        "scales": number("model", "num_scales"),
        "factors": scale if isinstance(scale, list) else [],
        "blocks": number("model", "num_blocks_per_scale"),
        "narrow": number("model", "bottleneck_factor"),
        "activation": str(settings.section("model").get("act", "gelu")),
    }


def _point(tensors: Tensors, layer, name: str) -> None:
    """A convolution of one place: a linear map."""
    kernel = layer.kernel
    kernel.assign(tensors.turned(name, (1, 1, *kernel.shape), TWO_AXES)[0, 0])


def _blocks(tensors: Tensors, blocks, name: str) -> None:
    for k, block in enumerate(blocks):
        form = f"{name}.blocks.{k}"
        for norm, place in zip(block.norms, ("tfc1.0", "tdf.0", "tdf.3", "tfc2.0")):
            tensors.norm(norm, f"{form}.{place}")
        tensors.put(block.first.kernel, f"{form}.tfc1.2.weight", TWO_AXES)
        tensors.put(block.narrow.kernel, f"{form}.tdf.2.weight")
        tensors.put(block.wide.kernel, f"{form}.tdf.5.weight")
        tensors.put(block.second.kernel, f"{form}.tfc2.2.weight", TWO_AXES)
        _point(tensors, block.shortcut, f"{form}.shortcut.weight")
