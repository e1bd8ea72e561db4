"""The spectrogram U-Net of the adversarial separators of 2018.

Stoller, Ewert and Dixon, "Adversarial semi-supervised audio source separation applied to singing
voice extraction", ICASSP 2018 (arXiv 1711.00048); DSSGAN separated drums with the same network.
Log magnitudes ln(1 + |STFT|) go in, those of every source come out directly, without a mask; the
mixture lends its phase. Mono by nature: channels are folded into the batch.
"""

import tensorflow as tf

from dssgan import signal
from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.unet.network import ValidUNet, context, lowest_size, output_size
from dssgan.portable import is_portable


class UNet(SeparatorModel):
    """The separator `unet`; the defaults are the published model.

    In training only the frames that have full context within the excerpt count, 46 less at each
    end: 40,192 samples (158 frames) give the original's patches of 66. Outside of them the
    estimates that training sees are even shares of the mixture, which no gradient reaches.

    Args:
      sources: names of the estimates.
      sample_rate: in Hz.
      frame_length, hop: of the short-time Fourier transform, in samples.
      levels: poolings by two. filters: of the first convolution; each level doubles them.
      precision: "float32", "bfloat16" or "float16" for activations and convolutions.
      seed: of the initial weights.
    """

    channels_apart = True
    training_outputs = ("log_magnitudes",)

    def __init__(
        self,
        *,
        sources=("drums", "accompaniment"),
        sample_rate: int = 8192,
        frame_length: int = 512,
        hop: int = 256,
        levels: int = 4,
        filters: int = 16,
        precision: str = "float32",
        seed: int = 0,
        name: str | None = None,
    ):
        super().__init__(name=name or "unet", autocast=False)
        self.hyperparameters = {
            "sources": list(sources),
            "sample_rate": sample_rate,
            "frame_length": frame_length,
            "hop": hop,
            "levels": levels,
            "filters": filters,
            "precision": precision,
        }
        check(self.hyperparameters)
        self.sources, self.sample_rate = tuple(sources), sample_rate
        self.frame_length, self.hop, self.levels = frame_length, hop, levels
        self.log_magnitudes_of = (frame_length, hop)
        self.compute = PRECISIONS[precision]
        self.edge = context(levels)
        bins = frame_length // 2 + 1
        # Rows of the output: the bins and, at the top, what rounding adds.
        self.rows = output_size(lowest_size(bins, levels, even=True), levels)
        self.network = ValidUNet(len(sources), levels, filters, seed, name="network")
        self.context = self.edge * hop + frame_length // 2
        self.multiple = hop
        least = output_size(lowest_size(1, levels), levels) + 2 * self.edge
        self.minimum = (least - 1) * hop
        self.built = True

    def heads(self):
        """Of every source the convolution to its spectrum."""
        return {source: [head] for source, head in zip(self.sources, self.network.heads)}

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        del training
        folded, unfold = fold_channels(mixture)
        parts = self.parts(folded)
        frames = parts[0].shape[1]
        lowest = lowest_size(frames, self.levels)
        behind = output_size(lowest, self.levels) - frames + self.edge
        logs = self.network(self.padded(parts[0], self.edge, behind), dtype=self.compute)
        logs = logs[..., :frames]
        return unfold(self.waveform(signal.expm1(logs), parts, folded.shape[1]))

    def training_estimates(self, mixture, references=None):
        """Log magnitudes of the frames with full context beside the estimates.

        Returns:
          "estimates" (batch, sources, samples, channels) and "log_magnitudes" (batch, sources,
          frames, bins, channels); with references "reference_log_magnitudes" of the same shape.
          Bins are one more than the transform has: the topmost is empty, as in the original.
        """
        outputs, crop = self.trained(mixture)
        if references is not None:
            shape = references.shape
            folded, _ = fold_channels(tf.reshape(references, (-1, *shape[2:])))
            logs = crop(signal.log1p(self.parts(folded)[0]))
            logs = tf.reshape(logs, (-1, shape[1], shape[3], *logs.shape[1:]))
            outputs["reference_log_magnitudes"] = tf.transpose(logs, (0, 1, 3, 4, 2))
        return outputs

    def unpaired_estimates(self, mixture):
        """What critics and additivity look at: see `SeparatorModel` and `training_estimates`."""
        outputs, crop = self.trained(mixture)
        folded, _ = fold_channels(mixture)
        magnitudes = crop(self.parts(folded)[0])
        magnitudes = tf.reshape(magnitudes, (-1, mixture.shape[2], *magnitudes.shape[1:]))
        outputs["mixture_magnitudes"] = tf.transpose(magnitudes, (0, 2, 3, 1))
        outputs["magnitudes"] = signal.expm1(outputs["log_magnitudes"])
        return outputs

    def trained(self, mixture):
        """Estimates of an excerpt from valid convolutions alone, and what crops its spectra."""
        folded, unfold = fold_channels(mixture)
        parts = self.parts(folded)
        size = parts[0]
        frames, bins = size.shape[1:]
        lowest = (frames - 2 * self.edge + 2 ** (self.levels + 1) - 2) // 2**self.levels
        if lowest < 2:
            raise ValueError(
                f"unet: excerpts of {mixture.shape[1]} samples have no frame with full context, "
                f"expected {self.minimum} samples or more; raise data.seconds"
            )
        inner = output_size(lowest, self.levels)
        first = (frames - inner) // 2
        widened = size[:, first - self.edge : first + inner + self.edge]
        logs = self.network(self.padded(widened, 0, 0), dtype=self.compute)
        share = size[:, None] / len(self.sources)
        share = tf.repeat(share, len(self.sources), axis=1)
        magnitudes = signal.expm1(tf.transpose(logs, (0, 1, 3, 2))[..., :bins])
        magnitudes = tf.concat(
            [share[:, :, :first], magnitudes, share[:, :, first + inner :]], axis=2
        )
        audio = self.waveform(tf.transpose(magnitudes, (0, 1, 3, 2)), parts, folded.shape[1])
        logs = tf.reshape(logs, (-1, mixture.shape[2], *logs.shape[1:]))
        outputs = {
            "estimates": unfold(audio),
            "log_magnitudes": tf.transpose(logs, (0, 2, 4, 3, 1)),
        }

        def crop(planes):
            """(…, frames, bins) of the excerpt → the frames that count, an empty bin on top."""
            return tf.pad(planes[:, first : first + inner], [[0, 0], [0, 0], [0, self.rows - bins]])

        return outputs, crop

    def parts(self, folded):
        """(batch, samples) → magnitudes, real and imaginary parts, each (batch, frames, bins)."""
        if folded.shape[1] is None or folded.shape[1] % self.hop:
            raise ValueError(
                f"unet: {folded.shape[1]} samples, expected a static multiple of {self.hop}; "
                "pad the excerpt"
            )
        if is_portable():
            real, imaginary = signal.real_stft(folded, self.frame_length, self.hop)
            return tf.sqrt(tf.square(real) + tf.square(imaginary)), real, imaginary
        spectra = signal.stft(folded, self.frame_length, self.hop)
        return tf.abs(spectra), tf.math.real(spectra), tf.math.imag(spectra)

    def padded(self, size, before: int, behind: int):
        """Log magnitudes as the network's input: (batch, rows + 2 c, before + frames + behind)."""
        logs = tf.transpose(signal.log1p(size), (0, 2, 1))
        missing = self.rows + 2 * self.edge - logs.shape[1]
        below = self.edge  # output row 0 is bin 0
        return tf.pad(logs, [[0, 0], [below, missing - below], [before, behind]])

    def waveform(self, magnitudes, parts, samples: int):
        """Magnitudes (batch, sources, bins, frames) with the mixture's phase → waveforms."""
        size, real, imaginary = parts
        magnitudes = tf.transpose(magnitudes[:, :, : size.shape[2]], (0, 1, 3, 2))
        # Where there is no mixture there is no phase either; such cells sound as zero phase.
        scale = 1.0 / tf.where(size > 0.0, size, 1.0)
        cosine = tf.where(size > 0.0, real * scale, 1.0)
        real = magnitudes * cosine[:, None]
        imaginary = magnitudes * (imaginary * scale)[:, None]
        return signal.waves_of(real, imaginary, self.frame_length, self.hop, samples)


def check(given: dict) -> None:
    """Check the hyperparameters of `UNet`: ValueError with one line that names the key."""
    for key in ("sample_rate", "frame_length", "hop", "levels", "filters"):
        if not isinstance(given[key], int) or given[key] < 1:
            raise ValueError(f"unet: {key} is {given[key]!r}, expected an integer ≥ 1")
    if given["frame_length"] % 2 or not given["hop"] <= given["frame_length"] // 2:
        raise ValueError(
            f"unet: frame_length {given['frame_length']} and hop {given['hop']}: expected an even "
            "length and a hop of half of it at most"
        )
    if len(given["sources"]) < 2 or len(set(given["sources"])) != len(given["sources"]):
        raise ValueError(f"unet: sources {given['sources']}: expected two or more, all different")
    if given["precision"] not in PRECISIONS:
        raise ValueError(
            f"unet: precision {given['precision']!r}, expected one of {', '.join(PRECISIONS)}"
        )
