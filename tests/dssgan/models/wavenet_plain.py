"""The original Wavenet's network and its files, written down a second time as plainly as possible.

Nothing is shared with the library: NumPy in float64, one loop per layer, zeros beyond every end.
"""

import json

import h5py
import numpy as np


def random_kernels(rng, *, layers, stacks, residual, skip, wide, narrow, outputs, scale=1.0):
    """Kernels (taps, inputs, outputs) in the network's order, and the bias of the last layer."""
    blocks = [(3, residual, 2 * residual), (1, residual, residual + skip)] * (layers * stacks)
    shapes = [(3, 1, residual), *blocks]
    shapes += [(3, skip, wide), (3, wide, narrow), (1, narrow, outputs)]
    kernels = []
    for shape in shapes:
        limit = scale * np.sqrt(6.0 / (shape[0] * (shape[1] + shape[2])))
        kernels.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    return kernels, rng.uniform(-0.1, 0.1, outputs).astype(np.float32)


def correlate(x, kernel, dilation=1):
    """(n, inputs) → (n, outputs): tap k of 3 hears the sample (k − 1) · dilation later."""
    kernel = np.asarray(kernel, np.float64)
    if len(kernel) == 1:
        return x @ kernel[0]
    out = x @ kernel[1]
    if dilation < len(x):
        out[dilation:] += x[:-dilation] @ kernel[0]
        out[:-dilation] += x[dilation:] @ kernel[2]
    return out


def network(audio, kernels, bias, dilations, field):
    """The original's fragment: (samples,) → (outputs, field), the field being in the middle."""
    first, *blocks, wide, narrow, output = kernels
    x = correlate(np.asarray(audio, np.float64)[:, None], first)
    start = (len(x) - field) // 2
    total = 0.0
    for dilation, dilated, mixing in zip(dilations, blocks[::2], blocks[1::2], strict=True):
        y = correlate(x, dilated, dilation)
        half = y.shape[1] // 2
        gated = np.tanh(y[:, :half]) / (1.0 + np.exp(-y[:, half:]))
        mixed = correlate(gated, mixing)
        x = x + mixed[:, :half]
        total = total + mixed[start : start + field, half:]
    hidden = np.maximum(correlate(np.maximum(total, 0.0), wide), 0.0)
    return (correlate(correlate(hidden, narrow), output) + bias).T


def assign(model, kernels, bias):
    """Put plain kernels into a `Wavenet`."""
    first, *blocks, wide, narrow, output = kernels
    flat = [kernel.reshape(-1, kernel.shape[-1]) for kernel in blocks]
    values = {
        "first": first[:, 0],
        "dilated": np.stack(flat[::2]),
        "mixing": np.stack(flat[1::2]),
        "wide": wide.reshape(-1, wide.shape[-1]),
        "narrow": narrow,
        "output_kernel": output[0],
        "output_bias": bias,
    }
    for name, value in values.items():
        getattr(model, name).assign(value)


def layer_names(layers, stacks, offset=0):
    """Names of the layers with weights, as the original's Keras gives them."""
    names = ["initial_causal_conv"]
    for block in range(layers * stacks):
        dilation, stack = 2 ** (block % layers), block // layers
        names.append(f"res_{block + 1}_dilated_conv_d{dilation}_s{stack}")
        names.append(f"conv1d_{block + 1 + offset}")
    count = layers * stacks + offset
    return names + [f"conv1d_{count + place}" for place in (1, 2, 3)]


def write(path, kernels, bias, names, *, backend="theano", whole=True, length=None):
    """Save kernels in the layout of the original's checkpoints.

    Args:
      kernels, bias: as the network correlates; Theano's files hold them turned around.
      whole: a whole model, with its description and its optimiser, or weights alone.
      length: of the input, for the description.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            described = {"config": {"batch_input_shape": [None, length]}}
            config = {"class_name": "Model", "config": {"layers": [described]}}
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["backend"] = backend.encode()
            file.create_group("optimizer_weights")["Adam"] = np.ones(3)
        group.attrs["backend"] = backend.encode()
        group.attrs["keras_version"] = b"2.1.5"
        mixed = [name for pair in zip(names, [f"slice_{n}" for n in names]) for name in pair]
        group.attrs["layer_names"] = [name.encode() for name in ["data_input", *mixed]]
        for name in ["data_input", *mixed]:
            group.create_group(name).attrs["weight_names"] = np.zeros(0, "S1")
        for place, (name, kernel) in enumerate(zip(names, kernels, strict=True)):
            held = {f"{name}/kernel": kernel[::-1] if backend == "theano" else kernel}
            if place == len(names) - 1:
                held[f"{name}/bias"] = bias
            for weight, value in held.items():
                group[name][weight] = value
            group[name].attrs["weight_names"] = [weight.encode() for weight in held]
