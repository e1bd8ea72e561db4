"""The separators by name: one line per system."""

from dssgan.models.base import SeparatorModel
from dssgan.models.multistage import MultiStage

SEPARATORS: dict[str, type[SeparatorModel]] = {
    "multistage": MultiStage,
}


def build(name: str, **hyperparameters) -> SeparatorModel:
    """Build the separator `name`; an unknown name is a ValueError that lists the known ones."""
    if name not in SEPARATORS:
        known = ", ".join(sorted(SEPARATORS))
        raise ValueError(f"unknown separator {name!r}: expected one of {known}")
    return SEPARATORS[name](**hyperparameters)
