"""The update of the supervised phase as a function of arrays, for hosts without TensorFlow.

The module is the update itself: model, loss, rule, schedule, clipping, averages, loss scale, and
what it does about numbers that are none. What it changes are its arguments and its results.
"""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from common.json_files import read_json, write_json
from dssgan import __version__, models
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config
from dssgan.config.sizes import check_sizes
from dssgan.exporting import stablehlo
from dssgan.models.base import SeparatorModel
from dssgan.models.bounds import create_variables, limited
from dssgan.runtime.with_jax import START, STEP
from dssgan.training import npz
from dssgan.training.build import build_state, build_supervised_step, excerpt_samples
from dssgan.training.state import open_checkpoint, read_header

DESCRIBED = {
    "format": int,
    "separator": str,
    "hyperparameters": dict,
    "trainable": [int],
    "configuration": dict,
}


def excerpt_shape(config: Config, model: SeparatorModel) -> tuple[int, int, int, int]:
    """(batch, sources, samples, channels) of the stems of an update."""
    channels = config.data.channels * config.data.augmentation.mixes
    samples = excerpt_samples(config, model)
    return config.data.batch, len(model.sources), samples, channels


def write(
    config: Config,
    model: SeparatorModel,
    folder: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Write a training step: two modules, what they start from, a description and a program.

    `step.mlir` takes stems (batch, sources, samples, channels), the number of updates before it and
    the state; it returns the figures in one vector and the new state. `separate.mlir` takes
    mixtures (batch, samples, channels) and the model's part of the state. `start.npz` is the state
    as a run saves it, so that a run can go on from what becomes of it.

    Args:
      model: of the configuration, with the weights to start from.
      folder: made if need be.
      checkpoint: of a run of this configuration, to go on from.

    Returns:
      What `step.json` tells.

    Raises:
      ValueError: a configuration or checkpoint that does not fit; an operation that StableHLO does
        not have. OSError: a file cannot be written or read.
    """
    if config.trainable != "all":
        raise ValueError(
            f"trainable={config.trainable}: an exported training step changes all weights; set "
            "trainable=all"
        )
    folder, shape = Path(folder), excerpt_shape(config, model)
    folder.mkdir(parents=True, exist_ok=True)
    state = build_state(config, model)
    if checkpoint is not None:
        state.restore(checkpoint)
    state.progress.phase = "supervised"
    step = build_supervised_step(config, tf.distribute.get_strategy(), state)
    variables, metrics = state.variables(), []

    def update(stems, number):
        figures = step(stems, number)
        metrics[:] = sorted(figures)
        found = {name: variable.read_value() for name, variable in variables.items()}
        return {"metrics": tf.stack([figures[name] for name in metrics])} | found

    inputs = {"stems": tf.TensorSpec(shape), "updates": tf.TensorSpec((), tf.int64)}
    facts = stablehlo.write_function(folder / "step.mlir", update, inputs, variables)
    mixture = {"mixture": tf.TensorSpec((shape[0], shape[2], config.data.channels))}
    separate = stablehlo.write_function(
        folder / "separate.mlir",
        stablehlo.separation(model),
        mixture,
        stablehlo.model_variables(model),
    )
    state.save(folder / START)
    described = stablehlo.description(model) | {
        "metrics": list(metrics),
        "step": facts,
        "separate": separate,
        "configuration": to_dict(config) | {"tracking": {}},
        "dssgan": __version__,
    }
    write_json(folder / STEP, described)
    stablehlo.write_program(folder)
    return described


def read_model(
    state: str | os.PathLike, bundle: str | os.PathLike | None = None
) -> tuple[SeparatorModel, dict[str, Any]]:
    """The separator that a state of an exported training step holds.

    Args:
      state: file that the program beside the step has saved, or any checkpoint of that phase.
      bundle: folder of the step's description; None is that of the state.

    Returns:
      (the model with the running averages where there are any, else with the weights; what tells
      of its training: plain JSON values).

    Raises:
      ValueError: a file is damaged or belongs to another step. OSError: one cannot be read.
    """
    path = (Path(state).parent if bundle is None else Path(bundle)) / STEP
    facts = read_json(path, DESCRIBED, "export the step again")
    check_sizes(facts["hyperparameters"], f"{path}: hyperparameters")
    try:
        with limited():
            model = create_variables(models.build(facts["separator"], **facts["hyperparameters"]))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{path}: cannot build {facts['separator']!r}: {error}") from error
    with open_checkpoint(state) as archive:
        progress = read_header(archive, state)
        averaged = "average/00000" in archive.files
        for place, variable in enumerate(model.variables):
            name = f"model/{place:05d}"
            if averaged and place in facts["trainable"]:
                name = f"average/{facts['trainable'].index(place):05d}"
            variable.assign(npz.array(archive, name, state, tuple(variable.shape)))
    told = {"dssgan": facts.get("dssgan"), "progress": progress.summary()}
    return model, told | {"configuration": facts["configuration"]}
