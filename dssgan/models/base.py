"""What every separator promises; training, separation and the conformance test rely on it."""

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
      minimum: shortest accepted length in samples.
      scale_free: the training loss leaves the scale of the estimates undefined (SI-SDR); a
        `Separator` then recovers one gain per source and channel against the mixture, over the
        whole track.
      unit_variance: the model expects its input divided by the standard deviation of the whole
        track (per channel); a `Separator` does that and undoes it.
      channels_apart: no channel has any influence on another; a `Separator` may then work on one
        at a time, to save memory.
      hyperparameters: the keyword arguments that rebuild the model, plain JSON values.
    """

    sample_rate: int = 32000
    sources: tuple[str, ...] = ("drums", "bass", "other", "vocals")
    context: int = 0
    multiple: int = 1
    minimum: int = 1
    scale_free: bool = False
    unit_variance: bool = False
    channels_apart: bool = False
    hyperparameters: dict[str, Any]

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
          spectra adds "magnitudes" (batch, sources, …) and "mixture_magnitudes" (batch, …), linear.
        """
        return {"estimates": self(mixture, training=True)}

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
