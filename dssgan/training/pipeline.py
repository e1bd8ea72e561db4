"""From excerpts in NumPy to tf.data: in order, in parallel, from any batch on.

A source is any object with `batch(index)` → {"stems": (batch, sources, samples, channels),
"names": list of strings}, a pure function of `index`, such as
`datasets.excerpts.paired.PairedExcerpts`.
Further float32 arrays beside the stems, in dicts of their own if need be, come along.
"""

import collections
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan.config.schema import Config
from dssgan.training import tfio_reader

_SIZES = ("batch_size", "sources", "samples", "channels")
READERS = ("auto", "numpy", "tensorflow-io")
# Errors that came up while excerpts were read; TensorFlow keeps only their text.
_FAILURES: collections.deque[Exception] = collections.deque(maxlen=16)


def dataset(
    source: Any, *, start: int = 0, workers: int = 2, prefetch: int = 4, reader: str = "auto"
) -> tf.data.Dataset:
    """Batches `start`, `start` + 1, … of a source, without end.

    The order does not depend on the number of workers: batch k of a dataset that starts at s is
    batch s + k of one that starts at 0.

    Args:
      source: see above.
      start: number of the first batch.
      workers: threads that prepare batches (NumPy copies outside of Python's lock).
      prefetch: batches that are kept ready.
      reader: "auto" reads in the graph where tensorflow-io loads and every stem is a wav or flac
        file of its own, and with NumPy elsewhere (see `choose_reader`).

    Returns:
      Elements {"stems": float32 (batch, sources, samples, channels), "names": string (batch,)}
      and whatever else the source gives, with static shapes.

    Raises:
      ValueError: an option out of its range, a reader that cannot be used.
      tf.errors.OpError: on iteration, when reading failed; `reason` finds the cause.
    """
    if start < 0 or workers < 1 or prefetch < 1:
        raise ValueError(
            f"start={start}, workers={workers}, prefetch={prefetch}: "
            "expected 0 or more, 1 or more and 1 or more"
        )
    if reader not in READERS:
        raise ValueError(f"unknown reader {reader!r}; expected one of {', '.join(READERS)}")
    chosen, why = ("numpy", "") if reader == "numpy" else choose_reader(source)
    if reader == "tensorflow-io" and chosen != reader:
        raise ValueError(f"the reader tensorflow-io cannot be used: {why}")
    numbers = tf.data.Dataset.counter(start)
    if chosen == "tensorflow-io":
        batches = _in_graph(source, numbers, workers)
    else:
        batches = _in_numpy(source, numbers, workers, start)
    options = tf.data.Options()
    options.deterministic = True
    # One machine: every replica gets its part of each batch, no one reads a shard of the numbers.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(prefetch).with_options(options)


def choose_reader(source: Any) -> tuple[str, str]:
    """The reader that "auto" takes for a source, and why.

    Returns:
      ("tensorflow-io" | "numpy", reason).
    """
    backend = tfio_reader.backend()
    if not backend.native:
        return "numpy", backend.reason
    paths = source.paths() if hasattr(source, "paths") else None
    if paths is None:
        return "numpy", "the stems are not audio files of their own"
    obstacle = tfio_reader.unreadable(paths)
    if obstacle:
        return "numpy", f"{obstacle}, which tensorflow-io does not read"
    return "tensorflow-io", backend.reason


def reason(error: BaseException) -> BaseException:
    """The error that made an iteration fail: the OSError or ValueError behind TensorFlow's."""
    text = str(error)
    for failure in reversed(_FAILURES):
        if str(failure) and str(failure) in text:
            return failure
    return error


def calibration_mixtures(config: Config, source: Any) -> Iterator[np.ndarray]:
    """Batches of mixtures, (batch, samples, channels), as many excerpts as configured."""
    batches = -(-config.supervised.calibration // config.data.batch)
    excerpts = dataset(source, start=0, workers=config.data.workers)
    for batch in itertools.islice(plain_errors(excerpts), batches):
        yield batch["stems"].numpy().sum(axis=1)


def plain_errors(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches; an error in reading them is the plain one and not TensorFlow's wrapping."""
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator)
        except tf.errors.OpError as error:
            raise reason(error) from error
        yield batch


def _in_numpy(source: Any, numbers: tf.data.Dataset, workers: int, start: int) -> tf.data.Dataset:
    like, count = _like(source, start)

    def batch(number: np.ndarray) -> list[np.ndarray]:
        found = _remembering(source.batch, number)
        names = _encoded(found["names"])
        return [*tf.nest.flatten({key: found[key] for key in like}), names]

    def read(number: tf.Tensor) -> dict[str, Any]:
        leaves = tf.nest.flatten(like)
        types = [tf.float32] * len(leaves) + [tf.string]
        *arrays, names = tf.numpy_function(batch, [number], types, stateful=False)
        arrays = [tf.ensure_shape(array, leaf.shape) for array, leaf in zip(arrays, leaves)]
        return tf.nest.pack_sequence_as(like, arrays) | {"names": tf.ensure_shape(names, [count])}

    return numbers.map(read, num_parallel_calls=workers, deterministic=True)


def _in_graph(source: Any, numbers: tf.data.Dataset, workers: int) -> tf.data.Dataset:
    size, sources, samples, channels = _shape(source, 0)
    width = source.files(0)["paths"].shape[2]
    types = {"paths": tf.string, "starts": tf.int64, "channels": tf.int64, "gains": tf.float32}

    def plan(number: np.ndarray) -> tuple[np.ndarray, ...]:
        found = _remembering(source.files, number)
        return (*(found[name] for name in types), _encoded(found["names"]))

    def decide(number: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        found = tf.numpy_function(plan, [number], [*types.values(), tf.string], stateful=False)
        files = dict(zip(types, found))
        for name in types:
            tail = (channels,) if name == "channels" else ()
            files[name] = tf.ensure_shape(files[name], (size, sources, width, *tail))
        return files, tf.ensure_shape(found[-1], (size,))

    def read(files: dict[str, tf.Tensor], names: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"stems": tfio_reader.assemble(files, samples, workers), "names": names}

    # Reading runs once at a time, its files in parallel: see tfio_reader.read.
    return numbers.map(decide, num_parallel_calls=workers, deterministic=True).map(read)


def _like(source: Any, number: int) -> tuple[dict[str, Any], int]:
    """Arrays, in the dicts they come in, of the shapes that every batch has; how many names."""
    if all(hasattr(source, name) for name in _SIZES):
        shape = _shape(source, number)
        return {"stems": np.broadcast_to(np.float32(0.0), shape)}, shape[0]
    found = dict(source.batch(number))
    count = len(found.pop("names"))
    return found, count


def _shape(source: Any, number: int) -> tuple[int, ...]:
    """Shape of a batch of stems; a source that does not have it computes a batch."""
    if all(hasattr(source, name) for name in _SIZES):
        return source.batch_size, len(source.sources), source.samples, source.channels
    return np.shape(source.batch(number)["stems"])


def _remembering(function: Any, number: np.ndarray) -> Any:
    try:
        return function(int(number))
    except (OSError, ValueError) as error:
        _FAILURES.append(error)
        raise


def _encoded(names: list[str]) -> np.ndarray:
    return np.array([name.encode("utf-8", "surrogateescape") for name in names], object)
