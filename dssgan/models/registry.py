"""The separators by name; `dssgan.models` fills the registry, `combined` builds from it."""

from dssgan.models.base import SeparatorModel

SEPARATORS: dict[str, type[SeparatorModel]] = {}


def build(name: str, **hyperparameters) -> SeparatorModel:
    """Build the separator `name`.

    Raises:
      ValueError: an unknown name, with those that are known; hyperparameters out of range.
    """
    if name not in SEPARATORS:
        known = ", ".join(sorted(SEPARATORS))
        raise ValueError(f"unknown separator {name!r}: expected one of {known}")
    return SEPARATORS[name](**hyperparameters)
