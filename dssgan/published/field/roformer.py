"""Weights of the public BS-RoFormer and Mel-Band RoFormer → `BSRoformer`, `MelBandRoformer`.

Files of lucidrains/BS-RoFormer as Music-Source-Separation-Training writes them. Which of the two a
file has follows from its norms: the former has one at the end, the latter one per transformer.
"""

from typing import Any

import numpy as np

from dssgan.models.layers.attention import GatedAttention
from dssgan.models.roformer.bands import mel_bands
from dssgan.models.roformer.layers import MaskEstimator
from dssgan.models.roformer.model import BSRoformer, MelBandRoformer, Roformer
from dssgan.published.field.settings import Settings
from dssgan.published.field.tensors import LINEAR, Tensors
from dssgan.published.layer_tables import count

HEAD = "layers.0.0.layers.0.0"
#: Keys of the section "model" that are read, or that training alone has a use for.
READ = {
    "dim", "depth", "dim_head", "heads", "stereo", "num_stems", "time_transformer_depth",
    "freq_transformer_depth", "freqs_per_bands", "num_bands", "mask_estimator_depth",
    "mlp_expansion_factor", "stft_n_fft", "stft_hop_length", "stft_win_length", "stft_normalized",
    "skip_connection", "zero_dc", "dim_freqs_in", "sample_rate", "flash_attn", "attn_dropout",
    "ff_dropout", "use_torch_checkpoint", "match_input_audio_length",
    "multi_stft_resolution_loss_weight", "multi_stft_resolutions_window_sizes",
    "multi_stft_hop_size", "multi_stft_normalized",
}  # fmt: skip
REFUSED = {"linear_transformer_depth": 0, "use_pope": False}


def is_mel(named: dict[str, np.ndarray]) -> bool:
    """Whether the tensors are those of a Mel-Band RoFormer, and not of a BS-RoFormer."""
    return "final_norm.gamma" not in named


