"""Rules between the keys of a configuration."""

from typing import Any

from common.files import check_name
from dssgan.config.augmentation import check_augmentation
from dssgan.config.sizes import check_sizes

REFINEMENTS = ("self_training", "adversarial")


def check_rules(config: Any) -> None:
    """Check a configuration as a whole.

    Raises:
      ValueError: keys that contradict each other.
    """
    for key in ("sources", "phases"):
        names = getattr(config, key)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{key}={list(names)}: expected at least one name, each once")
    for source in config.sources:
        check_name(source, "sources")
    check_sizes(config.model.hyperparameters, "model")
    for place, critic in enumerate(config.adversarial.critics):
        check_sizes(critic.hyperparameters, f"adversarial.critics[{place}]")
    for source in config.validation.sources:
        if source not in config.sources:
            raise ValueError(
                f"validation.sources: {source!r} is none of the sources {', '.join(config.sources)}"
            )
    check_augmentation(config.data.augmentation, config.sources)
    if config.data.batch % config.optimiser.accumulate:
        raise ValueError(
            f"data.batch={config.data.batch} is not a multiple of "
            f"optimiser.accumulate={config.optimiser.accumulate}"
        )
    _check_phases(config)
    _check_references(config)
    _check_unpaired(config)
    _check_critics(config)


def _check_phases(config: Any) -> None:
    """What the phases need: their order, where they start, whole batches."""
    for key in ("alpha", "beta"):
        if getattr(config, key) and "adversarial" not in config.phases:
            raise ValueError(
                f"{key}={getattr(config, key):g} weighs a loss of the adversarial phase, but the "
                f"phases are {', '.join(config.phases)}; set {key}=0 or add the phase: "
                "phases=[supervised, adversarial, test]"
            )
    training = [phase for phase in config.phases if phase != "test"]
    _check_trainable(config, training)
    if "supervised" in training[1:]:
        raise ValueError(
            f"phases=[{', '.join(config.phases)}]: the supervised phase begins with new weights, "
            f"what {training[0]} learnt would be lost; put it first"
        )
    for phase in REFINEMENTS:
        if phase not in training:
            continue
        init = getattr(config, phase).init
        taught = phase == "self_training" or config.adversarial.taught
        if init == "supervised" and phase == training[0]:
            new = "" if taught else f", or set {phase}.init=scratch"
            raise ValueError(
                f"{phase}.init=supervised: no phase comes before it; put supervised in front, or "
                f"name the folder of an exported separator{new}"
            )
        if init == "scratch" and taught:
            raise ValueError(
                f"{phase}.init=scratch: the teacher would be a separator that has learnt nothing; "
                f"set {phase}.init=supervised behind another phase, or name the folder of an "
                "exported separator"
            )
        if config.optimiser.accumulate > 1:
            raise ValueError(
                f"optimiser.accumulate={config.optimiser.accumulate}: the phase {phase} works on "
                "whole batches; set optimiser.accumulate=1 and a smaller data.batch"
            )
        if config.data.augmentation.mixes > 1:
            raise ValueError(
                f"data.augmentation.mixes={config.data.augmentation.mixes}: unpaired mixtures have "
                f"one mix, the phase {phase} cannot use several; set data.augmentation.mixes=1"
            )


def _check_references(config: Any) -> None:
    """Songs without stems are for refinements that start from a separator."""
    if config.validation.references == "stems" or config.validation.metric == "none":
        return
    for phase in config.phases:
        init = getattr(config, phase).init if phase in REFINEMENTS else "scratch"
        if phase != "test" and init == "scratch":
            raise ValueError(
                f"validation.references=estimates: {phase} has no separator to estimate with; set "
                "validation.references=stems, or let self_training or adversarial start from a "
                "separator"
            )
    if not config.unpaired.mixtures:
        raise ValueError(
            "validation.references=estimates: unpaired.mixtures names no songs; name some, and "
            "hold some of them back with unpaired.mixtures.0.valid=[…]"
        )


def _check_trainable(config: Any, training: list[str]) -> None:
    """A part of the weights is trained only where the others have learnt something before."""
    if "supervised" in training and config.supervised.init == "supervised":
        raise ValueError(
            "supervised.init=supervised: expected scratch, or the folder or name of an exported "
            "separator"
        )
    if config.trainable == "all" or not training:
        return
    if getattr(config, training[0]).init == "scratch":
        raise ValueError(
            f"trainable={config.trainable}: {training[0]}.init=scratch begins with weights that "
            f"have learnt nothing, most of which would stay so; set {training[0]}.init to an "
            "exported separator, or trainable=all"
        )


def _check_unpaired(config: Any) -> None:
    """Gains in order, solo recordings of known sources."""
    low, high = config.self_training.gain_db
    if high < low:
        raise ValueError(f"self_training.gain_db=[{low:g}, {high:g}]: the lower gain comes first")
    low, high = config.unpaired.gain
    if high < low:
        raise ValueError(f"unpaired.gain=[{low:g}, {high:g}]: the lower factor comes first")
    for place, solo in enumerate(config.unpaired.solos):
        if solo.source not in config.sources:
            raise ValueError(
                f"unpaired.solos[{place}].source={solo.source!r}: none of the sources "
                f"{', '.join(config.sources)}"
            )


def _check_critics(config: Any) -> None:
    """Critics of known sources, each named once, and one at least where alpha weighs them."""
    if config.alpha and not config.adversarial.critics:
        raise ValueError(
            f"alpha={config.alpha:g} weighs a loss of critics, but adversarial.critics is empty; "
            "name one, or set alpha=0"
        )
    seen: dict[tuple[str, str], int] = {}
    for place, critic in enumerate(config.adversarial.critics):
        where = f"adversarial.critics[{place}]"
        for source in critic.sources:
            if source not in config.sources:
                raise ValueError(
                    f"{where}.sources: {source!r} is none of the sources "
                    f"{', '.join(config.sources)}"
                )
        for source in critic.sources or config.sources:
            name = (critic.name, source)
            if name in seen:
                raise ValueError(
                    f"{where}: critic {critic.name} of {source} is named twice (also in "
                    f"adversarial.critics[{seen[name]}]); name each once"
                )
            seen[name] = place
