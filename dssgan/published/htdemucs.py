"""Tensors of the public HTDemucs (facebookresearch/demucs) → `HTDemucs`, and sizes from shapes.

`demucs_packages` reads the files. Tensors in half precision become float32.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dssgan.config.sizes import check_sizes
from dssgan.models.bounds import limited
from dssgan.models.htdemucs.cross_transformer import TransformerLayer
from dssgan.models.htdemucs.encoder_decoder import ResidualBranch
from dssgan.models.htdemucs.model import HTDemucs
from dssgan.published import layer_tables

FORM = r"(t?encoder|t?decoder|freq_emb|channel_(up|down)sampler(_t)?|crosstransformer)\..*"
SYSTEM = "file of the public HTDemucs"
#: Axes of a tensor in the file, in the order that they have here.
LINE, CONVOLUTION, PLANE, UPSAMPLING = (1, 0), (2, 1, 0), (3, 2, 1, 0), (2, 0, 1)
NAMES = ("drums", "bass", "other", "vocals", "guitar", "piano")


class Entry(NamedTuple):
    """A tensor of the file and the variable that it becomes.

    Attributes:
      name: in the file. variable: of the model.
      order: axes of the tensor in the variable's order; () keeps them.
      ones: axes of length one that the tensor has at its end.
    """

    name: str
    variable: Any
    order: tuple[int, ...] = ()
    ones: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor in the file."""
        shape = tuple(map(int, self.variable.shape))
        if self.order:
            shape = tuple(shape[self.order.index(axis)] for axis in range(len(shape)))
        return shape + (1,) * self.ones

    def assign(self, value: np.ndarray) -> None:
        """Put the tensor's numbers into the variable."""
        value = value.reshape(value.shape[: value.ndim - self.ones])
        self.variable.assign(value.transpose(self.order) if self.order else value)


