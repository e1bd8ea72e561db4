"""RoFormers: complex masks from transformers along time and along bands, in turns.

Lu, Wang, Kong and Hung, "Music source separation with band-split RoPE transformer", arXiv
2309.02612; Wang, Lu and Won, "Mel-band RoFormer for music source separation", arXiv 2310.01809.
As the public programs have them: gates on the heads, norms of root mean square, optional sums over
all earlier blocks.
"""

from typing import Any

import tensorflow as tf

from dssgan import signal
from dssgan.models.layers.attention import rotary_angles, standard_frequencies
from dssgan.models.layers.parts import RootMeanSquareNorm
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.layers.replaced import recomputed
from dssgan.models.roformer.bands import STANDARD, Bands, adjoining, mel_bands
from dssgan.models.roformer.layers import BandSplit, MaskEstimator, Transformer
from dssgan.models.roformer.sizes import check_bands, check_sizes
from dssgan.models.targets import TargetSeparator, default_targets

#: Hyperparameters of both, and what they are unless said otherwise.
DEFAULTS: dict[str, Any] = {
    "sources": ["vocals", "accompaniment"],
    "targets": None,
    "sample_rate": 44100,
    "channels": 2,
    "frame_length": 2048,
    "hop": 441,
    "scaled": False,
    "features": 384,
    "blocks": 6,
    "heads": 8,
    "head_width": 64,
    "time_depth": 1,
    "band_depth": 1,
    "feed_forward": 4,
    "mask_depth": 2,
    "mask_expansion": 4,
    "sums": False,
    "zero_dc": True,
    "recompute": False,
    "precision": "float32",
}


