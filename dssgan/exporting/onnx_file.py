"""An exported separator as an ONNX file, which ONNX Runtime and other programs run.

tf2onnx translates the graph. Two things are made easy for it: pieces that XLA compiles are traced
as plain operations (`dssgan.portable`), and an LSTM is one operation. A separator that
is masks on a spectrum leaves the Fourier transforms to its runtime.
"""

import os
from pathlib import Path
from typing import Any

import onnx
import tensorflow as tf
from tf2onnx import convert

from common.digests import file_digest
from common.files import atomic_path
from common.json_files import read_json, write_json
from dssgan.exporting.onnx_nodes import lstm_node, store_in_half
from dssgan.exports import CONFIG, ONNX
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.portable import portable
from dssgan.runtime.description import NUMBERS, SWITCHES

OPSET = 17


def write(
    model: SeparatorModel,
    folder: str | os.PathLike,
    samples: int,
    channels: int = 2,
) -> None:
    """Write `separator.onnx` and `config.json`.

    Args:
      model: computing in float32.
      folder: made if need be; a configuration that lies there already is added to.
      samples: of the chunks that it will take; where its masks are those of a spectrum of any
        length, of the usual ones.
      channels: likewise, for a model that takes channels together.

    Raises:
      ValueError: an operation of the model has no counterpart in ONNX; the message names it.
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    channels = 1 if model.channels_apart else channels
    graph = translated(model, samples, channels)
    store_in_half(graph)
    if not (folder / CONFIG).exists():
        export.save(model, folder)
    with atomic_path(folder / ONNX) as temporary:
        temporary.write_bytes(graph.SerializeToString())
        digest = file_digest(temporary)
    config = read_json(folder / CONFIG, {"format": int})
    facts: dict[str, Any] = {"sha256": digest, "samples": samples, "channels": channels}
    if "weights_sha256" in config:
        facts["weights_sha256"] = config["weights_sha256"]
    facts["targets"] = list(getattr(model, "targets", model.sources))
    if model.masked_spectrum:
        facts["frame_length"], facts["hop"] = model.masked_spectrum
        facts["any_length"] = True
    facts |= {name: int(getattr(model, name)) for name in NUMBERS}
    facts |= {name: bool(getattr(model, name)) for name in SWITCHES}
    write_json(folder / CONFIG, config | {"onnx": facts})


def translated(model: SeparatorModel, samples: int, channels: int) -> onnx.ModelProto:
    """The model's graph in ONNX, for chunks of (1, samples, channels) or spectra of any length."""
    if model.masked_spectrum:
        frame_length, _ = model.masked_spectrum
        shape = (1, 2, None, frame_length // 2 + 1)
        network = model.mask_parts
    else:
        shape = (1, samples, channels)

        def network(mixture):
            return tf.cast(model.infer(mixture, model.inference_state()), tf.float32)

    signature = [tf.TensorSpec(shape, tf.float32, name="mixture")]
    function = tf.function(network, input_signature=signature, autograph=False)
    handlers = {"BlockLSTMV2": (lstm_node, [])}
    with portable():
        try:
            graph, _ = convert.from_function(
                function, signature, opset=OPSET, custom_op_handlers=handlers
            )
        except Exception as error:  # tf2onnx raises whatever it meets
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{model.name}: tf2onnx cannot translate it: {reason}") from error
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    missing = sorted({node.op_type for node in graph.graph.node} - known)
    if missing:
        raise ValueError(
            f"{model.name}: ONNX has no counterpart of the operations {', '.join(missing)}"
        )
    return graph
