"""The layers of the original Meta-TasNet: what stands in its files, and in which shapes.

Sizes carry the original's letters: N width, L filter length, B bottleneck, H hidden channels, E_1
embedding and E_2 code. Stage i has N · 2^i and L · 2^i.
"""

import re
from typing import Any

from dssgan.published.layer_tables import Size, Sizes, Table, count

FORM = r"stages\.\d+\.(encoder|decoder|mask|instrument_embedding)\..*"


def counts(layers: dict[str, Any]) -> dict[str, Any]:
    """What the names of the layers say: how many there are of what, and of which kind."""

    def named(form: str) -> int:
        return sum(re.fullmatch(form, name) is not None for name in layers)

    # At least one of each, so that what a file lacks is missed by its name.
    found = {
        "stages": max(1, count(layers, r"stages\.(\d+)\..*")),
        "banks": max(1, count(layers, r"stages\.\d+\.(?:en|de)coder\.filters\.(\d+)\.weight")),
        "blocks": max(1, count(layers, r"stages\.\d+\.mask\.tcn\.(\d+)\..*")),
        "spectrogram": named(r"stages\.\d+\.encoder\.spectrogram\..*") > 0,
    }
    found["generated"] = named(r".*\.(bottleneck|kernel|affine)\.(weight|bias)") > named(
        r".*\.(conv|group_norm)\.(weight|bias)"
    )
    biases = r".*\.tcn\.\d+\.(res|skip)_out\.(bias\.weight|conv\.bias)"
    found["residual_bias"] = named(biases) >= found["stages"] * found["blocks"]
    return found


def table(
    *,
    stages: int,
    banks: int,
    blocks: int,
    spectrogram: bool,
    generated: bool,
    residual_bias: bool,
    sources: int,
    base_rate: int,
) -> Table:
    """Every layer and what its shape is made of."""
    width, bottleneck, hidden = Size(("width",)), Size(("bottleneck",)), Size(("hidden",))
    taps, embedding = Size(("kernel",)), Size(("embedding_size",))
    layers: Table = {}
    kind = _Generated(layers) if generated else _Independent(layers, sources)
    for stage in range(stages):
        scale, rate = 2**stage, base_rate * 2**stage
        here = f"stages.{stage}."
        layers |= _coders(here, scale, banks, 512 * max(1, rate // 8000) + 1, spectrogram)
        latent = scale * width
        inputs = latent if stage == 0 else 3 * scale // 2 * width  # and the stage before it
        if generated:
            layers[f"{here}instrument_embedding.weight"] = (sources, embedding)
        mask = f"{here}mask."
        for place in (1, 2, 3, 4):
            layers[f"{mask}prelu_{place}.weight"] = (1,)
        kind.norm(f"{mask}norm_1", inputs)
        kind.conv(f"{mask}in_conv", bottleneck, inputs)
        kind.norm(f"{mask}norm_2", bottleneck)
        for block in range(blocks):
            tcn = f"{mask}tcn.{block}."
            for place in (1, 2):
                layers[f"{tcn}prelu_{place}.weight"] = (1,)
                kind.norm(f"{tcn}norm_{place}", hidden)
            kind.conv(f"{tcn}conv1d", hidden, bottleneck)
            kind.conv(f"{tcn}dconv1d", hidden, 1, taps)
            kind.conv(f"{tcn}res_out", bottleneck, hidden, bias=residual_bias)
            kind.conv(f"{tcn}skip_out", bottleneck, hidden, bias=residual_bias)
        kind.norm(f"{mask}norm_3", bottleneck)
        kind.conv(f"{mask}mask_output", latent, bottleneck)
        kind.norm(f"{mask}norm_4", latent)
    return layers


def _coders(here: str, scale: int, banks: int, bins: int, spectrogram: bool) -> Table:
    """Encoder and decoder of one stage, which all sources share."""
    width, length, mels = (
        scale * Size(("width",)),
        scale * Size(("filter_length",)),
        Size(("mels",)),
    )

    def quarter(sizes: Sizes) -> int:
        return width.of(sizes) // 4

    def encoded(sizes: Sizes) -> int:
        return banks * quarter(sizes) + (mels.of(sizes) if spectrogram else 0)

    def share(bank: int):
        return lambda sizes: width.of(sizes) // 2 ** (bank + 1)

    def decoded(sizes: Sizes) -> int:
        return sum(share(bank)(sizes) for bank in range(banks))

    layers: Table = {
        f"{here}encoder.bottleneck.0.weight": (width, encoded, 1),
        f"{here}encoder.bottleneck.2.weight": (width, width, 1),
        f"{here}decoder.bottleneck.0.weight": (width, decoded, 1),
    }
    for bank in range(banks):
        layers[f"{here}encoder.filters.{bank}.weight"] = (quarter, 1, 2**bank * length)
        layers[f"{here}decoder.filters.{bank}.weight"] = (share(bank), 1, 2**bank * length)
    if spectrogram:
        branch = f"{here}encoder.spectrogram."
        layers[f"{branch}window"] = (2 * (bins - 1),)
        for name in ("mean", "std", "affine_scale", "affine_bias"):
            layers[f"{branch}{name}"] = (1, bins, 1)
        layers[f"{branch}mel_transform.weight"] = (mels, bins, 1)
        layers[f"{branch}mel_transform.bias"] = (mels,)
    return layers


class _Generated:
    """Layers whose weights two linear maps make of an embedding."""

    def __init__(self, layers: Table):
        self.layers, self.code = layers, Size(("code_size",))

    def _map(self, name: str, outputs: Size) -> None:
        self.layers[f"{name}.weight"], self.layers[f"{name}.bias"] = (
            (outputs, self.code),
            (outputs,),
        )

    def norm(self, name: str, channels: Size) -> None:
        self.layers[f"{name}.bottleneck.weight"] = (self.code, Size(("embedding_size",)))
        self.layers[f"{name}.bottleneck.bias"] = (self.code,)
        self._map(f"{name}.affine", 2 * channels)

    def conv(self, name: str, outputs: Size, inputs, taps=1, bias: bool = False) -> None:
        self.layers[f"{name}.bottleneck.weight"] = (self.code, Size(("embedding_size",)))
        self.layers[f"{name}.bottleneck.bias"] = (self.code,)
        self._map(f"{name}.kernel", outputs * inputs * taps)
        if bias:
            self._map(f"{name}.bias", outputs)


class _Independent:
    """Layers with weights of their own for every source, one source after the other."""

    def __init__(self, layers: Table, sources: int):
        self.layers, self.sources = layers, sources

    def norm(self, name: str, channels: Size) -> None:
        for part in ("weight", "bias"):
            self.layers[f"{name}.group_norm.{part}"] = (self.sources * channels,)

    def conv(self, name: str, outputs: Size, inputs, taps=1, bias: bool = False) -> None:
        self.layers[f"{name}.conv.weight"] = (self.sources * outputs, inputs, taps)
        if bias:
            self.layers[f"{name}.conv.bias"] = (self.sources * outputs,)
