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


def name_of(model: SeparatorModel) -> str:
    """The name under which a model's class is registered; ValueError where it is not."""
    for name, kind in SEPARATORS.items():
        if kind is type(model):
            return name
    raise ValueError(f"{type(model).__name__} is not in dssgan.models.SEPARATORS: add its line")
