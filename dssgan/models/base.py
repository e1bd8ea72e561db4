"""What every separator promises; training, separation and the conformance test rely on it."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class SeparatorModel(keras.Model):
    """A Keras model that turns a mixture into one estimate per named source.

    Attributes:
      sample_rate: in Hz; `call` takes and returns audio at this rate.
      sources: names of the estimates, in order.
      context: samples of past and of future that an output sample depends on. Statistics over the
        whole excerpt (group norm) do not count; they are why excerpts should be seconds long.
      multiple: `call` accepts any length that is a positive multiple of this.
      grid: a song's chunks, the last one included, begin at multiples of this; more than 1 where
        estimates depend on where an excerpt begins.
      minimum: shortest accepted length in samples.
      maximum: longest accepted length in samples, for models of a fixed length; 0 without.
      scale_free: the training loss leaves the scale of the estimates undefined (SI-SDR); a
        `Separator` then recovers one gain per source and channel against the mixture, over the
        whole track.
      unit_variance: the model expects its input divided by the standard deviation of the whole
        track (per channel); a `Separator` does that and undoes it.
      normalises: estimates depend on means and deviations over the whole excerpt; a `Separator`
        then fills chunks that begin or end with silence.
      masked_spectrum: (frame length, hop) in samples of a separator that is nothing but
        `mask_parts` on a short-time spectrum; an export then leaves the transforms to its runtime.
      causal: what lies more than some milliseconds ahead has no influence; the model has `start`
        and `advance`, which separate a stream block by block (`CausalMultiStage` says how).
      channels_apart: no channel has any influence on another; a `Separator` may then work on one
        at a time, to save memory.
      log_magnitudes_of: (frame length, hop) in samples of a separator that estimates ln(1 + |STFT|)
        and gives it to training as "log_magnitudes"; critics of such spectra then score these
        and not what became of them in the waveform. None for all others.
      training_outputs: what `training_estimates` returns beside the estimates, for losses that need
        it.
      hyperparameters: the keyword arguments that rebuild the model, plain JSON values.
      chunks: what a song is best cut into, as of `dssgan.exports.chunks_of`; exported with it.
    """

    sample_rate: int = 32000
    sources: tuple[str, ...] = ("drums", "bass", "other", "vocals")
    context: int = 0
    multiple: int = 1
    grid: int = 1
    minimum: int = 1
    maximum: int = 0
    scale_free: bool = False
    unit_variance: bool = False
    normalises: bool = False
    causal: bool = False
    channels_apart: bool = False
    log_magnitudes_of: tuple[int, int] | None = None
    masked_spectrum: tuple[int, int] | None = None
    training_outputs: tuple[str, ...] = ()
    hyperparameters: dict[str, Any]
    chunks: dict[str, Any] | None = None

    def call(self, mixture: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Separate `mixture` (batch, samples, channels) → (batch, sources, samples, channels)."""
        raise NotImplementedError

    def training_estimates(
        self, mixture: tf.Tensor, references: tf.Tensor | None = None
    ) -> dict[str, Any]:
        """What only training sees.

        Args:
          mixture: (batch, samples, channels).
          references: (batch, sources, samples, channels), or None where there are none.

        Returns:
          A dict with at least "estimates" (batch, sources, samples, channels) at full rate.
        """
        del references
        return {"estimates": self(mixture, training=True)}

    def unpaired_estimates(self, mixture: tf.Tensor) -> dict[str, tf.Tensor]:
        """What critics and the additivity loss look at; nobody knows the references.

        Returns:
          "estimates" (batch, sources, samples, channels). A separator that works on magnitude
          spectra adds "magnitudes" (batch, sources, frames, bins, channels) and
          "mixture_magnitudes" (batch, frames, bins, channels), linear, and "log_magnitudes" shaped
          like the former, each of the frames that have full context.
        """
        return {"estimates": self(mixture, training=True)}

    def heads(self) -> dict[str, list[Any]]:
        """The last layers (or single variables), whose shape or meaning depends on the sources.

        Returns:
          {target: its own layers}, or {"": layers that all targets share}. Empty for a model that
          does not say: its weights then serve the same sources alone.
        """
        return {}

    def last_layers(self) -> list[Any]:
        """What `trainable=heads` trains: of `heads`, what comes last in the network."""
        return [layer for layers in self.heads().values() for layer in layers]

    def inference_state(self) -> Any:
        """Tensors that depend on the weights alone, computed once per separated track."""
        return ()

    def infer(self, mixture: tf.Tensor, state: Any) -> tf.Tensor:
        """`call` for inference, with what `inference_state` returned."""
        del state
        return self(mixture, training=False)

    def calibrate(self, mixtures) -> None:
        """Fit non-trainable input statistics to an iterable of (batch, samples, channels)."""
        for _ in mixtures:
            break


def fold_channels(mixture: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """(batch, samples, channels) → (batch · channels, samples), and the way back for estimates.

    The way back is (batch · channels, sources, samples) → (batch, sources, samples, channels).
    """
    samples, channels = mixture.shape[1], mixture.shape[2]
    folded = tf.reshape(tf.transpose(mixture, (0, 2, 1)), (-1, samples))

    def unfold(estimates):
        shape = (-1, channels, *estimates.shape[1:])
        return tf.transpose(tf.reshape(estimates, shape), (0, 2, 3, 1))

    return folded, unfold
