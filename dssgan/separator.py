"""Separator: a trained model applied to whole songs of any length, rate and channel count.

separator = Separator.load("runs/drums/separator")
stems = separator.separate(audio, sample_rate)      # {"drums": (samples, channels), …}
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan.exports import LARGE, LARGE_SEGMENT_S, SEGMENT_S, chunks_of
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.separation.chunked import ChunkedSeparator, Infer, check_options


class Separator(ChunkedSeparator):
    """Separates audio with a `SeparatorModel`.

    Args:
      model: the trained model.
      segment: length of a chunk in seconds; raised to what the model needs at least and lowered
        to what it takes at most. None is 8, and 3 for a model of 20 million weights or more: the
        longer, the more memory it takes.
      overlap: share of a chunk that its neighbour covers too, 0 ≤ overlap < 1; None is 0.25.
      shifts: passes over the audio moved by up to half a second, averaged.
      batch_size: chunks that run at once; None is 1 on a CPU (least memory) and 4 on a GPU.
      consistent: share what the estimates leave of the mixture between them, so that they add up
        to it. None: where the sources are all that is in a song.
      precision: "float32", "bfloat16" or "float16"; None keeps the model's own.
      temporary_folder: for songs whose level or gains must be known first; None is the system's.

    Raises:
      ValueError: an option is out of its range.
    """

    def __init__(
        self,
        model: SeparatorModel,
        *,
        segment: float | None = None,
        overlap: float | None = None,
        shifts: int = 1,
        batch_size: int | None = None,
        consistent: bool | None = None,
        precision: str | None = None,
        temporary_folder: str | os.PathLike | None = None,
    ):
        check_options(segment, overlap, shifts, batch_size)
        gpu = bool(tf.config.list_logical_devices("GPU"))
        model = export.with_precision(model, precision)
        if segment is None:
            segment = LARGE_SEGMENT_S if model.count_params() >= LARGE else SEGMENT_S
        super().__init__(
            model,
            segment=segment,
            overlap=overlap,
            shifts=shifts,
            batch_size=batch_size or (4 if gpu else 1),
            consistent=consistent,
            temporary_folder=temporary_folder,
        )
        # On a CPU a channel keeps all cores busy: more of them at once would only take more memory.
        self._one_channel = model.channels_apart and not gpu
        self.traces = 0
        self._function = tf.function(self._trace, jit_compile=gpu, autograph=False)
        self._graphs: dict[int, Callable] = {}

    @classmethod
    def load(cls, folder: str | os.PathLike, **options) -> "Separator":
        """Load an exported separator; `options` as of `Separator`.

        Length and overlap of chunks are those that its configuration names, unless they are given.

        Raises:
          ValueError: a file is damaged or does not fit the other.
          OSError: a file is missing or cannot be read.
        """
        model = export.load(folder, options.pop("precision", None))
        given = {key: value for key, value in options.items() if value is not None}
        return cls(model, **chunks_of(folder) | given)

    def save(self, folder: str | os.PathLike, provenance: dict[str, Any] | None = None) -> None:
        """Export the model to `folder`: `config.json` and `separator.weights.h5`."""
        export.save(self.model, folder, provenance)

    def inference(self, channels: int) -> Infer:
        """The model's graph, traced once per number of channels."""
        state = tf.nest.map_structure(tf.convert_to_tensor, self.model.inference_state())
        width = 1 if self._one_channel else channels
        if width not in self._graphs:
            mixture = tf.TensorSpec((self.batch_size, self.segment, width), tf.float32)
            self._graphs[width] = self._function.get_concrete_function(mixture, state)
        graph = self._graphs[width]

        def infer(audio: np.ndarray) -> np.ndarray:
            padded = np.zeros((self.batch_size, *audio.shape[1:]), np.float32)
            padded[: len(audio)] = audio
            parts = np.split(padded, channels, -1) if self._one_channel else [padded]
            parts = [graph(tf.constant(part), state).numpy() for part in parts]
            return (parts[0] if len(parts) == 1 else np.concatenate(parts, -1))[: len(audio)]

        return infer

    def _trace(self, mixture: tf.Tensor, state: Any) -> tf.Tensor:
        self.traces += 1
        return tf.cast(self.model.infer(mixture, state), tf.float32)
