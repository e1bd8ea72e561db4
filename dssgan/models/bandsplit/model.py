"""Band-Split RNN: complex masks from LSTMs along time and along bands of the spectrum.

Luo and Yu, "Music source separation with band-split RNN", arXiv 2209.15174. Each channel is
separated by itself. `variant="amanteur"` is the public re-implementation (amanteur/
BandSplitRNN-PyTorch): both channels together, an input of zero mean and unit variance, other norms,
and excerpts of one length only, because its norms have a time axis.
"""

import tensorflow as tf

from dssgan import signal
from dssgan.models.bandsplit import real_parts
from dssgan.models.bandsplit.bands import Bands, band_widths, length, split_of
from dssgan.models.bandsplit.layers import BandSplitter, MaskEstimator, Recurrent
from dssgan.models.bandsplit.sizes import check_sizes
from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.targets import default_targets, with_rest
from dssgan.portable import is_portable


class BandSplit(SeparatorModel):
    """The separator `bandsplit`; the defaults are the paper's model of the vocals.

    Args:
      sources: names of the estimates.
      targets: those that the network estimates; the one source that is left, if there is one, is
        the mixture without them. None: all but "accompaniment". Several share the network up to
        the masks (one input, several outputs); the paper has one network per target.
      split: "v7", "bass" or "drums", or pairs (upper Hz, step Hz): see `bandsplit_bands`. None: the
        paper's for the target, "v7" for several.
      sample_rate: in Hz.
      frame_length, hop: of the Fourier transform, in samples; periodic Hann window.
      features: of a band at a frame, N. hidden: LSTM units per direction. repeats: pairs of an LSTM
        along time and one along the bands. mask_hidden: units of a mask's hidden layers.
      variant: "authors" or "amanteur".
      frames: length of an excerpt for the latter, which takes (frames − 1) · hop samples.
      precision: "float32", "bfloat16" or "float16" for LSTM states and matrix products; sums,
        norms, cells, spectra and waveforms stay float32.
    """

    training_outputs = ("spectra", "targets")
    normalises = True

    def __init__(
        self,
        *,
        sources=("vocals", "accompaniment"),
        targets=None,
        split=None,
        sample_rate: int = 44100,
        frame_length: int = 2048,
        hop: int = 512,
        features: int = 128,
        hidden: int = 256,
        repeats: int = 12,
        mask_hidden: int = 512,
        variant: str = "authors",
        frames: int = 263,
        precision: str = "float32",
        name: str | None = None,
    ):
        super().__init__(name=name or "bandsplit", autocast=False)
        targets = default_targets(sources) if targets is None else targets
        if split is None:
            single = len(targets) == 1
            split = split_of(targets[0]) if single else "v7"
        self.hyperparameters = {
            "sources": list(sources),
            "targets": list(targets),
            "split": split if isinstance(split, str) else [list(pair) for pair in split],
            "sample_rate": sample_rate,
            "frame_length": frame_length,
            "hop": hop,
            "features": features,
            "hidden": hidden,
            "repeats": repeats,
            "mask_hidden": mask_hidden,
            "variant": variant,
            "frames": frames,
            "precision": precision,
        }
        check_sizes(self.hyperparameters)
        self.sources, self.targets = tuple(sources), tuple(targets)
        self.sample_rate, self.frame_length, self.hop = sample_rate, frame_length, hop
        self.amanteur = variant == "amanteur"
        self.channels_apart = not self.amanteur
        self.masked_spectrum = None if self.amanteur else (frame_length, hop)
        if self.amanteur:
            self.multiple = self.minimum = self.maximum = (frames - 1) * hop
        else:
            self.multiple = hop
            self.minimum = (frame_length // 2 // hop + 1) * hop
        # LSTMs see the whole excerpt. Beside half a frame, a quarter of a second counts: what is
        # nearer to an end than that lacks what an estimate leans on most.
        self.context = frame_length // 2 + sample_rate // 4
        compute = PRECISIONS[precision]
        parts = 4 if self.amanteur else 2
        length = frames if self.amanteur else 1
        bands = Bands(band_widths(split, frame_length, sample_rate))
        self.splitter = BandSplitter(bands, parts, features, length, compute, name="split")
        self.blocks = [
            Recurrent(features, hidden, self.amanteur, compute, name=f"{axis}_{number}")
            for number in range(repeats)
            for axis in ("time", "bands")
        ]
        self.masks = [
            MaskEstimator(
                bands,
                parts,
                features,
                mask_hidden,
                length,
                self.amanteur,
                compute,
                name=f"mask_{place}",
            )
            for place in range(len(targets))
        ]
        self.built = True

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        waves, _ = self.separate(mixture, training)
        return self.with_rest(waves, mixture)

    def training_estimates(self, mixture, references=None):
        """Estimates of all sources, and the targets' spectra.

        Returns:
          {"estimates": (batch, sources, samples, channels), "targets": the same of the targets,
          "spectra": (batch, targets, channels, frames, bins, 2), real and imaginary parts; and
          with references "reference_targets" and "reference_spectra" alike}.
        """
        waves, spectra = self.separate(mixture, True)
        outputs = {"estimates": self.with_rest(waves, mixture), "targets": waves}
        outputs["spectra"] = _parts(spectra)
        if references is not None:
            places = [self.sources.index(target) for target in self.targets]
            outputs["reference_targets"] = tf.gather(references, places, axis=1)
            outputs["reference_spectra"] = _parts(self.spectra(outputs["reference_targets"]))
        return outputs

    def spectra(self, audio):
        """(…, samples, channels) → complex64 (…, channels, frames, bins)."""
        return signal.stft(_channels_first(audio), self.frame_length, self.hop)

    def separate(self, mixture, training: bool = False):
        """Targets as (batch, targets, samples, channels), and their spectra.

        Raises:
          ValueError: a length that the model does not take, more than two channels of "amanteur".
        """
        samples, channels = mixture.shape[1:]
        if samples is None or samples % self.multiple or samples < self.minimum:
            raise ValueError(
                f"bandsplit: {samples} samples, expected a static multiple of {self.multiple} from "
                f"{self.minimum}; pad the excerpt"
            )
        if is_portable():
            return self.in_real_numbers(mixture), None
        if self.amanteur:
            spectra = self.both_channels(mixture, training)
        else:
            folded, _ = fold_channels(mixture)
            spectrum = signal.stft(folded, self.frame_length, self.hop)
            spectra = self.masked(spectrum[:, None], training)
            shape = (-1, channels, len(self.targets), *spectra.shape[3:])
            spectra = tf.transpose(tf.reshape(spectra, shape), (0, 2, 1, 3, 4))
        waves = signal.istft(spectra, self.frame_length, self.hop, samples)
        return _channels_first(waves), spectra

    def in_real_numbers(self, mixture):
        """The targets' waves as of `separate`, without its complex numbers."""
        if not self.amanteur:
            folded, unfold = fold_channels(mixture)
            return unfold(real_parts.waves(self, folded[:, None])[:, :, 0])
        found = real_parts.waves(self, _channels_first(self.two_channels(mixture)))
        mono = mixture.shape[-1] == 1
        return _channels_first(tf.reduce_mean(found, 2, keepdims=True) if mono else found)

    def both_channels(self, mixture, training: bool = False):
        """Spectra of "amanteur": a mono signal counts as both channels, and their mean taken."""
        spectra = self.standardised(self.spectra(self.two_channels(mixture)), training)
        return spectra if mixture.shape[-1] == 2 else tf.reduce_mean(spectra, 2, keepdims=True)

    def two_channels(self, mixture):
        """A mixture as "amanteur" takes it (ValueError)."""
        samples, channels = mixture.shape[1:]
        if samples != self.maximum or channels > 2:
            raise ValueError(
                f"bandsplit: {samples} samples of {channels} channels; the variant amanteur takes "
                f"{self.maximum} samples of one or two"
            )
        return tf.repeat(mixture, 3 - channels, -1)

    def standardised(self, spectrum, training: bool = False):
        """`masked` for a spectrum of zero mean and unit variance, and back."""
        axes = (1, 2, 3)
        count = spectrum.shape[1] * spectrum.shape[2] * spectrum.shape[3]
        mean = tf.reduce_mean(spectrum, axes, keepdims=True)
        centred = spectrum - mean
        power = tf.square(tf.math.real(centred)) + tf.square(tf.math.imag(centred))
        variance = tf.reduce_sum(power, axes, keepdims=True) / (count - 1)
        deviation = tf.sqrt(tf.maximum(variance, 1e-24))  # its gradient is infinite at 0
        spectra = self.masked(centred * tf.cast(1.0 / (deviation + 1e-5), tf.complex64), training)
        deviation = tf.cast(deviation, tf.complex64)
        return spectra * deviation[:, None] + mean[:, None]

    def masked(self, spectrum, training: bool = False):
        """The network: complex64 (items, channels, frames, bins) → (items, targets, …)."""
        items, channels, frames, bins = spectrum.shape
        parts = tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], 2)
        masks = self.mask_parts(tf.reshape(parts, (-1, 2 * channels, frames, bins)), training)
        masks = tf.reshape(masks, (-1, len(self.masks), channels, 2, frames, bins))
        masks = tf.complex(masks[:, :, :, 0], masks[:, :, :, 1])
        return tf.ensure_shape(
            masks * spectrum[:, None], (items, len(self.masks), channels, frames, bins)
        )

    def mask_parts(self, parts, training: bool = False):
        """Real and imaginary parts of spectra → those of masks.

        Args:
          parts: float32 (items, 2 · channels, frames, bins), both parts of a channel after another.

        Returns:
          float32 (items, targets, 2 · channels, frames, bins).
        """
        x = self.splitter(parts)
        # (bands, frames, …): along the frames and along the bands in turns.
        inner = (-1, x.shape[-1])
        for block in self.blocks:
            along_time = block.name.startswith("time")
            x = tf.transpose(x, (1, 0, 2, 3)) if along_time else x
            shape = tf.shape(x) if None in x.shape else x.shape
            y = tf.reshape(x, (length(x, 0), *inner))
            x = tf.reshape(block(y, training=training), shape)
            x = tf.transpose(x, (1, 0, 2, 3)) if along_time else x
        return tf.stack([mask(x) for mask in self.masks], 1)

    def heads(self):
        """Of every target its mask."""
        return {target: [mask] for target, mask in zip(self.targets, self.masks)}

    def with_rest(self, waves, mixture):
        """All sources in their order: the targets, and what they leave of the mixture."""
        return with_rest(waves, mixture, self.sources, self.targets)


def _channels_first(audio):
    """Swap the last two axes, or back."""
    axes = list(range(audio.shape.rank))
    return tf.transpose(audio, (*axes[:-2], axes[-1], axes[-2]))


def _parts(spectra):
    return tf.stack([tf.math.real(spectra), tf.math.imag(spectra)], -1)
