"""Separator: a trained model applied to whole songs of any length, rate and channel count.

separator = Separator.load("runs/drums/separator")
stems = separator.separate(audio, sample_rate)      # {"drums": (samples, channels), …}
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan.exports import LARGE, LARGE_SEGMENT_S, SEGMENT_S, chunks_of, own_options
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
        self._running: dict[tuple[int, int], Running] = {}

    @classmethod
    def load(cls, folder: str | os.PathLike, **options) -> "Separator":
        """Load an exported separator; `options` as of `Separator`.

        Length and overlap of chunks are those that its configuration names, unless they are given,
        and so is whether estimates are made consistent.

        Raises:
          ValueError: a file is damaged or does not fit the other.
          OSError: a file is missing or cannot be read.
        """
        model = export.load(folder, options.pop("precision", None))
        given = {key: value for key, value in options.items() if value is not None}
        return cls(model, **own_options(chunks_of(folder)) | given)

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

    def running(self, channels: int, block: int) -> "Running":
        """What separates a running signal of so many channels, `block` samples at a time.

        Compiled once; `start` begins anew, and one signal is separated at a time.

        Raises:
          ValueError: the model is not causal.
        """
        if not self.model.causal:
            raise ValueError(f"{self.model.name} is not causal: it needs a window of a signal")
        if (channels, block) not in self._running:
            self._running[channels, block] = Running(self.model, channels, block)
        return self._running[channels, block]


class Running:
    """A causal model, and its state at a place in a stream; compiled once, by XLA.

    Args:
      model: with `start` and `advance`, which keep channels apart.
      channels: of the signal. block: samples that come at once, a multiple of the model's.
    """

    def __init__(self, model: SeparatorModel, channels: int, block: int):
        self._model, self._state, self._heard = model, None, False
        self._shape = (block, len(model.sources), channels)
        kernels = tf.nest.map_structure(tf.convert_to_tensor, model.inference_state())

        like = model.start(tf.zeros((channels, model.first)))

        def advance(samples, state):
            estimates, behind = model.advance(samples, unpacked(state, like), kernels)
            return tf.transpose(tf.cast(estimates, tf.float32), (2, 1, 0)), packed(behind)

        function = tf.function(advance, jit_compile=True, autograph=False)
        self.start(np.zeros((model.first, channels), np.float32))
        samples = tf.TensorSpec((channels, block), tf.float32)
        self._advance = function.get_concrete_function(samples, self._state)
        self._advance(tf.zeros((channels, block)), self._state)

    def start(self, opening: np.ndarray) -> None:
        """Begin anew with the model's `first` samples, float32 (first, channels)."""
        self._heard = bool(opening.any())
        self._state = packed(self._model.start(tf.constant(np.ascontiguousarray(opening.T))))

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """What follows: float32 (block, channels) → (block, sources, channels), `delay` behind.

        Until the first sample that is not zero it waits, so that nothing is fitted to silence.
        """
        if not (self._heard or block.any()):
            return np.zeros(self._shape, np.float32)
        self._heard = True
        samples = tf.constant(np.ascontiguousarray(block.T))
        estimates, self._state = self._advance(samples, self._state)
        return estimates.numpy()


def packed(state: Any) -> tf.Tensor:
    """A structure of tensors as one float32 vector: with few arguments XLA is called faster."""
    parts = [tf.reshape(tf.cast(part, tf.float32), (-1,)) for part in tf.nest.flatten(state)]
    return tf.concat(parts, 0)


def unpacked(vector: tf.Tensor, like: Any) -> Any:
    """The structure that was `packed`, of tensors like those given."""
    parts = tf.nest.flatten(like)
    pieces = tf.split(vector, [part.shape.num_elements() for part in parts])
    pieces = [
        tf.cast(tf.reshape(piece, part.shape), part.dtype) for piece, part in zip(pieces, parts)
    ]
    return tf.nest.pack_sequence_as(like, pieces)
