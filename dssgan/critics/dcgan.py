"""The spectrogram critic of the original adversarial separation."""

import tensorflow as tf

from dssgan.critics.windowed import WindowedCritic


class Dcgan(WindowedCritic):
    """Log magnitudes ln(1 + |STFT|), as the original's critics see them (arXiv 1711.00048).

    With its own setting, windows of 256 bins × 64 frames of one channel, it has 1,869,344
    parameters. Excerpts that are longer are judged window by window; channels are planes. Seeds of
    critics that run side by side should differ.

    Args:
      sample_rate: in Hz. channels: of the audio. samples: of the excerpts it will see.
      frame_length, hop, frames, width, hidden, normalised: as `WindowedCritic`.
      precision: "float32" or "bfloat16" for activations and kernels.
      seed: of the initial weights.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int = 1,
        samples: int,
        frame_length: int = 512,
        hop: int = 256,
        frames: int = 64,
        width: int = 32,
        hidden: int = 32,
        normalised: bool = False,
        precision: str = "float32",
        seed: int = 0,
        name: str | None = None,
    ):
        hyperparameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "samples": samples,
            "frame_length": frame_length,
            "hop": hop,
            "frames": frames,
            "width": width,
            "hidden": hidden,
            "normalised": normalised,
            "precision": precision,
            "seed": seed,
        }
        super().__init__("dcgan", hyperparameters, name)
        self.log_magnitudes_of = (frame_length, hop)

    @property
    def planes(self) -> int:
        """One per channel."""
        return self.channels

    def represent(self, audio):
        """(batch, samples, channels) → (batch, windows, bins, frames, channels).

        Log magnitudes (batch, frames, bins, channels) do as well, with bin 0 and any number of
        empty ones on top: what a separator of `log_magnitudes_of` the same transform estimates.
        """
        if len(audio.shape) == 4:
            bins = self.frame_length // 2
            return self.cut(tf.transpose(audio[:, :, 1 : bins + 1], (0, 3, 1, 2)))
        return self.cut(tf.math.log1p(tf.abs(self.spectra(audio))))
