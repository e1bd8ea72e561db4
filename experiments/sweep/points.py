"""The points of a sweep: checked configurations with names that follow from their values."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common.cli import UsageError
from common.digests import content_digest
from dssgan.config.mappings import flatten, to_dict
from dssgan.config.schema import Config
from experiments.run.configuration import configure
from experiments.run.yaml_files import literal
from experiments.sweep.axes import Axis, written

LONGEST = 100  # letters of a name


@dataclasses.dataclass(frozen=True)
class Point:
    """One training run of a sweep.

    Attributes:
      name: of its folder; follows from its values alone.
      keys: {dotted key: the text it was given} of the swept keys.
      values: {dotted key: as it is written in tables}.
      config: the whole of it.
    """

    name: str
    keys: dict[str, str]
    values: dict[str, str]
    config: Config

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.config.tracking.folder) / self.name


class Maker:
    """Makes points from swept values.

    Args:
      words: configuration files and keys of every point.
      axes: what is swept.
      name: of the sweep; None takes that of the configuration file.
      check: (configuration) → raises ValueError where it would fail to start.
    """

    def __init__(
        self,
        words: Sequence[str],
        axes: Sequence[Axis],
        name: str | None,
        check: Callable[[Config], None],
    ):
        self.words, self.axes, self.check = list(words), list(axes), check
        files = [Path(word).stem for word in words if "=" not in word]
        self.name = name or f"{files[-1] if files else 'demo'}_sweep"
        self.labels = labels([axis.key for axis in axes])

    def __call__(self, keys: dict[str, str]) -> Point:
        """A checked point.

        Raises:
          UsageError: an unknown key, a wrong value, keys that contradict each other.
        """
        config, _, _ = configure([*self.words, *(f"{key}={text}" for key, text in keys.items())])
        flat = flatten(to_dict(config))
        found = {key: flat.get(key, literal(text)) for key, text in keys.items()}
        values = {key: written(value) for key, value in found.items()}
        name = named({self.labels[key]: value for key, value in values.items()})
        tracking = dataclasses.replace(
            config.tracking, folder=str(Path(config.tracking.folder) / self.name)
        )
        config = dataclasses.replace(config, name=name, tracking=tracking)
        self.check(config)
        return Point(name, dict(keys), values, config)

    def all(self, combinations: Iterator[dict[str, str]]) -> list[Point]:
        """Every point, checked.

        Raises:
          UsageError: one of them is wrong, or two are the same.
        """
        points: dict[str, Point] = {}
        for keys in combinations:
            point = self(keys)
            if point.name in points:
                words = " ".join(f"{key}={text}" for key, text in keys.items())
                raise UsageError(f"{words}: named twice, the second time with other words")
            points[point.name] = point
        return list(points.values())


def labels(keys: Sequence[str]) -> dict[str, str]:
    """The shortest ends of dotted keys that differ."""
    found = {}
    for key in keys:
        parts = key.split(".")
        for length in range(1, len(parts) + 1):
            end = ".".join(parts[-length:])
            if not any(k != key and f".{k}".endswith(f".{end}") for k in keys):
                break
        found[key] = end
    return found


def named(values: dict[str, str]) -> str:
    """The name of a point; names of different points differ."""
    plain = "_".join(f"{label}-{value}" for label, value in values.items())
    name = re.sub(r"[^\w.+-]+", "-", plain)
    if name == plain and len(name) <= LONGEST:
        return name
    digest = content_digest(json.dumps(values))[:8]
    return f"{name[:LONGEST].strip('-')}_{digest}"
