"""Multiply-accumulates of separators, counted from their sizes; transforms and norms excluded."""

from collections.abc import Callable

from dssgan import signal
from dssgan.models.bandsplit.model import BandSplit
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import Combined
from dssgan.models.htdemucs.model import HTDemucs
from dssgan.models.mdx23c.model import MDX23C
from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.models.openunmix.model import OpenUnmix
from dssgan.models.roformer.model import Roformer
from dssgan.models.scnet.model import SCNet
from dssgan.models.unet.model import UNet
from dssgan.models.unet.network import lowest_size
from dssgan.models.wavenet.model import Wavenet
from experiments.systems import spectral_arithmetic


def macs(model: SeparatorModel, samples: int) -> float:
    """Multiply-accumulates of `model.infer` on `samples` samples of one channel.

    Raises:
      ValueError: nobody has counted this kind of separator yet.
    """
    for kind, count in COUNTS.items():
        if isinstance(model, kind):
            return count(model, samples)
    raise ValueError(
        f"{type(model).__name__}: no count of its arithmetic in experiments.systems.arithmetic"
    )


def multistage(model: MultiStage, samples: int) -> float:
    """Separation with `MultiStage`: only the last stage's decoder runs."""
    return multistage_rates(model)[0] * samples / model.sample_rate


def multistage_rates(model: MultiStage) -> tuple[float, float]:
    """(separation, forward pass in training) per second of mono audio.

    Training adds the latents of the references, the reconstructions and the estimates of every
    stage.
    """
    separation = extra = 0.0
    for stage in model.stages:
        encoder, mask, decoder = stage.encoder, stage.mask, stage.decoder
        frames = model.sample_rate / model.stages[-1].encoder.stride
        sources = mask.sources
        banks = sum(int(kernel.shape[0] * kernel.shape[1]) for kernel in encoder.filters)
        inputs = int(encoder.bottleneck_0.shape[0])
        encode = banks + inputs * mask.outputs + mask.outputs**2
        blocks = len(mask.dilations)
        block = 3 * mask.bottleneck * mask.hidden + mask.kernel * mask.hidden
        masking = (mask.inputs + mask.outputs) * mask.bottleneck + blocks * block
        decode = mask.outputs * sum(decoder.channels)
        decode += sum(int(kernel.shape[0] * kernel.shape[1]) for kernel in decoder.filters)
        last = stage is model.stages[-1]
        separation += frames * (encode + sources * (masking + (decode if last else 0)))
        extra += frames * (sources * encode + decode + (0 if last else sources * decode))
    return separation, separation + extra


def unet(model: UNet, samples: int) -> float:
    """The convolutions of `UNet`, each at the size of its output."""
    levels = model.levels
    rows = lowest_size(model.frame_length // 2 + 1, levels, even=True)
    columns = lowest_size(signal.frame_count(samples, model.hop), levels)
    network = model.network
    total = 0.0
    # From the deepest map to the surface on the way down: a valid 3 × 3 convolution was two larger.
    height, width = rows, columns
    for convolution in reversed(network.down):
        total += height * width * _product(convolution.kernel.shape)
        height, width = 2 * (height + 2), 2 * (width + 2)
    height, width = rows, columns
    for doubling, convolution in zip(network.doubling, network.up):
        total += height * width * _product(doubling.kernel.shape)
        height, width = 2 * height - 2, 2 * width - 2
        total += height * width * _product(convolution.kernel.shape)
    return total + height * width * sum(_product(head.kernel.shape) for head in network.heads)


def wavenet(model: Wavenet, samples: int) -> float:
    """`Wavenet`, the context that each stack needs included; the last two layers are one."""
    sizes = model.hyperparameters
    residual, skip, (wide, _) = sizes["residual"], sizes["skip"], sizes["final"]
    length = samples + 2 * (model.context - 1)  # behind the first layer
    total = 3.0 * residual * length
    for dilation in model.dilations:
        total += length * residual * (6 * residual + residual + skip)
        if dilation == max(model.dilations):
            length -= 2 * (2 * dilation - 1)
    return total + samples * 3 * wide * (skip + len(model.targets))


def bandsplit(model: BandSplit, samples: int) -> float:
    """`BandSplit`: nearly all of it lies in the LSTMs. The variant amanteur has two channels."""
    sizes, bands = model.hyperparameters, model.splitter.bands
    features, hidden, masking = sizes["features"], sizes["hidden"], sizes["mask_hidden"]
    parts = 4 if model.amanteur else 2
    inputs = [parts * width for width, own in zip(bands.widths, bands.members) for _ in own]
    block = 2 * (features + hidden) * 4 * hidden + 2 * hidden * features
    mask = bands.count * features * masking
    if model.amanteur:
        mask += sum(masking * size + 2 * size**2 for size in inputs)
    else:
        mask += bands.count * masking**2 + 2 * masking * sum(inputs)
    frame = sum(inputs) * features + len(model.blocks) * bands.count * block
    frame += len(model.masks) * mask
    return float(frame * signal.frame_count(samples, model.hop))


def htdemucs(model: HTDemucs, samples: int) -> float:
    """`HTDemucs`: of a training segment, which it pads to, the share that the samples are of it."""
    length = model.maximum or samples
    depth, stride = len(model.encoders), model.hyperparameters["stride"]
    frames, bins = -(-length // (model.nfft // 4)), model.nfft // 2
    total = 0.0
    columns = (
        (frames * bins, model.encoders, model.decoders),
        (length, model.wave_encoders, model.wave_decoders),
    )
    places = []
    for places_in, encoders, decoders in columns:
        for n, pair in enumerate(zip(encoders, reversed(decoders))):
            places.append(-(-places_in // stride ** (n + 1)))
            total += places[-1] * sum(
                _product(weight.shape)
                for layer in pair
                for weight in layer.trainable_variables
                if len(weight.shape) > 1
            )
    spectrum, wave = places[depth - 1], places[-1]
    for n, way in enumerate(model.ways or ()):
        total += (wave if n % 2 else spectrum) * _product(way.kernel.shape)
    column = zip(model.transformer.layers, model.transformer.wave_layers)
    for own, other, layer in [
        row for one, two in column for row in ((spectrum, wave, one), (wave, spectrum, two))
    ]:
        keys = other if layer.crossing else own
        square = _product(layer.attention.exit.kernel.shape)
        total += own * (2 * square + 2 * _product(layer.entry.kernel.shape)) + keys * 2 * square
        total += 2 * own * keys * layer.attention.width
    return total * samples / length


def combined(model: Combined, samples: int) -> float:
    """All members of `Combined`."""
    return sum(macs(member, samples) for member in model.members)


def _product(shape) -> int:
    total = 1
    for size in shape:
        total *= int(size)
    return total


COUNTS: dict[type[SeparatorModel], Callable[[SeparatorModel, int], float]] = {
    BandSplit: bandsplit,
    Combined: combined,
    HTDemucs: htdemucs,
    MDX23C: spectral_arithmetic.mdx23c,
    MultiStage: multistage,
    OpenUnmix: spectral_arithmetic.openunmix,
    Roformer: spectral_arithmetic.roformer,
    SCNet: spectral_arithmetic.scnet,
    UNet: unet,
    Wavenet: wavenet,
}
