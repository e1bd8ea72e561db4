"""A small training run put together by hand, as phases.py does it for a configuration."""

import tensorflow as tf

from dssgan.optimisers import rules, schedules
from dssgan.training.checkpoints import Checkpoints
from dssgan.training.loop import Loop
from dssgan.training.state import TrainingState
from dssgan.training.supervised_step import SupervisedStep
from tests.dssgan.stand_ins import Excerpts, TinySeparator, error


def make_state(model=None, *, rule=None, average=False, scaled=False):
    return TrainingState(
        model or TinySeparator(),
        rule or rules.Ranger(weight_decay=1e-3),
        average=average,
        scaled=scaled,
    )


def make_step(state, *, rate=0.01, loss=error, **options):
    return SupervisedStep(state, loss, schedules.schedule("constant", rate), **options)


def make_loop(folder, state, step=None, source=None, *, epochs=2, steps=4, keep=1, **options):
    source = source or Excerpts()
    step = step or make_step(state, average=0.9 if state.averages else 0.0)
    checkpoints = Checkpoints(folder, keep)
    return Loop(
        step, state, source, source.batches, checkpoints, epochs=epochs, steps=steps, **options
    )


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
