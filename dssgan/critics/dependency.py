"""The critic that asks whether estimates belong to their mixture."""

import tensorflow as tf

from dssgan.critics.windowed import WindowedCritic

FLOOR = 1e-8  # power per bin; 16-bit rounding noise has as much


class Dependency(WindowedCritic):
    """A critic of mixture and estimates together, for one of the two roles of FactorGAN.

    Stoller, Ewert, Dixon, "Training generative adversarial networks from incomplete observations
    using factorised discriminators", ICLR 2020 (arXiv 1905.12660). Role p learns real pairs from
    shuffled ones, role q generated pairs from shuffled ones; `losses.adversarial.combine` puts
    their logits beside those of the marginal critics. Spectral normalisation keeps the gradient
    of p usable where no real pair was ever seen; the paper normalises p alone.

    Whether an estimate belongs to a mixture shows in its phase: magnitudes alone would let through
    what sounds alike at the same time. The phase of a bin says nothing by itself, though, it turns
    with every hop; what counts is where an estimate stands relative to the mixture. So every
    estimate is turned by the mixture's phase, bin by bin. Then the parts in phase add up to the
    mixture's magnitude and those across add up to zero, if the estimates belong. With the defaults
    it has 501,296 parameters for one channel and one estimate.

    Args:
      sample_rate: in Hz. channels: of one signal. samples: of the excerpts it will see.
      estimates: how many stand beside the mixture.
      frame_length, hop, frames, width, hidden, normalised: as `WindowedCritic`.
      precision: "float32" or "bfloat16" for activations and kernels.
      seed: of the initial weights.
    """

    partner = True

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int = 1,
        samples: int,
        estimates: int = 1,
        frame_length: int = 512,
        hop: int = 256,
        frames: int = 64,
        width: int = 16,
        hidden: int = 32,
        normalised: bool = True,
        precision: str = "float32",
        seed: int = 0,
        name: str | None = None,
    ):
        hyperparameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "samples": samples,
            "estimates": estimates,
            "frame_length": frame_length,
            "hop": hop,
            "frames": frames,
            "width": width,
            "hidden": hidden,
            "normalised": normalised,
            "precision": precision,
            "seed": seed,
        }
        super().__init__("dependency", hyperparameters, name)

    @property
    def planes(self) -> int:
        """One of the mixture and three of every estimate, per channel."""
        return self.channels * (1 + 3 * self.hyperparameters["estimates"])

    @property
    def input_channels(self) -> int:
        """Channels of mixture and estimates side by side."""
        return self.channels * (1 + self.hyperparameters["estimates"])

    def represent(self, audio):
        """Mixture beside estimates → (batch, windows, bins, frames, planes).

        Planes, per channel: ln(1 + magnitude) of the mixture; per estimate ln(1 + magnitude) and
        the parts in phase with the mixture and across, both scaled from magnitude to ln(1 +
        magnitude).
        """
        spectra = self.spectra(audio)
        mixture, planes = spectra[:, : self.channels], []
        planes.append(tf.math.log1p(tf.abs(mixture)))
        real, imaginary = tf.math.real(mixture), tf.math.imag(mixture)
        # The floors keep gradients finite where a bin is silent.
        length = tf.sqrt(tf.square(real) + tf.square(imaginary) + FLOOR)
        real, imaginary = real / length, imaginary / length
        for first in range(self.channels, self.input_channels, self.channels):
            estimate = spectra[:, first : first + self.channels]
            own_real, own_imaginary = tf.math.real(estimate), tf.math.imag(estimate)
            along = own_real * real + own_imaginary * imaginary
            across = own_imaginary * real - own_real * imaginary
            magnitude = tf.sqrt(tf.square(own_real) + tf.square(own_imaginary) + FLOOR)
            logarithm = tf.math.log1p(magnitude)
            scale = logarithm / magnitude
            planes += [logarithm, along * scale, across * scale]
        return self.cut(tf.concat(planes, 1))