def from_roformer(named: dict[str, np.ndarray], settings: Settings) -> Roformer:
    """Build a RoFormer with the weights of the public program.

    Args:
      named: the program's tensors. settings: the configuration that comes with them.

    Raises:
      ValueError: a layer is missing, left over or of an unexpected shape, or the configuration has
        an option that is not supported: one line that names it.
    """
    settings.known("model", READ, REFUSED)
    tensors, mel = Tensors(named), is_mel(named)
    sizes = _sizes(tensors, settings)
    if mel:
        bands = count(named, r"band_split\.to_features\.(\d+)\..*")
        model: Roformer = MelBandRoformer(bands=bands, **sizes)
        ranges = mel_bands(bands, sizes["frame_length"] // 2 + 1, sizes["sample_rate"])
        widths = [stop - start for start, stop in ranges]
    else:
        widths = _widths(named, 2 * sizes["channels"])
        model = BSRoformer(bands=widths, **sizes)
    _split(tensors, model, 2 * sizes["channels"], widths)
    for number, pair in enumerate(model.blocks):
        for axis, transformer in enumerate(pair):
            _transformer(tensors, model, transformer, (number, axis))
    if model.final is not None:
        tensors.put(model.final.scale, "final_norm.gamma")
    for place, mask in enumerate(model.masks):
        _mask(tensors, mask, f"mask_estimators.{place}.to_freqs")
    tensors.finish(model.name)
    return model


def _sizes(tensors: Tensors, settings: Settings) -> dict[str, Any]:
    """Hyperparameters that both have, of the shapes where they say it."""
    named, options = tensors.named, settings.section("model")
    gates = _shape(named, f"{HEAD}.to_gates.weight")
    qkv = _shape(named, f"{HEAD}.to_qkv.weight")
    features, heads = gates[1], gates[0]
    masks = r"mask_estimators\.0\.to_freqs\.0\.0\.(\d+)\.weight"
    depth = count(named, masks)
    frame_length = settings.number("model", "stft_n_fft", 2048)
    if settings.number("model", "stft_win_length", frame_length) != frame_length:
        raise ValueError(f"{settings.path}: model.stft_win_length: expected that of stft_n_fft")
    hidden = _shape(named, "mask_estimators.0.to_freqs.0.0.0.weight")[0] if depth > 1 else features
    sources, targets = settings.sources(count(named, r"mask_estimators\.(\d+)\..*"))
    return {
        "sources": sources,
        "targets": targets,
        "sample_rate": settings.number("audio", "sample_rate", 44100),
        "channels": 2 if options.get("stereo") else 1,
        "frame_length": frame_length,
        "hop": settings.number("model", "stft_hop_length", 512),
        "scaled": bool(options.get("stft_normalized", False)),
        "features": features,
        "blocks": count(named, r"layers\.(\d+)\..*"),
        "heads": heads,
        "head_width": qkv[0] // (3 * heads),
        "time_depth": count(named, r"layers\.0\.0\.layers\.(\d+)\..*"),
        "band_depth": count(named, r"layers\.0\.1\.layers\.(\d+)\..*"),
        "feed_forward": _shape(named, "layers.0.0.layers.0.1.net.1.weight")[0] // features,
        "mask_depth": depth,
        "mask_expansion": hidden // features,
        "sums": bool(options.get("skip_connection", False)),
        "zero_dc": bool(options.get("zero_dc", True)),
    }


def _shape(named: dict[str, np.ndarray], name: str) -> tuple[int, int]:
    value = named.get(name)
    if getattr(value, "ndim", 0) != 2 or not value.size:
        raise ValueError(f"layer {name!r}: expected a matrix; other attention is not supported")
    return value.shape


def _widths(named: dict[str, np.ndarray], parts: int) -> list[int]:
    bands = count(named, r"band_split\.to_features\.(\d+)\..*")
    gammas = [named.get(f"band_split.to_features.{band}.0.gamma") for band in range(bands)]
    return [0 if gamma is None else gamma.size // parts for gamma in gammas]


def _split(tensors: Tensors, model: Roformer, parts: int, widths: list[int]) -> None:
    band = 0
    for place, (_, width, number) in enumerate(model.splitter.bands.groups):
        names = [f"band_split.to_features.{band + k}" for k in range(number)]
        norm, each = model.splitter.norms[place], model.splitter.maps[place]
        tensors.stack(norm.scale, [f"{name}.0.gamma" for name in names])
        tensors.stack(each.kernel, [f"{name}.1.weight" for name in names], LINEAR)
        tensors.stack(each.bias, [f"{name}.1.bias" for name in names])
        assert [width] * number == widths[band : band + number], (width, parts)
        band += number


def _transformer(tensors: Tensors, model: Roformer, transformer, place: tuple[int, int]) -> None:
    number, axis = place
    for depth, (attention, forward) in enumerate(transformer.pairs):
        name = f"layers.{number}.{axis}.layers.{depth}"
        _attention(tensors, attention, f"{name}.0")
        frequencies = model.frequencies[axis]
        found = tensors.take(f"{name}.0.rotary_embed.freqs", frequencies.shape)
        if number or depth:  # one set for all transformers along an axis
            if not np.array_equal(found, frequencies.numpy()):
                raise ValueError(f"layer '{name}.0.rotary_embed.freqs': differs from the first")
        else:
            frequencies.assign(found)
        tensors.put(forward.norm.scale, f"{name}.1.net.0.gamma")
        tensors.pair(forward.entry, f"{name}.1.net.1", LINEAR)
        tensors.pair(forward.exit, f"{name}.1.net.4", LINEAR)
    if transformer.norm is not None:
        tensors.put(transformer.norm.scale, f"layers.{number}.{axis}.norm.gamma")


def _attention(tensors: Tensors, layer: GatedAttention, name: str) -> None:
    tensors.put(layer.norm.scale, f"{name}.norm.gamma")
    kernel = tensors.turned(f"{name}.to_qkv.weight", layer.entry.kernel.shape, LINEAR)
    width, inner = kernel.shape[0], kernel.shape[1] // 3
    # The program turns neighbours by one angle, we turn the two halves of a head.
    parts = kernel.reshape(width, 3, layer.heads, inner // layer.heads // 2, 2).copy()
    parts[:, :2] = parts[:, :2].swapaxes(3, 4).reshape(parts[:, :2].shape)
    layer.entry.kernel.assign(parts.reshape(kernel.shape))
    tensors.pair(layer.gates, f"{name}.to_gates", LINEAR)
    tensors.pair(layer.exit, f"{name}.to_out.0", LINEAR)


def _mask(tensors: Tensors, mask: MaskEstimator, name: str) -> None:
    bands = [f"{name}.{band}.0" for band in range(mask.bands.count)]

    def stack(layer, names: list[str], place: int) -> None:
        tensors.stack(layer.kernel, [f"{name}.{2 * place}.weight" for name in names], LINEAR)
        tensors.stack(layer.bias, [f"{name}.{2 * place}.bias" for name in names])

    for place, layer in enumerate(mask.hidden):
        stack(layer, bands, place)
    first = 0
    for layer, (*_, number) in zip(mask.last, mask.bands.groups):
        stack(layer, bands[first : first + number], len(mask.hidden))
        first += number
