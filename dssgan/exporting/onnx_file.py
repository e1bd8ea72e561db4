"""An exported separator as an ONNX file, which ONNX Runtime and other programs run.

tf2onnx translates the graph. Two things are made easy for it: pieces that XLA compiles are traced
as plain operations (`models.layers.fused.portable`), and an LSTM is one operation. A separator that
is masks on a spectrum leaves the Fourier transforms to its runtime.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from tf2onnx import convert, utils

from common.digests import file_digest
from common.files import atomic_path
from common.json_files import read_json, write_json
from dssgan.exports import CONFIG, ONNX
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.models.layers.fused import portable
from dssgan.runtime.onnx_separator import NUMBERS, SWITCHES

OPSET = 17


def write(
    model: SeparatorModel,
    folder: str | os.PathLike,
    samples: int,
    channels: int = 2,
    half: bool = False,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write `separator.onnx` and `config.json`.

    Args:
      model: computing in float32.
      folder: made if need be; a configuration that lies there already is added to.
      samples: of the chunks that it will take.
      channels: likewise, for a model that takes channels together.
      half: store weights in half precision; they are computed with in single precision.
      provenance: of a new configuration.

    Raises:
      ValueError: an operation of the model has no counterpart in ONNX; the message names it.
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    graph = translated(model, samples, 1 if model.channels_apart else channels)
    if half:
        store_half(graph)
    if not (folder / CONFIG).exists():
        export.save(model, folder, provenance)
    with atomic_path(folder / ONNX) as temporary:
        temporary.write_bytes(graph.SerializeToString())
        digest = file_digest(temporary)
    facts: dict[str, Any] = {"sha256": digest, "samples": samples}
    facts["channels"] = 1 if model.channels_apart else channels
    facts["targets"] = list(getattr(model, "targets", model.sources))
    if model.masked_spectrum:
        facts["frame_length"], facts["hop"] = model.masked_spectrum
    facts |= {name: int(getattr(model, name)) for name in NUMBERS}
    facts |= {name: bool(getattr(model, name)) for name in SWITCHES}
    config = read_json(folder / CONFIG, {"format": int})
    write_json(folder / CONFIG, config | {"onnx": facts})


def translated(model: SeparatorModel, samples: int, channels: int) -> onnx.ModelProto:
    """The model's graph in ONNX, for chunks of (1, samples, channels) or their spectra."""
    if model.masked_spectrum:
        frame_length, hop = model.masked_spectrum
        shape = (1, 2, samples // hop + 1, frame_length // 2 + 1)
        network = model.mask_parts
    else:
        shape = (1, samples, channels)
        state = model.inference_state()

        def network(mixture):
            return tf.cast(model.infer(mixture, state), tf.float32)

    signature = [tf.TensorSpec(shape, tf.float32, name="mixture")]
    function = tf.function(network, input_signature=signature, autograph=False)
    handlers = {"BlockLSTMV2": (lstm_node, [])}
    missing: list[str] = []
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


def lstm_node(ctx, node, name, args) -> None:
    """TensorFlow's BlockLSTMV2 → ONNX's LSTM, whose gates come in the order input, output, forget,
    cell and whose kernels are transposed; a handler of tf2onnx."""
    del name, args
    kernel = node.inputs[4].get_tensor_value(as_list=False)
    bias = node.inputs[8].get_tensor_value(as_list=False)
    units = kernel.shape[1] // 4
    order = np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in (0, 3, 1, 2)])
    kernel, bias = kernel[:, order].T, bias[order]
    inputs = kernel.shape[1] - units
    weights = [
        ctx.make_const(utils.make_name(label), np.ascontiguousarray(value[None])).output[0]
        for label, value in (
            ("W", kernel[:, :inputs]),
            ("R", kernel[:, inputs:]),
            ("B", np.concatenate([bias, 0 * bias])),
        )
    ]
    sequence, hidden = node.input[1], node.output[6]
    kind, shape = ctx.get_dtype(hidden), ctx.get_shape(hidden)
    ctx.remove_node(node.name)
    found = ctx.make_node(
        "LSTM", [sequence, *weights], output_count=3, attr={"hidden_size": units}
    )
    axes = ctx.make_const(utils.make_name("axes"), np.array([1])).output[0]
    ctx.make_node(
        "Squeeze", [found.output[0], axes], outputs=[hidden], shapes=[shape], dtypes=[kind]
    )


def store_half(graph: onnx.ModelProto, least: int = 1024) -> None:
    """Store large constants in half precision, each followed by a cast to single precision."""
    casts = []
    for tensor in graph.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.size >= least:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
            casts.append(
                onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    for place, node in enumerate(casts):
        graph.graph.node.insert(place, node)
