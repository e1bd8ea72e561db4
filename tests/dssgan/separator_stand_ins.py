"""Small separators whose right answer is known, for tests of everything around a model."""

import keras
import tensorflow as tf

from dssgan.models.base import SeparatorModel


class Splitter(SeparatorModel):
    """Every source is the mixture times its own gain, a weight of the model."""

    def __init__(
        self,
        gains=(0.75, 0.25),
        sources=("drums", "accompaniment"),
        sample_rate=8000,
        context=0,
        multiple=1,
        minimum=1,
        unit_variance=False,
        scale_free=False,
        offset=0.0,
        precision="float32",
    ):
        super().__init__()
        self.hyperparameters = {
            "gains": list(gains),
            "sources": list(sources),
            "sample_rate": sample_rate,
            "context": context,
            "multiple": multiple,
            "minimum": minimum,
            "unit_variance": unit_variance,
            "scale_free": scale_free,
            "offset": offset,
            "precision": precision,
        }
        self.sources = tuple(sources)
        self.sample_rate = sample_rate
        self.context = context
        self.multiple = multiple
        self.minimum = minimum
        self.unit_variance = unit_variance
        self.scale_free = scale_free
        self.offset = offset
        self.compute = tf.as_dtype(precision)
        self.states = 0
        self.gains = self.add_weight(
            shape=(len(gains),), name="gains", initializer=keras.initializers.Zeros()
        )
        self.gains.assign(gains)

    def call(self, mixture, training=False):
        samples = mixture.shape[1]
        assert samples % self.multiple == 0 and samples >= self.minimum, samples
        gains = tf.cast(self.gains[:, None, None], self.compute)
        return tf.cast(mixture, self.compute)[:, None] * gains + tf.cast(self.offset, self.compute)

    def inference_state(self):
        self.states += 1
        return {"gains": tf.convert_to_tensor(self.gains)}


class Filter(Splitter):
    """A moving average and what it leaves: zero-phase, with context; scales are the gains."""

    def __init__(self, width=65, **hyperparameters):
        super().__init__(**hyperparameters)
        self.hyperparameters["width"] = width
        self.context = width // 2
        self.width = width

    def call(self, mixture, training=False):
        padded = tf.pad(mixture, [[0, 0], [self.context, self.context], [0, 0]])
        sums = tf.cumsum(padded, axis=1)
        sums = tf.pad(sums, [[0, 0], [1, 0], [0, 0]])
        low = (sums[:, self.width :] - sums[:, : -self.width]) / self.width
        return tf.stack([low, mixture - low], axis=1) * self.gains[:, None, None]


class Normaliser(Splitter):
    """Divides by the standard deviation of the excerpt, as models with group norm do."""

    def call(self, mixture, training=False):
        deviation = tf.math.reduce_std(mixture, axis=(1, 2), keepdims=True) + 1e-8
        return (mixture / deviation)[:, None] * self.gains[:, None, None]


class Broken(Splitter):
    """Gives NaN once the mixture gets loud."""

    def call(self, mixture, training=False):
        return super().call(tf.where(tf.abs(mixture) > 0.9, float("nan"), mixture))


class Transforming(Splitter):
    """There and back by Fourier transforms of its own, whatever it is traced for."""

    def __init__(self):
        super().__init__()
        self.name = "transforming"

    def call(self, mixture, training=False):
        again = tf.signal.irfft(tf.signal.rfft(mixture[:, :, 0]), [mixture.shape[1]])[..., None]
        return super().call(again + 0.0 * mixture)
