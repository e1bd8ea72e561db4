"""The story of a run: a separator is trained in phases, then scored."""

import functools
from collections.abc import Callable

from common.cli import UsageError
from dssgan.distributed.team import losses_told
from dssgan.exports import CONFIG
from dssgan.phases.lifecycle import calibrate, check_batch, describe, restored, train
from dssgan.phases.run import Run
from dssgan.refinement import build
from dssgan.refinement.checks import check_refinements, start_from
from dssgan.refinement.critic_health import CriticHealth
from dssgan.refinement.samples import Samples
from dssgan.training.build import build_model, build_rule, build_supervised_step
from dssgan.training.state import TrainingState


def run_phases(run: Run) -> dict[str, float]:
    """Run the phases in order; what is done already is not done again.

    Returns:
      The scores.

    Raises:
      Misuse: a phase that cannot be, told before the first one.
    """
    try:
        check_refinements(run.config)
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
    scores: dict[str, float] = {}
    with losses_told(run.team):
        for phase in run.config.phases:
            scores |= PHASES[phase](run)
        run.team.wait()
    return scores


def supervised(run: Run) -> dict[str, float]:
    """Train on paired songs and export the best separator."""
    config = run.config
    check_batch(run, config.optimiser.accumulate)
    with run.strategy.scope():
        model = build_model(config)
        state = TrainingState(
            model,
            build_rule(config.optimiser),
            average=config.optimiser.average > 0,
            scaled=model.hyperparameters.get("precision") == "float16",
        )
        step = build_supervised_step(config, run.strategy, state)
    with run.team.chief_first():
        material = run.material(model)
    checkpoints = run.checkpoints("supervised")
    if run.team.chief and not restored(run, "supervised", state, checkpoints):
        calibrate(run, "supervised", model, material)
    run.team.share(state)
    describe(run, "supervised", model)
    section = config.supervised
    return train(
        run,
        "supervised",
        step,
        state,
        material.source,
        material,
        take=lambda batch: batch["stems"],
        epochs=section.epochs,
        steps=section.steps,
    )


def refine(run: Run, phase: str) -> dict[str, float]:
    """Refine a separator by critics, by a teacher or by both, and export the best one."""
    config = run.config
    check_batch(run, 1)
    with run.strategy.scope():
        model = build_model(config)
        step, state = build.build_refinement(config, phase, run.strategy, model)
    with run.team.chief_first():
        material = run.material(model)
    checkpoints = run.checkpoints(phase)
    section = getattr(config, phase)
    if run.team.chief and not restored(run, phase, state, checkpoints):
        if section.init == "scratch":
            calibrate(run, phase, model, material)
        else:
            start = run.exported_before(phase) if section.init == "supervised" else section.init
            start_from(model, start, f"{phase}.init")
            run.say(f"{phase}: starting from {start}")
        state.begin()
    run.team.share(state)
    source = material.refinement(phase)
    describe(run, phase, model)
    run.say(build.describe(phase, config, step))
    parts = ("stems", "mixtures", "solos")
    return train(
        run,
        phase,
        step,
        state,
        source,
        material,
        take=lambda batch: {name: batch[name] for name in parts},
        epochs=section.epochs,
        steps=section.steps * step.cycle,
        ahead=step.critic_warmup,
        validate_first=section.init != "scratch",
        adopt=state.adopt,
        show=Samples(model, source, config.tracking.listen_every, config.tracking.examples > 0),
        observe=CriticHealth(
            [judge.name for judge in step.judges], [pair.name for pair in step.pairs]
        ),
    )


def test(run: Run) -> dict[str, float]:
    """Score the exported separator on the test songs; on several machines the chief does."""
    if not run.team.chief:
        return {}
    if not (run.exported / CONFIG).exists():
        raise ValueError(
            f"{run.exported}: no exported separator to test; put a training phase before test"
        )
    return run.score(run.exported)


PHASES: dict[str, Callable[[Run], dict[str, float]]] = {
    "supervised": supervised,
    "self_training": functools.partial(refine, phase="self_training"),
    "adversarial": functools.partial(refine, phase="adversarial"),
    "test": test,
}
