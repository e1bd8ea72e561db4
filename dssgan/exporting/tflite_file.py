"""A separator as a TensorFlow Lite file, which LiteRT runs on phones, without this library.

A chunk of audio goes in and stems come out: the Fourier transforms are matrix products within. Only
what every build of the runtime has is used, no operation of TensorFlow's.
"""

import os
import re
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from common import startup
from common.files import atomic_path
from common.json_files import read_json, write_json
from dssgan.exporting.saved_model import SIGNATURE, stems
from dssgan.models.base import SeparatorModel
from dssgan.portable import portable

FILE = "separator.tflite"
FACTS = "separator.tflite.json"  # what a program must know that the file does not say
ADVICE = "export it again: python -m dssgan.export SEPARATOR --to tflite OUT"


def write(model: SeparatorModel, folder: str | os.PathLike, samples: int, channels: int) -> Path:
    """Write `separator.tflite`, whose function takes `mixture` and returns {source: audio}.

    Beside it `separator.tflite.json` names the sources in their order, the sample rate in Hz and
    the samples and channels of a chunk.

    Args:
      model: computing in float32.
      folder: made if need be.
      samples, channels: of a chunk, float32 (1, samples, channels), full scale ±1.

    Returns:
      The file.

    Raises:
      ValueError: the format has no counterpart of an operation; the message names it.
      OSError: the folder cannot be written.
    """
    content = translated(model, samples, channels)
    place = Path(folder) / FILE
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(place) as temporary:
        temporary.write_bytes(content)
    facts = {"sources": list(model.sources), "sample_rate": int(model.sample_rate)}
    write_json(place.with_name(FACTS), facts | {"samples": samples, "channels": channels})
    return place


def translated(model: SeparatorModel, samples: int, channels: int) -> bytes:
    """The content of the file; the rest as of `write`."""
    with portable("tflite"), startup.stderr_hidden(), tempfile.TemporaryDirectory() as temporary:
        module = _constant(model, samples, channels)
        tf.saved_model.save(module, temporary, signatures={SIGNATURE: module.separate})
        try:
            content = tf.lite.TFLiteConverter.from_saved_model(temporary).convert()
        except Exception as error:  # the converter raises kinds of its own
            raise ValueError(f"{model.name}: {reason(str(error))}") from error
    return unclipped(content)


def unclipped(content: bytes) -> bytes:
    """A file whose LSTMs let their cells grow: the converter bounds those of Keras by ±10."""
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    for graph in model.subgraphs:
        for operator in graph.operators:
            if hasattr(operator.builtinOptions, "cellClip"):
                operator.builtinOptions.cellClip = 0.0
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _constant(model: SeparatorModel, samples: int, channels: int) -> tf.Module:
    """A function of chunks with weights that are constants.

    Keras's layers name their variables alike, and the converter takes those of one name for one.
    """

    weights = [(weight, weight.numpy()) for weight in model.weights]

    def separate(mixture):
        constants = [(weight, tf.constant(value)) for weight, value in weights]
        with keras.StatelessScope(state_mapping=constants):
            return stems(model, mixture)

    module = tf.Module()
    signature = [tf.TensorSpec((1, samples, channels), tf.float32, name="mixture")]
    module.separate = tf.function(separate, input_signature=signature, autograph=False)
    return module


def reason(message: str) -> str:
    """What stands in the way, of the converter's many lines."""
    named = {
        operation.strip().removeprefix("tf.").removeprefix("Flex")
        for line in re.findall(r"^(?:TF Select|Custom|Flex) ops: (.*)$", message, re.MULTILINE)
        for operation in line.split(",")
    }
    if named:
        names = ", ".join(sorted(named))
        return f"TensorFlow Lite has no counterpart of the operations {names}"
    return f"TensorFlow Lite's converter cannot translate it: {' '.join(message.split())[:200]}"


def run(place: Path, audio: np.ndarray) -> np.ndarray:
    """Estimates of the file, as LiteRT computes them.

    Args:
      place: the file. audio: float32 (1, samples, channels).

    Returns:
      float32 (1, sources, samples, channels).
    """
    from ai_edge_litert.interpreter import Interpreter

    sources = read_json(place.with_name(FACTS), {"sources": list}, ADVICE)["sources"]
    found = Interpreter(str(place)).get_signature_runner(SIGNATURE)(mixture=audio)
    return np.stack([found[source] for source in sources], axis=1)
