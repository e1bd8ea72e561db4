"""From a configuration to the objects that train."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from dssgan import models
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config, Optimiser, Schedule
from dssgan.distributed.replicas import spread
from dssgan.distributed.team import Team
from dssgan.losses import LOSSES
from dssgan.models.export import create_variables
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.monitoring.validation import Validator
from dssgan.optimisers import rules, schedules
from dssgan.separator import Separator
from dssgan.training import pipeline
from dssgan.training.checkpoints import Checkpoints
from dssgan.training.data import TrainingData
from dssgan.training.loop import Loop
from dssgan.training.options import model_options
from dssgan.training.pipeline import plainly
from dssgan.training.state import TrainingState
from dssgan.training.supervised_step import SupervisedStep


def build_model(config: Config) -> models.SeparatorModel:
    """The separator with its first weights, which follow from the seed."""
    keras.utils.set_random_seed(config.seed % 2**32)
    options = model_options(config)
    separator = models.SEPARATORS[config.model.name]
    if "precision" not in options and "precision" in inspect.signature(separator).parameters:
        # On a GPU half the bytes are half the time; on a CPU it depends on the CPU.
        options["precision"] = "bfloat16" if tf.config.list_physical_devices("GPU") else "float32"
    return create_variables(models.build(config.model.name, **options))


def build_rule(optimiser: Optimiser) -> Any:
    """The optimiser's rule."""
    names = ("beta_1", "beta_2", "epsilon", "weight_decay", "lookahead_period", "lookahead_ratio")
    options = {name: getattr(optimiser, name) for name in names}
    return rules.build(optimiser.name, **options)


def build_schedule(schedule: Schedule) -> Callable[[tf.Tensor], tf.Tensor]:
    """The learning rate as a function of the update."""
    return schedules.schedule(**to_dict(schedule))


def build_loss(config: Config) -> Callable:
    """The supervised loss with its weights."""
    return functools.partial(LOSSES[config.loss.name], **config.loss.weights)


def build_supervised_step(
    config: Config, strategy: tf.distribute.Strategy, state: TrainingState
) -> SupervisedStep:
    """The update of the supervised phase."""
    return SupervisedStep(
        state,
        build_loss(config),
        build_schedule(config.schedule),
        clip=config.optimiser.clip,
        accumulate=config.optimiser.accumulate,
        average=config.optimiser.average,
        xla=compiled(config),
        strategy=strategy,
    )


def compiled(config: Config) -> bool:
    """Whether updates are compiled with XLA."""
    gpu = bool(tf.config.list_logical_devices("GPU"))
    return {"auto": gpu, "on": True, "off": False}[config.compute.xla]


def build_loop(
    config: Config,
    strategy: tf.distribute.Strategy,
    step: Callable[[Any, int], dict[str, tf.Tensor]],
    state: TrainingState,
    source: Any,
    material: TrainingData,
    checkpoints: Checkpoints,
    logs: TensorBoard,
    *,
    take: Callable[[dict[str, Any]], Any],
    epochs: int,
    steps: int,
    ahead: int = 0,
    team: Team | None = None,
    **options,
) -> Loop:
    """The loop of a phase.

    Args:
      source: excerpts. take: what the step needs of a batch of them.
      epochs, steps, ahead: of the phase, see `Loop`; they count calls of `step`.
      team: the workers that train together.
      **options: further arguments of `Loop`.
    """

    def batches(start: int) -> Iterable[Any]:
        excerpts = pipeline.dataset(source, start=start, workers=config.data.workers)
        return plainly(spread(excerpts.map(take), strategy))

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
            team=team,
        )
    return Loop(
        step,
        state,
        source,
        batches,
        checkpoints,
        epochs=epochs,
        steps=steps,
        ahead=ahead,
        save_minutes=config.checkpoint.minutes,
        save_steps=config.checkpoint.steps,
        validator=validator,
        validate_every=config.validation.every,
        patience=config.validation.patience,
        metric=config.validation.metric,
        logs=logs,
        log_every=config.tracking.every,
        seconds_per_step=config.data.batch
        * excerpt_samples(config, state.model)
        / state.model.sample_rate,
        team=team,
        **options,
    )


def excerpt_samples(config: Config, model: models.SeparatorModel) -> int:
    """Length of a training excerpt: the nearest that the model takes."""
    multiples = max(1, round(config.data.seconds * model.sample_rate / model.multiple))
    samples = max(multiples * model.multiple, model.minimum)
    return min(samples, model.maximum or samples)


def separation_options(config: Config) -> dict[str, Any]:
    """Keyword arguments of a `Separator`."""
    options = to_dict(config.separation)
    batch = options.pop("batch")
    return options | {"batch_size": batch}
