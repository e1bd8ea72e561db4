"""From a configuration to the objects that train."""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dssgan import models, optimisers, pipeline
from dssgan.choices import model_options
from dssgan.config import Config
from dssgan.exported import create_variables
from dssgan.logs import Logs
from dssgan.loop import Loop
from dssgan.losses import LOSSES
from dssgan.separator import Separator
from dssgan.state import Checkpoints, TrainingState
from dssgan.steps import SupervisedStep, spread
from dssgan.typed import to_dict
from dssgan.validation import Metric, Song, Validator


@dataclasses.dataclass
class Material:
    """What training listens to.

    Attributes:
      source: excerpts of paired songs; `batch(index)` → {"stems", "names"}, a pure function.
      calibration: a like source with other excerpts, for the input statistics.
      songs: whole songs for validation.
      metric: their score; None takes the latest weights for the best.
    """

    source: Any
    calibration: Any
    songs: Sequence[Song] = ()
    metric: Metric | None = None


def build_model(config: Config) -> models.SeparatorModel:
    """The separator with its first weights, which follow from the seed."""
    keras.utils.set_random_seed(config.seed % 2**32)
    options = model_options(config)
    separator = models.SEPARATORS[config.model.name]
    if "precision" not in options and "precision" in inspect.signature(separator).parameters:
        # On a GPU half the bytes are half the time; on a CPU it depends on the CPU.
        options["precision"] = "bfloat16" if tf.config.list_physical_devices("GPU") else "float32"
    return create_variables(models.build(config.model.name, **options))


def build_rule(config: Config) -> Any:
    """The optimiser's rule."""
    names = ("beta_1", "beta_2", "epsilon", "weight_decay", "lookahead_period", "lookahead_ratio")
    options = {name: getattr(config.optimiser, name) for name in names}
    return optimisers.build(config.optimiser.name, **options)


def build_loop(
    config: Config,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    material: Material,
    checkpoints: Checkpoints,
    logs: Logs,
    *,
    record: Callable[[str, float, int], None],
    say: Callable[[str], None],
) -> Loop:
    """The supervised loop of a configuration."""
    gpu = bool(tf.config.list_logical_devices("GPU"))
    step = SupervisedStep(
        state,
        functools.partial(LOSSES[config.loss.name], **config.loss.weights),
        optimisers.schedule(**to_dict(config.schedule)),
        clip=config.optimiser.clip,
        accumulate=config.optimiser.accumulate,
        average=config.optimiser.average,
        xla={"auto": gpu, "on": True, "off": False}[config.compute.xla],
        strategy=strategy,
    )

    def batches(start: int) -> Iterable[Any]:
        excerpts = pipeline.dataset(material.source, start=start, workers=config.data.workers)
        return plainly(spread(excerpts.map(lambda batch: batch["stems"]), strategy))

    validator = None
    if material.metric is not None:
        validator = Validator(
            Separator(state.model, **separation_options(config)),
            material.songs,
            material.metric,
            decisive=config.validation.sources,
            examples=config.tracking.examples,
            seconds=config.tracking.seconds,
            listen_every=config.tracking.listen_every,
        )
    return Loop(
        step,
        state,
        material.source,
        batches,
        checkpoints,
        epochs=config.supervised.epochs,
        steps=config.supervised.steps,
        save_minutes=config.checkpoint.minutes,
        save_steps=config.checkpoint.steps,
        validator=validator,
        validate_every=config.validation.every,
        patience=config.validation.patience,
        metric=config.validation.metric,
        logs=logs,
        log_every=config.tracking.every,
        record=record,
        seconds_per_step=config.data.batch
        * excerpt_samples(config, state.model)
        / state.model.sample_rate,
        say=say,
    )


def excerpt_samples(config: Config, model: models.SeparatorModel) -> int:
    """Length of a training excerpt: the nearest that the model takes."""
    multiples = max(1, round(config.data.seconds * model.sample_rate / model.multiple))
    return max(multiples * model.multiple, model.minimum)


def calibration_mixtures(config: Config, source: Any) -> Iterator[np.ndarray]:
    """Batches of mixtures, (batch, samples, channels), as many excerpts as configured."""
    batches = -(-config.supervised.calibration // config.data.batch)
    excerpts = pipeline.dataset(source, start=0, workers=config.data.workers)
    for batch in itertools.islice(plainly(excerpts), batches):
        yield batch["stems"].numpy().sum(axis=1)


def plainly(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches; an error in reading them is the plain one and not TensorFlow's wrapping."""
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator)
        except tf.errors.OpError as error:
            raise pipeline.reason(error) from error
        yield batch


def separation_options(config: Config) -> dict[str, Any]:
    """Keyword arguments of a `Separator`."""
    options = to_dict(config.separation)
    batch = options.pop("batch")
    return options | {"batch_size": batch}
