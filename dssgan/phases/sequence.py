"""A separator is trained in phases, then scored: what a run does, in order."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

from dssgan.distributed.team import clear_losses
from dssgan.exports import CONFIG
from dssgan.models.base import SeparatorModel
from dssgan.phases.lifecycle import check_batch, start, train
from dssgan.phases.phase import Phase
from dssgan.phases.run import Run
from dssgan.refinement.build import build_refinement, describe
from dssgan.refinement.critic_health import CriticHealth
from dssgan.refinement.held_back import estimated_songs
from dssgan.refinement.samples import Samples
from dssgan.separator import Separator
from dssgan.training.build import (
    build_model,
    build_state,
    build_supervised_step,
    excerpt_samples,
    separation_options,
)
from dssgan.training.data import TrainingData
from dssgan.training.start import located


def run_phases(run: Run) -> dict[str, float]:
    """Run the phases in order; what is done already is not done again.

    Returns:
      The scores: of the last validation and, with a test, {"SDR/drums": dB, …}.
    """
    scores: dict[str, float] = {}
    with clear_losses(run.team):
        for phase in run.config.phases:
            scores |= PHASES[phase](run)
        run.team.wait()
    return scores


def supervised(run: Run) -> dict[str, float]:
    """Train on paired songs and export the best separator."""
    config, section = run.config, run.config.supervised
    check_batch(run, config.optimiser.accumulate)
    with run.strategy.scope():
        model = build_model(config)
        state = build_state(config, model)
        step = build_supervised_step(config, run.strategy, state)
    samples = excerpt_samples(config, model)
    data = load_data(run, model, samples)
    phase = Phase(
        "supervised",
        step,
        state,
        data,
        data.paired,
        inputs=("stems",),
        epochs=section.epochs,
        steps=section.steps,
        seconds=config.data.batch * samples / model.sample_rate,
        score_first=section.init != "scratch",
        on_start=lambda: start(run, "supervised", section.init, state, data),
    )
    return train(run, phase)


def refine(run: Run, name: str) -> dict[str, float]:
    """Refine a separator by critics, by a teacher or by both, and export the best one."""
    config, section = run.config, getattr(run.config, name)
    check_batch(run, 1)
    with run.strategy.scope():
        model = build_model(config)
        samples = excerpt_samples(config, model)
        step, state = build_refinement(config, name, run.strategy, model, samples)
    data = load_data(run, model, samples)
    origin = run.exported_before(name) if section.init == "supervised" else section.init
    if data.held_back:
        data = with_estimates(run, f"{name}.init", origin, data)
    excerpts = data.refinement(name)
    phase = Phase(
        name,
        step,
        state,
        data,
        excerpts,
        inputs=("stems", "mixtures", "solos"),
        epochs=section.epochs,
        steps=section.steps * step.turns.cycle,
        seconds=config.data.batch * samples / model.sample_rate,
        warmup=step.turns.warmup,
        score_first=section.init != "scratch",
        summary=describe(name, config, step),
        on_start=lambda: start(run, name, origin, state, data),
        on_epoch=Samples(state, excerpts, config.tracking),
        on_point=CriticHealth.of(step.terms.critics),
        on_better=state.adopt,
    )
    return train(run, phase)


def test(run: Run) -> dict[str, float]:
    """Score the exported separator on the test songs; on several machines the chief does.

    Raises:
      ValueError: no phase has exported a separator.
    """
    if not run.team.chief:
        return {}
    if not (run.exported / CONFIG).exists():
        raise ValueError(
            f"{run.exported}: no exported separator to test; put a training phase before test"
        )
    return run.score(run.exported)


def load_data(run: Run, model: SeparatorModel, samples: int) -> TrainingData:
    """The songs of a run at the model's rate, in excerpts of so many samples.

    On several machines the chief prepares them before the others look.
    """
    with run.team.chief_first():
        return run.training_data(model.sample_rate, samples)


def with_estimates(run: Run, key: str, origin: str | Path, data: TrainingData) -> TrainingData:
    """The data whose validation songs are what the separator `origin` makes of those held back."""
    options = separation_options(run.config)
    separator = Separator.load(located(origin, key), **options)
    songs = estimated_songs(separator, data.held_back)
    run.log(f"validation: {len(songs)} songs held back, with stems as {origin} estimates them")
    return dataclasses.replace(data, songs=songs)


PHASES: dict[str, Callable[[Run], dict[str, float]]] = {
    "supervised": supervised,
    "self_training": functools.partial(refine, name="self_training"),
    "adversarial": functools.partial(refine, name="adversarial"),
    "test": test,
}
