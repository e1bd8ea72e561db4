"""A small training run put together by hand, as `dssgan.phases` does it for a configuration."""

from pathlib import Path

import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.optimisers import rules, schedules
from dssgan.optimisers.update import Update
from dssgan.phases.phase import Phase
from dssgan.phases.run import Run
from dssgan.training.checkpoints import Checkpoints
from dssgan.training.data import TrainingData
from dssgan.training.loop import Loop
from dssgan.training.state import TrainingState
from dssgan.training.supervised_step import SupervisedStep
from tests.dssgan.stand_ins import Excerpts, TinySeparator, error

#: option of `make_loop` → key of the configuration.
KEYS = {
    "save_steps": "checkpoint.steps",
    "validate_every": "validation.every",
    "patience": "validation.patience",
    "metric": "validation.metric",
    "log_every": "tracking.every",
}
#: option of `make_loop` → attribute of the phase.
PHASE = {
    "seconds_per_step": "seconds",
    "score_first": "score_first",
    "adopt": "on_better",
    "show": "on_epoch",
}


class SmallRun(Run):
    """A run whose checkpoints lie in its folder."""

    def checkpoints(self, phase):
        return Checkpoints(self.folder, self.config.checkpoint.keep)


def make_state(model=None, *, rule=None, average=False, scaled=False):
    return TrainingState(
        model or TinySeparator(),
        rule or rules.Ranger(weight_decay=1e-3),
        average=average,
        scaled=scaled,
    )


def make_update(state, *, rate=0.01, clip=0.0, average=0.0):
    return Update(
        state.optimiser,
        schedules.schedule("constant", rate),
        clip=clip,
        averages=state.averages,
        average=average,
        loss_scale=state.loss_scale,
    )


def make_step(state, *, rate=0.01, loss=error, clip=0.0, average=0.0, **options):
    update = make_update(state, rate=rate, clip=clip, average=average)
    return SupervisedStep(state, loss, update, **options)


def make_loop(folder, state, step=None, source=None, *, epochs=2, steps=4, keep=1, **options):
    source = source or Excerpts()
    step = step or make_step(state, average=0.9 if state.averages else 0.0)
    values = {"checkpoint": {"keep": keep, "minutes": 0.0}}
    for name, key in KEYS.items():
        section, _, key = key.partition(".")
        if name in options:
            values.setdefault(section, {})[key] = options.pop(name)
    own = {PHASE[name]: options.pop(name) for name in PHASE if name in options}
    reports = {name: options.pop(name) for name in ("record", "log", "team") if name in options}
    run = SmallRun(from_dict(values), Path(folder), training_data=None, score=None, **reports)
    data = TrainingData(source, source)
    phase = Phase("supervised", step, state, data, source, ("stems",), epochs, steps, **own)
    return Loop(run, phase, source.batches, **options)


def bits(state):
    """Every variable of a state as bytes."""
    return {name: variable.numpy().tobytes() for name, variable in state.variables().items()}


def run_steps(step, source, count, start=0):
    """Metrics of `count` updates."""
    return [
        {
            name: float(value)
            for name, value in step(tf.constant(source.batch(i)["stems"]), i).items()
        }
        for i in range(start, start + count)
    ]
