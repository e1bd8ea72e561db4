"""From a configuration to the objects that refine a separator: critics, teacher, their step."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dssgan import critics, exported
from dssgan.adversarial import OBJECTIVES
from dssgan.assembly import (
    build_loss,
    build_model,
    build_rule,
    build_schedule,
    compiled,
    excerpt_samples,
)
from dssgan.config import Config, Critic
from dssgan.judges import Judge, Pair, critics_of
from dssgan.logs import Logs
from dssgan.models.base import SeparatorModel
from dssgan.refine import RefinementStep, Teaching
from dssgan.refined_state import RefinementState
from dssgan.relabel import fitted

STUCK = 20  # points of a curve in a row that make a critic's accuracy suspicious


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
    """How a teacher's labels become songs."""
    names = ("weight", "threshold_db", "drop", "solo_share", "gain_db")
    return Teaching(**{name: getattr(config.self_training, name) for name in names})


def build_judges(
    config: Config, model: SeparatorModel, margin: int
) -> tuple[list[Judge], list[Pair]]:
    """The critics of a configuration with their first weights, which follow from the seed."""
    samples = excerpt_samples(config, model) - 2 * margin
    judges, pairs, built = [], [], 0

    def critic(entry: Critic, channels: int) -> critics.Critic:
        nonlocal built
        built += 1
        options = dict(entry.hyperparameters)
        if critics.CRITICS[entry.name].partner:
            options["estimates"] = len(model.sources)
        if "seed" in inspect.signature(critics.CRITICS[entry.name].__init__).parameters:
            options.setdefault("seed", (config.seed + built) % 2**31)
        return critics.build(
            entry.name,
            sample_rate=model.sample_rate,
            samples=samples,
            channels=channels,
            **options,
        )

    for entry in config.adversarial.critics:
        objective = OBJECTIVES[entry.objective]
        if critics.CRITICS[entry.name].partner:
            two = [critic(entry, config.data.channels) for _ in range(2)]
            pairs.append(Pair(entry.name, *two, objective, entry.penalty, entry.weight))
            continue
        for source in entry.sources or config.sources:
            judges.append(
                Judge(
                    f"{entry.name}/{source}",
                    critic(entry, config.data.channels),
                    config.sources.index(source),
                    objective,
                    entry.penalty,
                    entry.weight,
                )
            )
    return judges, pairs


def margin_samples(config: Config, model: SeparatorModel) -> int:
    """Samples at both ends of an excerpt that critics do not hear."""
    samples = excerpt_samples(config, model)
    if config.adversarial.margin is None:
        return min(model.context, samples // 4)
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
    found = exported.load(folder)
    own, other = (
        {name: value for name, value in each.hyperparameters.items() if name != "precision"}
        for each in (model, found)
    )
    if type(found) is not type(model):
        raise ValueError(
            f"{key}: {folder} is a {found.name}, the configuration asks for a {model.name}; "
            "choose the same model.name"
        )
    for name in sorted(own.keys() | other.keys()):
        if own.get(name) != other.get(name):
            raise ValueError(
                f"{key}: {folder} has {name}={other.get(name)}, the configuration "
                f"{own.get(name)}; the architecture must be the same"
            )
    model.set_weights(found.get_weights())


def recited(phase: str, config: Config, step: RefinementStep) -> str:
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


class Pictures:
    """Sound and spectrogram of real solos and of what the separator makes of unpaired mixtures."""

    def __init__(self, model: SeparatorModel, source: Any, every: int, wanted: bool):
        self.model, self.source, self.every, self.wanted = model, source, every, wanted
        self._done = 0

    def __call__(self, step: int, logs: Logs) -> None:
        """Show the first excerpt of the first batch."""
        due = self._done < self.every or self._done % self.every == 0
        self._done += 1
        if not (self.wanted and due and logs.folder):
            return
        batch = self.source.batch(0)
        mixture = batch["mixtures"][:1]
        estimates = self.model(tf.constant(mixture), training=False)
        estimates = fitted(estimates, mixture) if self.model.scale_free else estimates
        estimates = estimates.numpy()[0]
        sounds = {"mixture": mixture[0]}
        for source, estimate in zip(self.model.sources, estimates):
            sounds[f"{source}/generated"] = estimate
            if source in batch["solos"]:
                sounds[f"{source}/real"] = batch["solos"][source][0]
        logs.sounds(step, "unpaired", sounds, self.model.sample_rate)


class Collapse:
    """Notices critics whose accuracy has been stuck at chance or at certainty for long."""

    def __init__(self, names: Sequence[str], patience: int = STUCK):
        self.patience = patience
        self._stuck = {name: [0, 0] for name in names}

    def __call__(self, step: int, means: dict[str, float]) -> str:
        """A remark with a hint, once per stretch, or nothing."""
        remarks = []
        for name, counts in self._stuck.items():
            accuracy = means.get(f"train/critic/{name}/accuracy")
            if accuracy is None:
                continue
            for place, stuck in enumerate((abs(accuracy - 0.5) < 0.02, accuracy > 0.98)):
                counts[place] = counts[place] + 1 if stuck else 0
                if counts[place] == self.patience:
                    remarks.append(self._remark(name, step, place == 1))
        return "; ".join(remarks)

    @staticmethod
    def _remark(name: str, step: int, certain: bool) -> str:
        if certain:
            return (
                f"step {step}: critic {name} tells real from generated every time; lower "
                "adversarial.critic_schedule.learning_rate or critic_steps, or raise its penalty"
            )
        return (
            f"step {step}: critic {name} only guesses; raise critic_steps, its learning rate or "
            "its width, or check that its solo recordings sound like the source"
        )
