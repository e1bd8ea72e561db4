"""Multiply-accumulates of systems whose public checkpoints are imported; see `arithmetic`."""

import itertools
import math

from dssgan import signal
from dssgan.models.mdx23c.model import MDX23C
from dssgan.models.openunmix.model import OpenUnmix
from dssgan.models.roformer.model import Roformer
from dssgan.models.scnet.layers import BINS, band_edges, compressed
from dssgan.models.scnet.model import SCNet


def products(*layers) -> int:
    """Numbers in the matrices of layers: multiply-accumulates at each place."""
    weights = (weight for layer in layers for weight in layer.trainable_variables)
    return sum(math.prod(weight.shape) for weight in weights if "kernel" in weight.name)


def recurrence(layer) -> int:
    """Multiply-accumulates of a step of a bidirectional LSTM."""
    return math.prod(layer.kernel.shape) + math.prod(layer.recurrent.shape)


def roformer(model: Roformer, samples: int) -> float:
    """`BSRoformer` and `MelBandRoformer`: a transformer sees every band of every frame."""
    frames, bands = signal.frame_count(samples, model.hop), model.splitter.bands.count
    inner = model.hyperparameters["heads"] * model.hyperparameters["head_width"]
    total = frames * products(*model.splitter.maps, *model.masks)
    for pair in model.blocks:
        for transformer, steps in zip(pair, (frames, bands)):
            attention = 2 * steps * inner * len(transformer.pairs)
            total += frames * bands * (products(transformer) + attention)
    return float(total)


def scnet(model: SCNet, samples: int) -> float:
    """`SCNet`: every band is convolved at the size that it is compressed to."""
    frames = samples // model.hop + 2
    frames += frames % 2
    bins, total, kept = model.frame_length // 2 + 1, 0, []
    for encoder in model.encoders:
        edges, after = band_edges(bins, encoder.shares), []
        for n, (start, stop) in enumerate(itertools.pairwise(edges)):
            left = compressed(stop - start, encoder.strides[n], encoder.sizes[n])[BINS]
            total += frames * left * products(encoder.entries[n], encoder.modules[n])
            after.append(left)
        bins = sum(after)
        total += frames * bins * products(encoder.over_all)
        kept.append(after)
    for number, path in enumerate(model.dual_paths):
        steps = frames // 2 + 1 if number % 2 else frames
        total += steps * bins * (sum(map(recurrence, path.recurrent)) + products(*path.maps))
    for decoder, after in zip(model.decoders, kept):
        total += frames * sum(after) * products(decoder.fusion) / 2
        total += frames * sum(n * products(each) for n, each in zip(after, decoder.exits))
    return float(total)


def mdx23c(model: MDX23C, samples: int) -> float:
    """`MDX23C`: convolutions at every scale, and maps along the bins for every channel."""
    sizes = model.hyperparameters
    rows, columns = sizes["factors"]
    step = rows ** sizes["scales"]
    frames = -(-signal.frame_count(samples, model.hop) // step) * step
    bins = model.bins // model.subbands
    total = frames * bins * products(model.entry, *model.exits)
    scales = [*zip(model.encoders, model.decoders), (model.bottom, [])]
    for number, (down, up) in enumerate(scales):
        places = frames // rows**number * (bins // columns**number)
        for block in (*down, *up):
            total += places * products(block.first, block.second, block.shortcut)
            width = block.second.kernel.shape[-1]
            total += frames // rows**number * width * products(block.narrow, block.wide)
        for scaling in (model.down + model.up)[number :: sizes["scales"]] if down and up else ():
            total += places / (rows * columns) * products(scaling)
    return float(total)


def openunmix(model: OpenUnmix, samples: int) -> float:
    """`OpenUnmix`: every network sees every frame; the Wiener filter is excluded."""
    steps = sum(
        products(*network.maps) + sum(map(recurrence, network.recurrent))
        for network in model.networks
    )
    return float(signal.frame_count(samples, model.hop) * steps)
