"""Small stand-ins for a separator, a loss, excerpts and songs; nothing is registered anywhere."""

import keras
import numpy as np
import tensorflow as tf

from dssgan.models.base import SeparatorModel

SOURCES = ("drums", "vocals")


class TinySeparator(SeparatorModel):
    """A filter per source behind a shared non-linear one; a few hundred weights."""

    sample_rate = 8000

    def __init__(self, sources=SOURCES, width=8, dropout=0.0, seed=1):
        super().__init__()
        self.sources = tuple(sources)
        self.hyperparameters = {"sources": list(sources), "width": width, "dropout": dropout}
        initial = [keras.initializers.GlorotUniform(seed + place) for place in range(2)]
        self.first = keras.layers.Conv1D(width, 9, padding="same", kernel_initializer=initial[0])
        self.dropped = keras.layers.Dropout(dropout, seed=seed)
        self.last = keras.layers.Conv1D(
            len(sources), 9, padding="same", kernel_initializer=initial[1]
        )
        self(tf.zeros((1, 64, 1)))

    def call(self, mixture, training=False):
        samples, channels = mixture.shape[1], mixture.shape[2]
        folded = tf.reshape(tf.transpose(mixture, (0, 2, 1)), (-1, samples, 1))
        hidden = self.dropped(keras.activations.tanh(self.first(folded)), training=training)
        estimates = tf.reshape(self.last(hidden), (-1, channels, samples, len(self.sources)))
        return tf.transpose(estimates, (0, 3, 2, 1))


def error(outputs, references, mixture):
    """Mean square error of the estimates: no term couples the excerpts of a batch."""
    del mixture
    per_source = tf.reduce_mean(tf.square(outputs["estimates"] - references), (0, 2, 3))
    return tf.reduce_mean(per_source), {"first_source": per_source[0]}


class Excerpts:
    """A low tone and noise per excerpt; batch `index` depends on (seed, index) alone."""

    def __init__(self, batch=4, samples=800, seed=5, broken=()):
        self.size, self.samples, self.seed, self.broken = batch, samples, seed, broken

    def batch(self, index):
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index,)))
        time = np.arange(self.samples) / 8000.0
        pitch = rng.uniform(100.0, 300.0, (self.size, 1))
        tones = 0.3 * np.sin(2 * np.pi * pitch * time)
        noise = 0.1 * rng.standard_normal(tones.shape)
        stems = np.stack([noise, tones], axis=1)[..., None].astype(np.float32)
        if index in self.broken:
            stems[0, 0, 7] = np.nan
        return {"stems": stems, "names": [f"song{index}-{item}@1.0s" for item in range(self.size)]}

    def batches(self, start):
        while True:
            yield tf.constant(self.batch(start)["stems"])
            start += 1


class Song:
    """A whole song of the same kind, 48 000 Hz or any other rate."""

    def __init__(self, name="song", seconds=1.0, sample_rate=8000, seed=99, silent=()):
        self.name, self.sample_rate = name, sample_rate
        self._excerpts = Excerpts(1, round(seconds * sample_rate), seed)
        self._silent = silent

    def references(self):
        stems = self._excerpts.batch(0)["stems"][0]
        stems[[SOURCES.index(source) for source in self._silent]] = 0.0
        return stems


def negative_error(references, estimates):
    """A score per source, higher is better."""
    return -np.mean(np.square(references - estimates), axis=(1, 2))
