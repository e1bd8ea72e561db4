"""Functions and separators as StableHLO, which JAX and other programs on XLA run.

A module takes the weights as arguments, so that it computes with new ones after training. The
program that calls it (`dssgan.runtime.with_jax`) is laid beside it: it needs NumPy and JAX alone.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from common.files import atomic_path, write_bytes
from common.json_files import write_json
from dssgan.models.base import SeparatorModel
from dssgan.models.registry import name_of
from dssgan.runtime import with_jax

FORMAT = 1
Named = dict[str, tf.Variable]


def write_function(
    path: Path, function: Callable, inputs: dict[str, tf.TensorSpec], variables: Named
) -> dict[str, Any]:
    """Write a function of tensors and variables as a module of tensors alone.

    The module takes the inputs, then the values of the variables. It returns what the function
    returns; where it changes variables, their values after it must be among that.

    Args:
      path: of the module, in StableHLO's portable bytecode.
      function: takes the inputs by position, of fixed shapes; returns {name: tensor}.
      variables: by name, all that the function reads or changes; none of them is changed here.

    Returns:
      What a caller must know: {"module", "sha256", "inputs", "outputs"}, the latter lists of
      [name, shape, type].

    Raises:
      ValueError: an operation that XLA does not have, or whose shapes are not fixed; names it.
      OSError: the file cannot be written.
    """
    outputs: dict[str, tf.Tensor] = {}

    def pure(*tensors):
        before = [variable.read_value() for variable in variables.values()]
        outputs.update(function(*tensors))
        found = [tf.identity(tensor) for tensor in outputs.values()]
        # A variable that ends as it began is no result of the module.
        for variable, value in zip(variables.values(), before):
            variable.assign(value)
        return found

    specs = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()]
    traced = tf.function(pure, input_signature=specs, autograph=False, jit_compile=True)
    graph = traced.get_concrete_function()
    known = {id(variable.handle) for variable in variables.values()}
    if len(graph.captured_inputs) != len(known) or any(
        id(tensor) not in known for tensor in graph.captured_inputs
    ):
        raise ValueError("the function reads a tensor or variable that is none of its arguments")
    try:
        lower = traced.experimental_get_compiler_ir(*specs)
        module = lower(stage="stablehlo_serialized", platform_name="CPU")
    except (tf.errors.OpError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"StableHLO cannot carry it: {reason}") from error
    write_bytes(path, module)
    arguments = [*inputs.items(), *variables.items()]
    return {
        "module": path.name,
        "sha256": hashlib.sha256(module).hexdigest(),
        "inputs": [described(name, value) for name, value in arguments],
        "outputs": [described(name, value) for name, value in outputs.items()],
    }


def described(name: str, value: Any) -> list:
    """[name, shape, type] of a tensor, a variable or a specification."""
    return [name, list(value.shape), tf.as_dtype(value.dtype).name]


def model_variables(model: SeparatorModel) -> Named:
    """The variables of a model, named as in checkpoints."""
    return {f"model/{n:05d}": variable.value for n, variable in enumerate(model.variables)}


def separation(model: SeparatorModel) -> Callable:
    """(batch, samples, channels) → {"estimates": (batch, sources, samples, channels)}, float32."""

    def separate(mixture):
        estimates = model.infer(mixture, model.inference_state())
        return {"estimates": tf.cast(estimates, tf.float32)}

    return separate


def description(model: SeparatorModel) -> dict[str, Any]:
    """What a description tells of any model: its name, sources, sample rate and trained weights."""
    trained = {id(variable) for variable in model.trainable_variables}
    return {
        "format": FORMAT,
        "separator": name_of(model),
        "hyperparameters": model.hyperparameters,
        "sources": list(model.sources),
        "sample_rate": int(model.sample_rate),
        "trainable": [n for n, variable in enumerate(model.variables) if id(variable) in trained],
    }


def write(model: SeparatorModel, folder: str | os.PathLike, samples: int, channels: int) -> Path:
    """Write a separator: `separator.mlir`, `weights.npz`, `separator.json` and `with_jax.py`.

    Args:
      model: computing in float32.
      folder: made if need be.
      samples, channels: of a chunk, float32 (1, samples, channels), full scale ±1.

    Returns:
      The module's path; its arguments are a chunk and all weights, its result is float32
      (1, sources, samples, channels).

    Raises:
      ValueError: as of `write_function`. OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    variables = model_variables(model)
    inputs = {"mixture": tf.TensorSpec((1, samples, channels), tf.float32)}
    place = folder / "separator.mlir"
    try:
        facts = write_function(place, separation(model), inputs, variables)
    except ValueError as error:
        raise ValueError(f"{model.name}: {error}") from error
    write_arrays(folder / "weights.npz", {name: v.numpy() for name, v in variables.items()})
    write_json(folder / with_jax.SEPARATOR, description(model) | {"separate": facts})
    write_program(folder)
    return place


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive of arrays (.npz) atomically."""
    with atomic_path(path, suffix=".npz") as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def write_program(folder: Path) -> None:
    """Lay the program that calls the modules beside them."""
    source = Path(with_jax.__file__)
    with atomic_path(folder / source.name) as temporary:
        shutil.copyfile(source, temporary)


def run(place: Path, audio: np.ndarray) -> np.ndarray:
    """Estimates of the module itself, as JAX computes them.

    Args:
      audio: float32 (1, samples, channels).

    Returns:
      float32 (1, sources, samples, channels).
    """
    return with_jax.Separator(place.parent)(audio)
