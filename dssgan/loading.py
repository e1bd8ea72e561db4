"""An exported separator, opened by whatever computes it fastest on this machine."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from common import startup
from dssgan import exports

if TYPE_CHECKING:
    from dssgan.separation.chunked import ChunkedSeparator

ENGINES = ("auto", "onnx", "tensorflow")


def choose(folder: Path, engine: str = "auto", segment=None, precision=None) -> str:
    """What computes: "onnx", the faster one on a processor, where it can do what is asked.

    Args:
      folder: of an export.
      engine: one of `ENGINES`.
      segment, precision: as of `dssgan.separator.Separator`.

    Raises:
      ValueError: "onnx" is asked for, and it cannot.
    """
    reason = exports.why_not_onnx(folder, segment, precision)
    if engine == "onnx" and reason:
        raise ValueError(f"--engine onnx: {reason}")
    if engine == "auto":
        return "tensorflow" if reason or exports.has_gpu() else "onnx"
    return engine


def load(
    folder: str | os.PathLike, engine: str = "auto", segment=None, precision=None, **options
) -> "ChunkedSeparator":
    """Load an exported separator; TensorFlow is first imported here, if at all.

    Args:
      folder: of an export.
      engine: one of `ENGINES`.
      segment, precision, **options: as of `dssgan.separator.Separator`.

    Raises:
      ValueError: a file is damaged or does not fit the other; "onnx" cannot do what is asked.
      OSError: a file is missing or cannot be read.
    """
    folder = Path(folder)
    if choose(folder, engine, segment, precision) == "onnx":
        from dssgan.runtime.onnx_separator import OnnxSeparator

        return OnnxSeparator.load(folder, segment=segment, **options)
    # One operation at a time, each on all cores: of a large model, fewer results lie about at once.
    if exports.is_large(folder):
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    with startup.without("matplotlib", "pandas", "sklearn"):
        import tensorflow as tf

        from dssgan.separator import Separator

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    return Separator.load(folder, segment=segment, precision=precision, **options)
