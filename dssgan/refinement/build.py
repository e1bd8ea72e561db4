"""From a configuration to the objects that refine a separator: critics, teacher, their step."""

import itertools

import numpy as np
import tensorflow as tf

from dssgan import critics
from dssgan.config.schema import Config, CriticSettings
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.models.base import SeparatorModel
from dssgan.models.bounds import limited
from dssgan.optimisers.update import Update
from dssgan.refinement.critic_losses import CriticSet, DependencyCritics, SourceCritic
from dssgan.refinement.loss_terms import LossTerms
from dssgan.refinement.state import RefinementState
from dssgan.refinement.step import RefinementStep, Turns
from dssgan.refinement.teacher import PseudoLabels
from dssgan.training.build import (
    build_loss,
    build_model,
    build_rule,
    build_schedule,
    build_update,
    compiled,
)
from dssgan.training.options import critic_options
from dssgan.training.trained import build_trained


def build_refinement(
    config: Config,
    phase: str,
    strategy: tf.distribute.Strategy,
    model: SeparatorModel,
    samples: int,
) -> tuple[RefinementStep, RefinementState]:
    """The update of a refinement phase and what it changes; call it within the strategy's scope.

    Args:
      phase: "self_training" or "adversarial".
      samples: of a training excerpt.
    """
    adversarial, self_training = config.adversarial, config.self_training
    critical = phase == "adversarial"
    taught = phase == "self_training" or adversarial.taught
    follow = taught and self_training.teacher == "average"
    critic_set = build_critics(config, model, samples) if critical else CriticSet()
    state = RefinementState(
        model,
        build_rule(config.optimiser),
        critics=critic_set.models,
        critic_rule=build_rule(adversarial.critic_optimiser),
        teacher=build_model(config) if taught else None,
        follow=follow,
        average=config.optimiser.average > 0,
        scaled=model.hyperparameters.get("precision") == "float16",
        trained=build_trained(config, model),
    )
    terms = LossTerms(
        model,
        build_loss(config),
        alpha=config.alpha if critical else 0.0,
        beta=config.beta if critical else 0.0,
        balance=adversarial.balance and critical,
        critics=critic_set,
        matching=adversarial.matching,
        pseudo_labels=build_pseudo_labels(config) if taught else None,
    )
    average = self_training.decay if follow else None
    step = RefinementStep(
        state,
        terms,
        build_update(config.optimiser, getattr(config, phase).schedule, state, average),
        build_critic_update(config, state) if terms.adversarial else None,
        Turns(adversarial.critic_steps, adversarial.critic_warmup),
        strategy=strategy,
        xla=compiled(config),
        seed=config.seed,
    )
    return step, state


def build_critic_update(config: Config, state: RefinementState) -> Update:
    """The change of the critics' weights."""
    adversarial = config.adversarial
    return Update(
        state.critic_optimiser,
        build_schedule(adversarial.critic_schedule),
        clip=adversarial.critic_optimiser.clip,
    )


def build_pseudo_labels(config: Config) -> PseudoLabels:
    """How a teacher's labels become songs.

    Raises:
      ValueError: a share is to be left out that is less than one song.
    """
    names = ("weight", "threshold_db", "drop", "solo_share", "gain_db")
    labels = PseudoLabels(**{name: getattr(config.self_training, name) for name in names})
    songs = config.data.batch // tf.distribute.get_strategy().num_replicas_in_sync
    if labels.drop and not int(labels.drop * songs):
        raise ValueError(
            f"self_training.drop={labels.drop:g} leaves out none of the {songs} songs of a batch "
            f"on a device; expected {1.0 / songs:.3g} or more, a larger data.batch, or 0"
        )
    return labels


def build_critics(config: Config, model: SeparatorModel, samples: int) -> CriticSet:
    """The critics of a configuration with their first weights, which follow from the seed.

    Args:
      samples: of a training excerpt.

    Returns:
      No critics where alpha is 0.

    Raises:
      ValueError: a critic cannot be built like that, or the excerpts are too short for it.
    """
    margin = margin_samples(config, model, samples)
    if not config.alpha:
        return CriticSet(margin=margin)
    sources, dependency, seeds = [], [], itertools.count(config.seed + 1)
    for place, entry in enumerate(config.adversarial.critics):

        def critic(where=f"adversarial.critics[{place}]", entry=entry) -> critics.Critic:
            seen = samples - 2 * margin
            return build_critic(where, entry, config, model, seen, next(seeds))

        settings = (OBJECTIVES[entry.objective], entry.penalty, entry.weight)
        if critics.CRITICS[entry.name].partner:
            dependency.append(DependencyCritics(entry.name, critic(), critic(), *settings))
            continue
        for source in entry.sources or config.sources:
            index = config.sources.index(source)
            found = SourceCritic(f"{entry.name}/{source}", critic(), index, *settings)
            spectra = found.critic.log_magnitudes_of
            found.magnitudes = spectra is not None and spectra == model.log_magnitudes_of
            sources.append(found)
    return CriticSet(sources, dependency, margin)


def build_critic(
    where: str,
    entry: CriticSettings,
    config: Config,
    model: SeparatorModel,
    samples: int,
    seed: int,
) -> critics.Critic:
    """One critic of excerpts of `samples` samples.

    Args:
      where: dotted key of `entry`, with which every message starts.

    Raises:
      ValueError: it cannot be built like that.
    """
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
        with limited():
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


def margin_samples(config: Config, model: SeparatorModel, samples: int) -> int:
    """Samples at both ends of an excerpt of `samples` samples that critics do not receive.

    Raises:
      ValueError: nothing would be left.
    """
    if config.adversarial.margin is None:
        if 2 * model.context >= samples:
            context = model.context / model.sample_rate
            raise ValueError(
                f"data.seconds={config.data.seconds:g}: critics would receive nothing, because the "
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
    if step.turns.critic_steps:
        names = [entry.name for entry in step.terms.critics]
        size = sum(int(np.prod(v.shape)) for c in step.state.critics for v in c.trainable_variables)
        parts.append(f"critics {', '.join(names)} ({size:,} weights)")
    if phase == "adversarial":
        parts.append(f"alpha={config.alpha:g}, beta={config.beta:g}")
    if step.terms.pseudo_labels:
        parts.append(f"teacher: {config.self_training.teacher}")
    return f"{phase}: {'; '.join(parts)}"
