"""Where a phase starts: new weights, the phase before, or a separator that is named."""

from pathlib import Path
from typing import Any

from common.suggest import nearest
from dssgan import models
from dssgan.config.rules import REFINEMENTS
from dssgan.config.schema import Config
from dssgan.exports import find_export, pretrained, stored
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.models.heads import SOURCES, TakenOver, new_targets, take_over

STARTS = ("supervised", "scratch")  # of a refinement, beside a separator


def named_starts(config: Config) -> dict[str, str]:
    """{phase: separator} of the phases that start from a separator which is named.

    Raises:
      ValueError: there is neither a folder nor a separator of that name.
    """
    starts = {}
    for phase in config.phases:
        if phase in REFINEMENTS or phase == "supervised":
            init, words = getattr(config, phase).init, STARTS
            words = STARTS if phase in REFINEMENTS else ("scratch",)
            if init in words:
                continue
            names = pretrained() | stored()
            if not Path(init).expanduser().is_dir() and init not in names:
                raise ValueError(
                    f"{phase}.init={init!r}: expected {', '.join(words)}, the folder of an "
                    "exported separator or the name of one (python -m dssgan.catalogue list)"
                    f"{nearest(init, [*words, *names])}"
                )
            starts[phase] = init
    return starts


def start_from(model: SeparatorModel, start: Any, key: str) -> TakenOver:
    """Take over the weights of an exported separator of the same architecture.

    Its sources may be others: then the last layers of those that it lacks stay as they are.

    Args:
      start: folder or name, as `dssgan.exports.find_export` takes it. key: for messages.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    check_start(model, start, key)
    other = export.load(located(start, key))
    try:
        return take_over(model, other)
    except ValueError as error:
        raise ValueError(f"{key}: {start}: {error}") from error


def check_start(model: SeparatorModel, start: Any, key: str) -> list[str]:
    """Compare an exported separator with `model`; its weights are not read.

    Returns:
      Targets of `model` whose last layers it lacks, as of `dssgan.models.heads.new_targets`.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    folder = located(start, key)
    kind, hyperparameters = export.architecture(folder)
    if models.SEPARATORS.get(kind) is not type(model):
        raise ValueError(
            f"{key}: {start} is a {kind}, the configuration asks for a {model.name}; "
            "choose the same model.name"
        )
    free = ("precision", *(SOURCES if model.heads() else ()))
    own, other = (
        {name: value for name, value in each.items() if name not in free}
        for each in (model.hyperparameters, hyperparameters)
    )
    for name in sorted(own.keys() | other.keys()):
        if own.get(name) != other.get(name):
            more = " (only sources and targets may differ)" if model.heads() else ""
            raise ValueError(
                f"{key}: {start} has {name}={other.get(name)}, the configuration "
                f"{own.get(name)}; the architecture must be the same{more}"
            )
    return new_targets(model, hyperparameters)


def located(start: Any, key: str) -> Path:
    """The folder of a separator that is named; errors as of `check_start`."""
    path = Path(start).expanduser()
    try:
        return find_export(path if path.exists() else start)
    except ValueError as error:
        raise FileNotFoundError(f"{key}: {error}") from error