def layers_of(content: Any) -> dict[str, Any]:
    """The network's tensors in a file: the file itself, or what lies below a usual key.

    Raises:
      ValueError: those of another system, or none.
    """
    for key in ("state", "model_state_dict", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if isinstance(content, dict) and content.get("__quantized"):
        raise ValueError("its weights are quantised by DiffQ, which is not supported")
    layers = layer_tables.layers_of(content, "module.", FORM, SYSTEM)
    if not any(name.startswith("crosstransformer.") for name in layers):
        raise ValueError(
            f"no layer of a transformer (crosstransformer.*), so this is no {SYSTEM}; Demucs and "
            "HDemucs are not supported"
        )
    return layers


def from_htdemucs(layers: dict[str, Any], hyperparameters: dict[str, Any]) -> HTDemucs:
    """Build an `HTDemucs` of these sizes with the tensors of the public program.

    Raises:
      ValueError: a layer is missing, left over or of an unexpected shape: one line that names it,
        what was expected and what was found; sizes that are not supported.
    """
    check_sizes(hyperparameters, "htdemucs")
    numbers = sum(value.size for value in layers.values() if isinstance(value, np.ndarray))
    with limited(2 * numbers + 2**20, "twice the numbers in the file"):
        model = HTDemucs(**hyperparameters)
    found = list(entries(model))
    expected = {entry.name: entry.shape for entry in found}
    hint = "they may be of another option of the program, such as dconv_mode or bottom_channels"
    values = layer_tables.check(layers, expected, hint)
    for entry in found:
        entry.assign(values[entry.name])
    return model


def entries(model: HTDemucs) -> Iterator[Entry]:
    """Every tensor of the program's state and the variable that it becomes."""
    for prefix, ones, encoders, decoders in (
        ("", 1, model.encoders, model.decoders),
        ("t", 0, model.wave_encoders, model.wave_decoders),
    ):
        for place, encoder in enumerate(encoders):
            name = f"{prefix}encoder.{place}"
            yield from _pair(f"{name}.conv", encoder.entry, CONVOLUTION, ones)
            yield from _pair(f"{name}.rewrite", encoder.gate, LINE, 1 + ones)
            yield from _residual(f"{name}.dconv", encoder.residual)
        for place, decoder in enumerate(decoders):
            name = f"{prefix}decoder.{place}"
            yield from _pair(f"{name}.conv_tr", decoder.exit, UPSAMPLING, ones)
            yield from _pair(f"{name}.rewrite", decoder.gate, PLANE if ones else CONVOLUTION)
            yield from _residual(f"{name}.dconv", decoder.residual)
    if model.embedding is not None:
        yield Entry("freq_emb.embedding.weight", model.embedding.vectors)
    names = ("upsampler", "upsampler_t", "downsampler", "downsampler_t")
    for name, way in zip(names, model.ways or ()):
        yield from _pair(f"channel_{name}", way, LINE, 1)
    transformer = model.transformer
    yield from _norm("crosstransformer.norm_in", transformer.norm)
    yield from _norm("crosstransformer.norm_in_t", transformer.wave_norm)
    for label, column in (("layers", transformer.layers), ("layers_t", transformer.wave_layers)):
        for place, layer in enumerate(column):
            yield from _attention(f"crosstransformer.{label}.{place}", layer)


def _pair(name: str, layer, order: tuple[int, ...], ones: int = 0) -> Iterator[Entry]:
    yield Entry(f"{name}.weight", layer.kernel, order, ones)
    yield Entry(f"{name}.bias", layer.bias)


def _norm(name: str, layer) -> Iterator[Entry]:
    yield Entry(f"{name}.weight", layer.scale)
    yield Entry(f"{name}.bias", layer.shift)


def _residual(name: str, branch: ResidualBranch | None) -> Iterator[Entry]:
    for place, row in enumerate(branch.rows if branch else ()):
        place_name = f"{name}.layers.{place}"
        yield from _pair(f"{place_name}.0", row.entry, CONVOLUTION)
        yield from _norm(f"{place_name}.1", row.norm)
        yield from _pair(f"{place_name}.3", row.exit, LINE, 1)
        yield from _norm(f"{place_name}.4", row.exit_norm)
        yield Entry(f"{place_name}.6.scale", row.scale.scale)


def _attention(name: str, layer: TransformerLayer) -> Iterator[Entry]:
    kind = "cross_attn" if layer.crossing else "self_attn"
    yield Entry(f"{name}.{kind}.in_proj_weight", layer.attention.kernel, LINE)
    yield Entry(f"{name}.{kind}.in_proj_bias", layer.attention.bias)
    yield from _pair(f"{name}.{kind}.out_proj", layer.attention.exit, LINE)
    yield from _pair(f"{name}.linear1", layer.entry, LINE)
    yield from _pair(f"{name}.linear2", layer.exit, LINE)
    yield from _norm(f"{name}.norm1", layer.norm)
    if layer.crossing:
        yield from _norm(f"{name}.norm2", layer.other_norm)
    yield from _norm(f"{name}.norm{3 if layer.crossing else 2}", layer.inner_norm)
    yield from _norm(f"{name}.norm_out", layer.last_norm)
    yield Entry(f"{name}.gamma_1.scale", layer.attention_scale.scale)
    yield Entry(f"{name}.gamma_2.scale", layer.inner_scale.scale)


def sizes_of(layers: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters that follow from shapes.

    Raises:
      ValueError: a layer that gives a size is missing or of another rank; sources whose names do
        not follow from their number.
    """

    def shape(name: str, rank: int) -> tuple[int, ...]:
        value = layers.get(name)
        if not isinstance(value, np.ndarray) or value.ndim != rank or not value.size:
            found = layer_tables.found_there(layers, name)
            raise ValueError(f"layer {name!r}: expected a tensor of {rank} axes, found {found}")
        return value.shape

    depth = layer_tables.count(layers, r"encoder\.(\d+)\.conv\.weight") if layers else 0
    channels, audio_channels, kernel = shape("tencoder.0.conv.weight", 3)
    rows = shape(f"tdecoder.{max(depth - 1, 0)}.conv_tr.weight", 3)[1]
    width = shape("crosstransformer.norm_in.weight", 1)[0]
    first = "crosstransformer.layers.0"
    sizes = {
        "sources": _sources(rows, audio_channels),
        "audio_channels": audio_channels,
        "channels": channels,
        "depth": depth,
        "kernel_size": kernel,
        "stride": kernel // 2,
        "bottom_channels": width if "channel_upsampler.weight" in layers else 0,
        "t_layers": layer_tables.count(layers, r"crosstransformer\.layers\.(\d+)\..*"),
        "t_hidden_scale": shape(f"{first}.linear1.weight", 2)[0] / width,
        "t_cross_first": f"{first}.cross_attn.in_proj_weight" in layers,
        "freq_emb": 0.0,
        "dconv_mode": sum(
            bit * any(name.startswith(f"{side}.0.dconv.") for name in layers)
            for bit, side in ((1, "encoder"), (2, "decoder"))
        ),
    }
    if depth > 1:
        sizes["growth"] = shape("tencoder.1.conv.weight", 3)[0] // channels
    if "freq_emb.embedding.weight" in layers:
        sizes["freq_emb"] = 0.2
        sizes["nfft"] = 2 * shape("freq_emb.embedding.weight", 2)[0] * sizes["stride"]
    if sizes["dconv_mode"]:
        side, last = ("encoder", 0) if sizes["dconv_mode"] & 1 else ("decoder", depth - 1)
        hidden = shape(f"{side}.{last}.dconv.layers.0.0.weight", 3)[0]
        form = rf"{side}\.{last}\.dconv\.layers\.(\d+)\..*"
        sizes |= {"dconv_depth": layer_tables.count(layers, form)}
        sizes |= {"dconv_comp": channels // hidden}
    return sizes


def _sources(rows: int, audio_channels: int) -> list[str]:
    """Names of so many outputs, in the order of the published models."""
    count = rows // audio_channels
    if count in (4, 6):
        return list(NAMES[:count])
    raise ValueError(f"{count} sources, whose names do not stand in the file: give its --config")
