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
from dssgan.config import Config, Optimiser, Schedule
from dssgan.exported import create_variables
from dssgan.logs import Logs
from dssgan.loop import Loop
from dssgan.losses import LOSSES
from dssgan.separator import Separator
from dssgan.state import Checkpoints, TrainingState
from dssgan.steps import SupervisedStep, spread
from dssgan.typed import to_dict
from dssgan.validation import Metric, Song, Validator
from dssgan.workers import Team


@dataclasses.dataclass
class Material:
    """What training listens to.

    Attributes:
      source: excerpts of paired songs; `batch(index)` → {"stems", "names"}, a pure function.
      calibration: a like source with other excerpts, for the input statistics.
      songs: whole songs for validation.
      metric: their score; None takes the latest weights for the best.
      refinement: phase → a like source that has "mixtures" and "solos" as well (`Together`).
    """

    source: Any
    calibration: Any
    songs: Sequence[Song] = ()
    metric: Metric | None = None
    refinement: Callable[[str], Any] | None = None


class Together:
    """Paired and unpaired excerpts of the same number as one source; drawn independently."""

    def __init__(self, paired: Any, unpaired: Any):
        self.paired, self.unpaired = paired, unpaired

    def batch(self, index: int) -> dict[str, Any]:
        """Batch number `index`: "stems", "mixtures", "solos" {source: audio} and all "names"."""
        found, more = self.paired.batch(index), self.unpaired.batch(index)
        names = [name for kind in more["names"].values() for name in kind]
        return {
            "stems": found["stems"],
            "mixtures": more["mixtures"],
            "solos": more["solos"],
            "names": [*found["names"], *names],
        }


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
    return optimisers.build(optimiser.name, **options)


def build_schedule(schedule: Schedule) -> Callable[[tf.Tensor], tf.Tensor]:
    """The learning rate as a function of the update."""
    return optimisers.schedule(**to_dict(schedule))


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
    material: Material,
    checkpoints: Checkpoints,
    logs: Logs,
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
