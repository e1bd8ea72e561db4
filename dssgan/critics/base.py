"""What every critic promises; the adversarial phase and the conformance test rely on it."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PRECISIONS = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class Critic(keras.Model):
    """A Keras model that scores how real excerpts sound: high for real, low for generated.

    Judging has two halves. `represent` has no weights and turns audio into what the critic looks
    at; `logits_of` holds the weights and scores it. The gradient penalty is taken between the two.

    Attributes:
      sample_rate: in Hz; the audio must come at this rate.
      channels: of one signal.
      minimum: shortest excerpt in samples.
      partner: it sees the mixture beside the estimates, (batch, samples, channels · (1 +
        estimates)), as `dssgan.critics.beside` puts them together.
      independent: logit j depends on item j of the representation's second axis alone, so the
        gradient penalty can hold every one of them to norm one, not their mean alone.
      log_magnitudes_of: (frame length, hop) of a critic that looks at ln(1 + |STFT|) and takes it
        from a separator that estimates just that; None for all others.
      hyperparameters: the keyword arguments that rebuild the critic, plain JSON values.
    """

    sample_rate: int
    channels: int
    minimum: int = 1
    partner: bool = False
    independent: bool = False
    log_magnitudes_of: tuple[int, int] | None = None
    hyperparameters: dict[str, Any]

    def __init__(self, kind: str, hyperparameters: dict[str, Any], name: str | None = None):
        """Check what all critics share.

        Args:
          kind: name in the registry.
          hyperparameters: with "sample_rate", "channels", "samples", "precision" and "seed" at
            least; ValueError with one line that names the key that is wrong.
          name: of the Keras model.
        """
        super().__init__(name=name or kind, autocast=False)
        self.kind, self.hyperparameters = kind, hyperparameters
        for key in ("sample_rate", "channels", "samples", "estimates"):
            if key in hyperparameters:
                self.check_integer(key)
        if hyperparameters["precision"] not in PRECISIONS:
            raise ValueError(
                f"{kind}: precision {hyperparameters['precision']!r}, expected one of "
                f"{', '.join(PRECISIONS)}"
            )
        self.sample_rate = hyperparameters["sample_rate"]
        self.channels = hyperparameters["channels"]
        self.compute = PRECISIONS[hyperparameters["precision"]]

    def check_integer(self, key: str, least: int = 1) -> None:
        """ValueError unless hyperparameter `key` is an integer of at least `least`."""
        value = self.hyperparameters[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{self.kind}: {key} is {value!r}, expected an integer ≥ {least}")

    def finish(self, minimum: int) -> None:
        """Called when all weights exist: state the shortest excerpt, check the one announced."""
        self.minimum = minimum
        self.check_length(self.hyperparameters["samples"])
        self.built = True

    def check_length(self, samples: int | None) -> None:
        """ValueError unless excerpts of `samples` samples can be judged."""
        if samples is None or samples < self.minimum:
            raise ValueError(
                f"{self.kind}: excerpts of {samples} samples, expected a static number of at "
                f"least {self.minimum}; use longer excerpts or a smaller critic"
            )

    @property
    def input_channels(self) -> int:
        """Channels of the audio that `call` expects."""
        return self.channels

    def check_audio(self, audio: tf.Tensor) -> tf.Tensor:
        """`audio` as float32; ValueError unless it is (batch, samples, `input_channels`)."""
        audio = tf.convert_to_tensor(audio)
        if audio.shape.rank != 3 or audio.shape[-1] != self.input_channels:
            raise ValueError(
                f"{self.kind}: audio of shape {tuple(audio.shape)}, expected (batch, samples, "
                f"{self.input_channels})"
            )
        self.check_length(audio.shape[1])
        return tf.cast(audio, tf.float32)

    def represent(self, audio: tf.Tensor) -> Any:
        """What is judged: (batch, samples, channels) → float32 (batch, …), or a list of them."""
        raise NotImplementedError

    def logits_of(
        self, representation: Any, training: bool = False, precise: bool = False
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Score what `represent` returned.

        Args:
          representation: float32.
          training: the critic is being trained; spectral normalisation then moves on.
          precise: compute in float32 whatever the precision of the critic.

        Returns:
          (logits, maps): logits float32 (batch, n), one per place that is judged; maps are the
          activations on the way there.
        """
        raise NotImplementedError

    def call(self, audio: tf.Tensor, training: bool = False):
        """(batch, samples, channels) → what `logits_of` returns."""
        return self.logits_of(self.represent(audio), training=training)


def beside(mixture: tf.Tensor, stems: tf.Tensor) -> tf.Tensor:
    """The mixture and its stems side by side, as partner critics see them.

    Args:
      mixture: (batch, samples, channels). stems: (batch, sources, samples, channels).

    Returns:
      (batch, samples, channels · (1 + sources)): the mixture's channels first.
    """
    return tf.concat([mixture, *tf.unstack(stems, axis=1)], -1)


def layer_seeds(seed: int) -> Iterator[int]:
    """One seed after the other for the initial weights of a critic's layers."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))
