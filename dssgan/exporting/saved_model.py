"""A separator as a SavedModel, which TensorFlow and TensorFlow Serving run without this library."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from common import startup
from dssgan.models.base import SeparatorModel

FOLDER = "saved_model"
SIGNATURE = "serving_default"


class _Chunks(tf.Module):
    """The model's weights, and one function of chunks of a fixed length."""

    def __init__(self, model: SeparatorModel, samples: int, channels: int):
        super().__init__()
        self.model = model
        # Variables, because these alone are saved.
        self.sources = tf.Variable(list(model.sources), trainable=False)
        self.sample_rate = tf.Variable(int(model.sample_rate), trainable=False)
        signature = [tf.TensorSpec((1, samples, channels), tf.float32, name="mixture")]
        self.separate = tf.function(self._separate, input_signature=signature, autograph=False)

    def _separate(self, mixture: tf.Tensor) -> dict[str, tf.Tensor]:
        return stems(self.model, mixture)


def stems(model: SeparatorModel, mixture: tf.Tensor) -> dict[str, tf.Tensor]:
    """A chunk (1, samples, channels) → {source: audio shaped like it}, float32."""
    estimates = model.infer(mixture, model.inference_state())
    estimates = tf.unstack(tf.cast(estimates, tf.float32), axis=1)
    return dict(zip(model.sources, estimates))


def write(model: SeparatorModel, folder: str | os.PathLike, samples: int, channels: int) -> Path:
    """Write `saved_model/`; its function takes `mixture` and returns {source: audio}.

    Args:
      model: computing in float32.
      folder: made if need be.
      samples, channels: of a chunk, float32 (1, samples, channels), full scale ±1.

    Returns:
      The folder of the SavedModel.

    Raises:
      OSError: it cannot be written.
    """
    module = _Chunks(model, samples, channels)
    place = Path(folder) / FOLDER
    with startup.stderr_hidden():
        tf.saved_model.save(module, str(place), signatures={SIGNATURE: module.separate})
    return place


def run(place: Path, audio: np.ndarray) -> np.ndarray:
    """Estimates of the SavedModel itself, as TensorFlow alone computes them.

    Args:
      audio: float32 (1, samples, channels).

    Returns:
      float32 (1, sources, samples, channels).
    """
    loaded = tf.saved_model.load(str(place))
    found = loaded.signatures[SIGNATURE](mixture=tf.constant(audio))
    names = [name.decode() for name in loaded.sources.numpy()]
    return np.stack([found[name].numpy() for name in names], axis=1)
