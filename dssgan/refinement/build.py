"""From a configuration to the objects that refine a separator: critics, teacher, their step."""

import itertools

import numpy as np
import tensorflow as tf

from dssgan import critics
from dssgan.config.schema import Config, Critic
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.models.base import SeparatorModel
from dssgan.refinement.critic_losses import (
    DependencyCritics,
    SourceCritic,
    critics_of,
)
from dssgan.refinement.state import RefinementState
from dssgan.refinement.step import RefinementStep
from dssgan.refinement.teacher import PseudoLabels
from dssgan.training.build import (
    build_loss,
    build_model,
    build_rule,
    build_schedule,
    compiled,
    excerpt_samples,
)
from dssgan.training.options import critic_options


def build_refinement(
    config: Config, phase: str, strategy: tf.distribute.Strategy, model: SeparatorModel
) -> tuple[RefinementStep, RefinementState]:
    """The update of a refinement phase and what it changes; call it within the strategy's scope."""
    adversarial, teaching = config.adversarial, config.self_training
    critical = phase == "adversarial"
    margin = margin_samples(config, model) if critical else 0
    judges, pairs = build_judges(config, model, margin) if critical and config.alpha else ([], [])
    taught = phase == "self_training" or adversarial.taught
    follow = taught and teaching.teacher == "average"
    state = RefinementState(
        model,
        build_rule(config.optimiser),
        critics=critics_of(judges, pairs),
        critic_rule=build_rule(adversarial.critic_optimiser),
        teacher=build_model(config) if taught else None,
        follow=follow,
        average=config.optimiser.average > 0,
        scaled=model.hyperparameters.get("precision") == "float16",
    )
    section = getattr(config, phase)
    step = RefinementStep(
        state,
        build_loss(config),
        build_schedule(section.schedule),
        alpha=config.alpha if critical else 0.0,
        beta=config.beta if critical else 0.0,
        balance=adversarial.balance and critical,
        judges=judges,
        pairs=pairs,
        critic_schedule=build_schedule(adversarial.critic_schedule),
        critic_steps=adversarial.critic_steps,
        critic_warmup=adversarial.critic_warmup,
        critic_clip=adversarial.critic_optimiser.clip,
        matching=adversarial.matching,
        teaching=build_teaching(config) if taught else None,
        margin=margin,
        seed=config.seed,
        clip=config.optimiser.clip,
        average=teaching.decay if follow else config.optimiser.average,
        xla=compiled(config),
        strategy=strategy,
    )
    return step, state


def build_teaching(config: Config) -> PseudoLabels:
    """How a teacher's labels become songs.

    Raises:
      ValueError: a share is to be left out that is less than one song.
    """
    names = ("weight", "threshold_db", "drop", "solo_share", "gain_db")
    teaching = PseudoLabels(**{name: getattr(config.self_training, name) for name in names})
    songs = config.data.batch // tf.distribute.get_strategy().num_replicas_in_sync
    if teaching.drop and not int(teaching.drop * songs):
        raise ValueError(
            f"self_training.drop={teaching.drop:g} leaves out none of the {songs} songs of a batch "
            f"on a device; expected {1.0 / songs:.3g} or more, a larger data.batch, or 0"
        )
    return teaching


def build_judges(
    config: Config, model: SeparatorModel, margin: int
) -> tuple[list[SourceCritic], list[DependencyCritics]]:
    """The critics of a configuration with their first weights, which follow from the seed.

    Raises:
      ValueError: a critic cannot be built like that, or the excerpts are too short for it.
    """
    samples = excerpt_samples(config, model) - 2 * margin
    judges, pairs, seeds = [], [], itertools.count(config.seed + 1)
    for place, entry in enumerate(config.adversarial.critics):

        def critic(where=f"adversarial.critics[{place}]", entry=entry) -> critics.Critic:
            return build_critic(where, entry, config, model, samples, next(seeds))

        objective = OBJECTIVES[entry.objective]
        if critics.CRITICS[entry.name].partner:
            pairs.append(
                DependencyCritics(
                    entry.name, critic(), critic(), objective, entry.penalty, entry.weight
                )
            )
            continue
        for source in entry.sources or config.sources:
            index = config.sources.index(source)
            judge = SourceCritic(
                f"{entry.name}/{source}", critic(), index, objective, entry.penalty, entry.weight
            )
            spectra = judge.critic.log_magnitudes_of
            judge.magnitudes = spectra is not None and spectra == model.log_magnitudes_of
            judges.append(judge)
    return judges, pairs


def build_critic(
    where: str, entry: Critic, config: Config, model: SeparatorModel, samples: int, seed: int
) -> critics.Critic:
    """One critic that hears `samples` samples; ValueError, which starts with `where`."""
    options = critic_options(entry, where)
    kind = critics.CRITICS[entry.name]
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if kind.partner and config.data.batch < 2 * devices:
        each = f" on each of {devices} devices" if devices > 1 else ""
        raise ValueError(
            f"{where}: {entry.name} compares songs with shuffled ones, which takes two excerpts at "
            f"least{each}; data.batch={config.data.batch}"
        )
    if kind.partner:
        options["estimates"] = len(model.sources)
    options.setdefault("seed", seed % 2**31)
    try:
        return critics.build(
            entry.name,
            sample_rate=model.sample_rate,
            samples=samples,
            channels=config.data.channels,
            **options,
        )
    except ValueError as error:
        raise ValueError(
            f"{where}: {error} (data.seconds={config.data.seconds:g} less the margins leave "
            f"{samples} samples at {model.sample_rate} Hz)"
        ) from error


def margin_samples(config: Config, model: SeparatorModel) -> int:
    """Samples at both ends of an excerpt that critics do not hear.

    Raises:
      ValueError: nothing would be left.
    """
    samples = excerpt_samples(config, model)
    if config.adversarial.margin is None:
        if 2 * model.context >= samples:
            context = model.context / model.sample_rate
            raise ValueError(
                f"data.seconds={config.data.seconds:g}: critics would hear nothing, because the "
                f"separator lacks context within {context:.2f} s of both ends; expected more than "
                f"{2 * context:.2f} s, or a shorter adversarial.margin than {context:.2f} s"
            )
        return model.context
    margin = round(config.adversarial.margin * model.sample_rate)
    if margin < 0 or 2 * margin >= samples:
        raise ValueError(
            f"adversarial.margin={config.adversarial.margin:g}: excerpts last "
            f"{samples / model.sample_rate:g} s, nothing of them would be left; expected 0 up to "
            "less than half of that"
        )
    return margin


def describe(phase: str, config: Config, step: RefinementStep) -> str:
    """What refines the separator, in a line."""
    parts = []
    if step.critic_steps:
        names = [judge.name for judge in (*step.judges, *step.pairs)]
        size = sum(int(np.prod(v.shape)) for c in step.state.critics for v in c.trainable_variables)
        parts.append(f"critics {', '.join(names)} ({size:,} weights)")
    if phase == "adversarial":
        parts.append(f"alpha={config.alpha:g}, beta={config.beta:g}")
    if step.teaching:
        parts.append(f"teacher: {config.self_training.teacher}")
    return f"{phase}: {'; '.join(parts)}"