class Roformer(TargetSeparator):
    """What both RoFormers are but for their bands.

    Args:
      ranges: (first bin, one past the last) of each band.
      closing: whether every transformer ends with a norm; else one norm ends the network.
      own: hyperparameters of the class alone.
      given: those of DEFAULTS that differ from it:
        sources, targets: names of the estimates, and those that the network estimates; the one
          source that is left, if there is one, is the mixture without them.
        sample_rate: in Hz. channels: 1 or 2, which are separated together.
        frame_length, hop: of the Fourier transform, in samples; periodic Hann window.
        scaled: divide spectra by √frame_length, as PyTorch does when asked to normalise.
        features: of a band at a frame. blocks: pairs of transformers along time and along bands.
        heads, head_width: of attention. time_depth, band_depth: layers of a transformer.
        feed_forward: how many times wider its hidden layers are than `features`.
        mask_depth: layers of a mask. mask_expansion: how many times wider its hidden layers are.
        sums: add the results of all earlier blocks before each block.
        zero_dc: nothing at 0 Hz in the estimates.
        recompute: keep no activations within transformers for the gradient.
        precision: "float32", "bfloat16" or "float16" of products and attention.
    """

    def __init__(self, system: str, ranges, closing: bool, own: dict, given: dict, name=None):
        super().__init__(name=name or system, autocast=False)
        sizes = self.hyperparameters = {**given, **own}
        self.sources, self.targets = tuple(sizes["sources"]), tuple(sizes["targets"])
        self.sample_rate, self.channels = sizes["sample_rate"], sizes["channels"]
        self.frame_length, self.hop = sizes["frame_length"], sizes["hop"]
        self.grid, self.minimum = self.hop, self.frame_length // 2 + 1
        self.channels_apart = self.channels == 1
        # Attention sees the whole excerpt; what is near to an end lacks what counts most.
        self.context = self.frame_length // 2 + self.sample_rate // 4
        same = {"compute": PRECISIONS[sizes["precision"]]}
        bands, parts, features = Bands(ranges, self.frame_length // 2 + 1), 2 * self.channels, 0
        features, inner = sizes["features"], sizes["feed_forward"] * sizes["features"]
        self.splitter = BandSplit(bands, parts, features, **same, name="split")
        shape = features, sizes["heads"], sizes["head_width"], inner, closing
        self.blocks = [
            (
                Transformer(sizes["time_depth"], *shape, **same, name=f"time_{number}"),
                Transformer(sizes["band_depth"], *shape, **same, name=f"bands_{number}"),
            )
            for number in range(sizes["blocks"])
        ]
        self.transformers = [transformer for pair in self.blocks for transformer in pair]
        self.final = None if closing else RootMeanSquareNorm(features, name="final")
        hidden = sizes["mask_expansion"] * features
        self.masks = [
            MaskEstimator(
                bands, parts, features, hidden, sizes["mask_depth"], **same, name=f"mask_{place}"
            )
            for place in range(len(self.targets))
        ]
        self.frequencies = [
            self.add_weight(
                shape=(sizes["head_width"] // 2,), initializer="zeros", trainable=False, name=name
            )
            for name in ("time_frequencies", "band_frequencies")
        ]
        for variable in self.frequencies:
            variable.assign(standard_frequencies(sizes["head_width"]))
        self.built = True

    def waves(self, audio, training: bool = False):
        """(batch, channels, samples) → (batch, targets, channels, samples)."""
        real, imaginary = signal.parts_of(audio, self.frame_length, self.hop)
        masks = self.masked(real, imaginary)
        # A complex product; a mask for every target.
        real, imaginary, first, second = real[:, None], imaginary[:, None], *masks
        parts = real * first - imaginary * second, real * second + imaginary * first
        if self.hyperparameters["zero_dc"]:
            parts = [tf.pad(part[..., 1:], [[0, 0]] * 4 + [[1, 0]]) for part in parts]
        return signal.waves_of(*parts, self.frame_length, self.hop, audio.shape[-1])

    def masked(self, real, imaginary):
        """Masks of a spectrum: parts (batch, channels, frames, bins) → (batch, targets, …)."""
        channels, frames, bins = real.shape[1:]
        x = tf.transpose(tf.stack([real, imaginary], -1), (0, 2, 3, 1, 4))
        x = tf.reshape(x, (-1, bins * channels * 2))
        x = x * self.frame_length**-0.5 if self.hyperparameters["scaled"] else x
        x = self.through(self.splitter(x), frames)
        masks = [tf.reshape(mask(x), (-1, frames, bins, channels, 2)) for mask in self.masks]
        parts = zip(*(tf.unstack(mask, axis=-1) for mask in masks))
        return [tf.transpose(tf.stack(part, 1), (0, 1, 4, 2, 3)) for part in parts]

    def through(self, x, frames: int):
        """The transformers: (bands, rows, features) → the same shape."""
        bands, _, features = x.shape
        angles = [
            rotary_angles(steps, frequencies)
            for steps, frequencies in zip((frames, bands), self.frequencies)
        ]
        total = None
        for along_time, along_bands in self.blocks:
            if self.hyperparameters["sums"] and total is not None:
                x = x + total
            x = tf.reshape(x, (-1, frames, features))
            x = self.run(along_time, x, angles[0])
            x = tf.transpose(tf.reshape(x, (bands, -1, features)), (1, 0, 2))
            x = tf.transpose(self.run(along_bands, x, angles[1]), (1, 0, 2))
            if self.hyperparameters["sums"]:
                total = x if total is None else total + x
        return x if self.final is None else self.final(x)

    def heads(self):
        """Of every target its mask."""
        return {target: [mask] for target, mask in zip(self.targets, self.masks)}

    def run(self, transformer: Transformer, x, angles):
        """A transformer, its activations forgotten where hyperparameters say so."""
        if not self.hyperparameters["recompute"]:
            return transformer(x, angles)
        return recomputed(lambda x: transformer(x, angles), transformer, x)


def completed(system: str, given: dict[str, Any]) -> dict[str, Any]:
    """DEFAULTS with what is given; ValueError for an unknown key or a value out of range."""
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"{system}: unknown hyperparameter {unknown[0]!r}")
    sizes = {**DEFAULTS, **given}
    sizes["sources"] = list(sizes["sources"])
    sizes["targets"] = list(sizes["targets"] or default_targets(sizes["sources"]))
    check_sizes(system, sizes)
    return sizes


class BSRoformer(Roformer):
    """The separator `bs_roformer`: bands side by side.

    Args:
      bands: bins of each band, from 0 Hz up, frame_length / 2 + 1 in all.
      **given: as of `Roformer`.
    """

    def __init__(self, *, bands=None, name: str | None = None, **given):
        bands = list(STANDARD if bands is None else bands)
        sizes = completed("bs_roformer", given)
        check_bands("bs_roformer", bands, sizes["frame_length"] // 2 + 1)
        super().__init__("bs_roformer", adjoining(bands), False, {"bands": bands}, sizes, name)


class MelBandRoformer(Roformer):
    """The separator `mel_band_roformer`: bands as wide as the mel scale has them, overlapping.

    Args:
      bands: how many. **given: as of `Roformer`.
    """

    def __init__(self, *, bands: int = 60, name: str | None = None, **given):
        sizes = completed("mel_band_roformer", given)
        if not isinstance(bands, int) or bands < 2:
            raise ValueError(f"mel_band_roformer: bands is {bands!r}, expected an integer ≥ 2")
        ranges = mel_bands(bands, sizes["frame_length"] // 2 + 1, sizes["sample_rate"])
        super().__init__("mel_band_roformer", ranges, True, {"bands": bands}, sizes, name)
