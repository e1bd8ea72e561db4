"""What tf2onnx does not do by itself: LSTMs, and constants in half precision."""

import numpy as np
import onnx
from tf2onnx import utils


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
    found = ctx.make_node("LSTM", [sequence, *weights], output_count=3, attr={"hidden_size": units})
    axes = ctx.make_const(utils.make_name("axes"), np.array([1])).output[0]
    ctx.make_node(
        "Squeeze", [found.output[0], axes], outputs=[hidden], shapes=[shape], dtypes=[kind]
    )


def store_in_half(graph: onnx.ModelProto, least: int = 1024) -> None:
    """Store large constants that half precision holds exactly so, each with a cast behind it."""
    casts = []
    for tensor in graph.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.dtype != np.float32 or value.size < least:
            continue
        with np.errstate(over="ignore"):
            short = value.astype(np.float16)
        if np.array_equal(short.astype(np.float32), value):
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(short, f"{name}_half"))
            casts.append(
                onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    for place, node in enumerate(casts):
        graph.graph.node.insert(place, node)
