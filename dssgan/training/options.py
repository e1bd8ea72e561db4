"""Names and hyperparameters of a configuration, looked up in the registries."""

import inspect
import typing
from collections.abc import Callable

from common.suggest import nearest
from dssgan.config.mappings import plain
from dssgan.config.reading import conform
from dssgan.config.schema import Config, CriticSettings
from dssgan.critics import CRITICS
from dssgan.losses import LOSSES, NEEDED_OUTPUTS
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.models import SEPARATORS
from dssgan.optimisers.rules import OPTIMISERS
from dssgan.optimisers.schedules import SCHEDULES


def check_choices(config: Config) -> None:
    """Check what a configuration chooses by name, before anything is built.

    Raises:
      ValueError: an unknown name, an unknown hyperparameter or one of a wrong type; the message
        starts with the dotted key.
    """
    for key, name, known in (
        ("model.name", config.model.name, SEPARATORS),
        ("loss.name", config.loss.name, LOSSES),
        ("optimiser.name", config.optimiser.name, OPTIMISERS),
        ("schedule.name", config.schedule.name, SCHEDULES),
    ):
        if name not in known:
            names = ", ".join(sorted(known))
            raise ValueError(f"{key}={name!r}: expected one of {names}{nearest(name, known)}")
    for place, critic in enumerate(config.adversarial.critics):
        critic_options(critic, f"adversarial.critics[{place}]")
    model_options(config)
    check_loss(config)
    loss = LOSSES[config.loss.name]
    check_options("loss", loss, config.loss.weights, ("outputs", "references", "mixture"))


def check_loss(config: Config) -> None:
    """Check that the separator gives what the loss needs; ValueError names losses that fit."""
    given = SEPARATORS[config.model.name].training_outputs
    if NEEDED_OUTPUTS.get(config.loss.name, "estimates") not in (*given, "estimates"):
        fitting = [name for name in LOSSES if NEEDED_OUTPUTS.get(name) in (*given, None)]
        raise ValueError(
            f"loss.name={config.loss.name!r} needs {NEEDED_OUTPUTS[config.loss.name]}, which "
            f"{config.model.name} does not give; losses for it: {', '.join(sorted(fitting))}"
        )


def critic_options(critic: CriticSettings, where: str) -> dict:
    """The keyword arguments of a configured critic; ValueError, which starts with `where`."""
    for key, name, known in (
        ("name", critic.name, CRITICS),
        ("objective", critic.objective, OBJECTIVES),
    ):
        if name not in known:
            names = ", ".join(sorted(known))
            raise ValueError(
                f"{where}.{key}={name!r}: expected one of {names}{nearest(name, known)}"
            )
    if critic.sources and CRITICS[critic.name].partner:
        raise ValueError(
            f"{where}.sources: {critic.name} gets all estimates beside their mixture; leave the "
            "sources out"
        )
    given = ("self", "name", "sample_rate", "channels", "samples", "estimates")
    return check_options(where, CRITICS[critic.name].__init__, critic.hyperparameters, given)


def model_options(config: Config) -> dict:
    """The keyword arguments of the configured separator."""
    given = config.model.hyperparameters
    separator = SEPARATORS[config.model.name]
    options = check_options("model", separator.__init__, given, ("self", "sources", "name"))
    return options | {"sources": list(config.sources)}


def check_options(section: str, call: Callable, given: dict, reserved: tuple[str, ...]) -> dict:
    """Check keyword arguments against a signature; whole numbers become numbers where it says so.

    Args:
      reserved: arguments that a configuration does not set here.

    Raises:
      ValueError: unknown or of a wrong type.
    """
    parameters = inspect.signature(call).parameters
    known = [
        name
        for name, parameter in parameters.items()
        if name not in reserved and parameter.kind not in (parameter.VAR_KEYWORD,)
    ]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = typing.get_type_hints(call)
    checked = {}
    for key, value in given.items():
        where = f"{section}.{key}"
        if key not in known and not open_ended:
            near = nearest(key, known).replace("mean ", f"mean {section}.")
            raise ValueError(f"unknown key {where}{near or '; known here: ' + ', '.join(known)}")
        checked[key] = plain(conform(hints[key], value, where) if key in hints else value)
    return checked
