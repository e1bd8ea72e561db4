"""From a configuration to the objects that train."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from dssgan import models
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config, OptimiserSettings, Schedule
from dssgan.distributed.replicas import spread
from dssgan.distributed.team import Team
from dssgan.losses import LOSSES
from dssgan.models.bounds import create_variables, limited
from dssgan.monitoring.validation import Examples, Validator
from dssgan.optimisers import rules, schedules
from dssgan.optimisers.update import Update
from dssgan.separator import Separator
from dssgan.training import pipeline
from dssgan.training.data import TrainingData
from dssgan.training.options import model_options
from dssgan.training.state import TrainingState
from dssgan.training.supervised_step import SupervisedStep
from dssgan.training.trained import build_trained


def build_model(config: Config) -> models.SeparatorModel:
    """The separator with its first weights, which follow from the seed."""
    keras.utils.set_random_seed(config.seed % 2**32)
    options = model_options(config)
    separator = models.SEPARATORS[config.model.name]
    if "precision" not in options and "precision" in inspect.signature(separator).parameters:
        # On a GPU half the bytes are half the time; on a CPU it depends on the CPU.
        options["precision"] = "bfloat16" if tf.config.list_physical_devices("GPU") else "float32"
    with limited():
        return create_variables(models.build(config.model.name, **options))


def build_rule(optimiser: OptimiserSettings) -> Any:
    """The optimiser's rule, with those settings that it has."""
    names = inspect.signature(rules.OPTIMISERS[optimiser.name]).parameters
    options = {name: getattr(optimiser, name) for name in names}
    return rules.build(optimiser.name, **options)


def build_schedule(schedule: Schedule) -> Callable[[tf.Tensor], tf.Tensor]:
    """The learning rate as a function of the update."""
    return schedules.schedule(**to_dict(schedule))


def build_loss(config: Config) -> Callable:
    """The supervised loss with its weights."""
    return functools.partial(LOSSES[config.loss.name], **config.loss.weights)


def build_state(config: Config, model: models.SeparatorModel) -> TrainingState:
    """What the supervised phase updates; within the strategy's scope, once the model is built."""
    return TrainingState(
        model,
        build_rule(config.optimiser),
        average=config.optimiser.average > 0,
        scaled=model.hyperparameters.get("precision") == "float16",
        trained=build_trained(config, model),
    )


def build_update(
    optimiser: OptimiserSettings,
    schedule: Schedule,
    state: TrainingState,
    average: float | None = None,
) -> Update:
    """The change of a separator's weights, by configuration.

    Args:
      state: whose optimiser, averages and loss scale it changes.
      average: decay of the running average; None takes the optimiser's.
    """
    return Update(
        state.optimiser,
        build_schedule(schedule),
        clip=optimiser.clip,
        averages=state.averages,
        average=optimiser.average if average is None else average,
        loss_scale=state.loss_scale,
    )


def build_supervised_step(
    config: Config, strategy: tf.distribute.Strategy, state: TrainingState
) -> SupervisedStep:
    """The update of the supervised phase."""
    return SupervisedStep(
        state,
        build_loss(config),
        build_update(config.optimiser, config.schedule, state),
        accumulate=config.optimiser.accumulate,
        xla=compiled(config),
        strategy=strategy,
    )


def compiled(config: Config) -> bool:
    """Whether updates are compiled with XLA."""
    gpu = bool(tf.config.list_logical_devices("GPU"))
    return {"auto": gpu, "on": True, "off": False}[config.compute.xla]


def build_batches(
    config: Config,
    excerpts: Any,
    inputs_of: Callable[[dict[str, Any]], Any],
    strategy: tf.distribute.Strategy,
) -> Callable[[int], Iterable[Any]]:
    """First index → what the step takes of that batch and of those that follow it.

    Args:
      excerpts: `batch(index)` → arrays and "names".
      inputs_of: a batch → what the step takes of it.
    """

    def batches(start: int) -> Iterable[Any]:
        dataset = pipeline.dataset(excerpts, start=start, workers=config.data.workers)
        return pipeline.plain_errors(spread(dataset.map(inputs_of), strategy))

    return batches


def build_validator(
    config: Config, model: models.SeparatorModel, data: TrainingData, team: Team
) -> Validator | None:
    """What scores whole songs while training; None where there is no metric."""
    if data.metric is None:
        return None
    return Validator(
        Separator(model, **separation_options(config)),
        data.songs,
        data.metric,
        decisive=config.validation.sources,
        examples=Examples(
            config.tracking.examples, config.tracking.seconds, config.tracking.listen_every
        ),
        team=team,
    )


def excerpt_samples(config: Config, model: models.SeparatorModel) -> int:
    """Samples of a training excerpt: the length nearest to data.seconds that the model takes."""
    multiples = max(1, round(config.data.seconds * model.sample_rate / model.multiple))
    samples = max(multiples * model.multiple, model.minimum)
    return min(samples, model.maximum or samples)


def separation_options(config: Config) -> dict[str, Any]:
    """Keyword arguments of a `Separator`."""
    options = to_dict(config.separation)
    batch = options.pop("batch")
    return options | {"batch_size": batch}
