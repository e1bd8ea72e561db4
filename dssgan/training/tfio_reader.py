"""Read excerpts of wav and flac files inside the TensorFlow graph, with tensorflow-io.

Optional: the native operations of tensorflow-io 0.37 load with TensorFlow 2.16 and 2.17 only
(requirements-tfio.txt). `backend()` says whether they do; where they do not, soundfile reads.
`dssgan.train` never comes here: its songs are prepared caches, which NumPy reads.
"""

import functools
import itertools
import os
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import soundfile
import tensorflow as tf

NATIVE = "tensorflow-io"
DEFAULT = "soundfile"
# What tensorflow-io decodes to the bits of soundfile. It takes 32-bit integers for floats and does
# not know the others.
FORMATS = {
    "WAV": ("PCM_U8", "PCM_16", "PCM_24", "FLOAT"),
    "WAVEX": ("PCM_U8", "PCM_16", "PCM_24", "FLOAT"),
    "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
}


class Backend(NamedTuple):
    """Which reader reads wav and flac excerpts, and why."""

    name: str  # "tensorflow-io" or "soundfile"
    reason: str

    @property
    def native(self) -> bool:
        """Whether reading happens inside the graph."""
        return self.name == NATIVE

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


@functools.cache
def backend() -> Backend:
    """Find out, once, whether tensorflow-io's operations load; never raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import tensorflow_io

            operations = _operations()
            operations.io_audio_readable_init  # noqa: B018 (loads the library)
        except ModuleNotFoundError as error:
            if error.name != "tensorflow_io":
                return Backend(DEFAULT, f"tensorflow-io needs {error.name}, which is missing")
            return Backend(
                DEFAULT,
                "tensorflow-io is not installed; it is optional, requirements-tfio.txt has it",
            )
        except Exception as error:  # NotImplementedError, OSError, NotFoundError, AttributeError
            text = " ".join(str(error).split())
            kind = "undefined symbol" if "undefined symbol" in text else type(error).__name__
            return Backend(
                DEFAULT,
                f"tensorflow-io does not load with TensorFlow {tf.__version__} ({kind}); "
                "requirements-tfio.txt has the pair that works",
            )
    return Backend(
        NATIVE, f"{tensorflow_io.__version__} reads wav and flac with TensorFlow {tf.__version__}"
    )


def _operations() -> Any:
    from tensorflow_io.python.ops import core_ops

    return core_ops


def unreadable(paths: Iterable[str | os.PathLike]) -> str:
    """Why not all of these files can be read in the graph; empty when they can.

    Raises:
      OSError: a file cannot be opened.
    """
    for path in paths:
        with open(path, "rb"):
            pass
        try:
            info = soundfile.info(os.fsencode(path))
        except soundfile.LibsndfileError:
            return f"{os.fspath(path)} is neither wav nor flac"
        if info.subtype not in FORMATS.get(info.format, ()):
            return f"{os.fspath(path)} is {info.format} {info.subtype}"
    return ""


@tf.autograph.experimental.do_not_convert
def read(path: tf.Tensor, start: tf.Tensor, samples: int) -> tf.Tensor:
    """Read an excerpt; equal to the bits that soundfile reads as float32.

    A call in a graph keeps one decoder, so a graph that contains it must not run twice at the same
    time (`Dataset.map` without `num_parallel_calls`; loops with `parallel_iterations=1`).

    Args:
      path: scalar string.
      start: scalar int64, first sample.
      samples: how many.

    Returns:
      float32 (at most `samples`, channels), full scale ±1; fewer where the file ends.
    """
    operations = _operations()
    decoder = operations.io_audio_readable_init(path)
    shape, code, _ = operations.io_audio_readable_spec(decoder)
    # Its flac decoder cannot seek to the end: seek to the last sample and drop it.
    first = tf.minimum(start, shape[0] - 1)
    stop = start + samples

    def branch(dtype: tf.DType, scale: float, offset: float):
        def decode():
            audio = operations.io_audio_readable_read(decoder, first, stop, dtype=dtype)
            return (tf.cast(audio, tf.float32) - offset) / scale

        return decode

    kinds = (
        (tf.int16, 2.0**15, 0.0),
        (tf.int32, 2.0**31, 0.0),
        (tf.uint8, 2.0**7, 128.0),
        (tf.float32, 1.0, 0.0),
    )
    codes = tf.constant([kind[0].as_datatype_enum for kind in kinds], tf.int64)
    which = tf.argmax(tf.equal(tf.cast(code, tf.int64), codes))
    audio = tf.switch_case(tf.cast(which, tf.int32), [branch(*kind) for kind in kinds])
    return audio[tf.minimum(start - first, 1) :]


@tf.autograph.experimental.do_not_convert
def assemble(files: dict[str, tf.Tensor], samples: int, lanes: int = 2) -> tf.Tensor:
    """Read a batch of stems.

    Args:
      files: "paths", "starts", "channels" and "gains" of shape (batch, sources, files[, channels])
        as `PairedExcerpts.files(index)` of datasets.excerpts.paired gives them.
      samples: length of the excerpts.
      lanes: how many files are read at the same time.

    Returns:
      float32 (batch, sources, samples, channels).
    """
    batch, sources, width, channels = files["channels"].shape
    names = ("paths", "starts", "channels", "gains")
    flat = [tf.reshape(files[name], (-1, *files[name].shape[3:])) for name in names]

    def play(piece):
        path, start, taken, gain = piece
        audio = tf.gather(read(path, start, samples), taken, axis=1) * gain
        audio = tf.pad(audio, [[0, samples - tf.shape(audio)[0]], [0, 0]])
        return tf.ensure_shape(audio, (samples, channels))

    count = batch * sources * width
    lanes = min(lanes, count)
    edges = [count * lane // lanes for lane in range(lanes + 1)]
    signature = tf.TensorSpec((samples, channels), tf.float32)
    pieces = [
        tf.map_fn(
            play,
            tuple(value[first:last] for value in flat),
            parallel_iterations=1,
            fn_output_signature=signature,
        )
        for first, last in itertools.pairwise(edges)
    ]
    stacked = tf.reshape(tf.concat(pieces, 0), (batch, sources, width, samples, channels))
    return tf.reduce_sum(stacked, axis=2)
