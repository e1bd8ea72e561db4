"""From a configuration to the objects that refine a separator: critics, teacher, their step."""

import itertools
from pathlib import Path
from typing import Any

import tensorflow as tf

from dssgan import critics, exported, models
from dssgan.adversarial import OBJECTIVES
from dssgan.assembly import (
    build_loss,
    build_model,
    build_rule,
    build_schedule,
    compiled,
    excerpt_samples,
)
from dssgan.choices import critic_options
from dssgan.config import Config, Critic
from dssgan.consistency import REFINEMENTS
from dssgan.judges import Heard, Judge, Pair, critics_of
from dssgan.models.base import SeparatorModel
from dssgan.refine import RefinementStep
from dssgan.refined_state import RefinementState
from dssgan.relabel import Teaching


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


def build_teaching(config: Config) -> Teaching:
    """How a teacher's labels become songs.

    Raises:
      ValueError: a share is to be left out that is less than one song.
    """
    names = ("weight", "threshold_db", "drop", "solo_share", "gain_db")
    teaching = Teaching(**{name: getattr(config.self_training, name) for name in names})
    songs = config.data.batch // tf.distribute.get_strategy().num_replicas_in_sync
    if teaching.drop and not int(teaching.drop * songs):
        raise ValueError(
            f"self_training.drop={teaching.drop:g} leaves out none of the {songs} songs of a batch "
            f"on a device; expected {1.0 / songs:.3g} or more, a larger data.batch, or 0"
        )
    return teaching


def build_judges(
    config: Config, model: SeparatorModel, margin: int
) -> tuple[list[Judge], list[Pair]]:
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
                Pair(entry.name, critic(), critic(), objective, entry.penalty, entry.weight)
            )
            continue
        for source in entry.sources or config.sources:
            index = config.sources.index(source)
            judge = Judge(
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


def check_refinements(config: Config) -> None:
    """Build the critics and look at where phases start, before others take their hours.

    Raises:
      ValueError: critics that cannot be built as the configuration says; a separator to start from
        that is of another architecture. OSError: it is not there.
    """
    phases = [phase for phase in REFINEMENTS if phase in config.phases]
    if not phases:
        return
    model = build_model(config)
    for phase in phases:
        init = getattr(config, phase).init
        if init not in ("supervised", "scratch"):
            check_start(model, init, f"{phase}.init")
    if "self_training" in phases or config.adversarial.taught:
        build_teaching(config)
    if "adversarial" in phases and config.alpha:
        margin = margin_samples(config, model)
        rehearse(config, model, build_judges(config, model, margin)[0], margin)


def rehearse(config: Config, model: SeparatorModel, judges: list[Judge], margin: int) -> None:
    """Trace the lesson of critics that judge the separator's spectra; nothing is computed.

    Such spectra have full context whatever the margin is, which crops the solo recordings.

    Raises:
      ValueError: real and generated excerpts differ in length.
    """
    judges = [judge for judge in judges if judge.magnitudes]
    if not judges:
        return
    audio = (1, excerpt_samples(config, model), config.data.channels)

    def lessons(seed: tf.Tensor) -> list[tf.Tensor]:
        mixtures = tf.zeros(audio)
        batch = {
            "stems": tf.zeros((1, len(model.sources), *audio[1:])),
            "mixtures": mixtures,
            "solos": dict.fromkeys(model.sources, mixtures),
        }
        outputs = model.unpaired_estimates(mixtures)
        heard = Heard.of(
            model.sources, outputs["estimates"], batch, margin, outputs["log_magnitudes"]
        )
        return [judge.learn(heard, seed)[0] for judge in judges]

    traced = tf.function(lessons, autograph=False)
    traced.get_concrete_function(tf.TensorSpec((2,), tf.int32))


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


def start_from(model: SeparatorModel, folder: Any, key: str) -> None:
    """Take over the weights of an exported separator of the same architecture.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    check_start(model, folder, key)
    model.set_weights(exported.load(Path(folder).expanduser()).get_weights())


def check_start(model: SeparatorModel, folder: Any, key: str) -> None:
    """Compare an exported separator with `model`; its weights are not read.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    try:
        kind, hyperparameters = exported.architecture(Path(folder).expanduser())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{key}: {error}") from error
    if models.SEPARATORS.get(kind) is not type(model):
        raise ValueError(
            f"{key}: {folder} is a {kind}, the configuration asks for a {model.name}; "
            "choose the same model.name"
        )
    own, other = (
        {name: value for name, value in each.items() if name != "precision"}
        for each in (model.hyperparameters, hyperparameters)
    )
    for name in sorted(own.keys() | other.keys()):
        if own.get(name) != other.get(name):
            raise ValueError(
                f"{key}: {folder} has {name}={other.get(name)}, the configuration "
                f"{own.get(name)}; the architecture must be the same"
            )
