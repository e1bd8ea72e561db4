"""The configuration that comes with a checkpoint: YAML of Music-Source-Separation-Training."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from common.cli import one_line
from common.files import check_name
from dssgan.config.yaml_loader import Loader, load

MOST_OVERLAP = 0.5  # what more costs is time
TUPLE = "tag:yaml.org,2002:python/tuple"


class _Loader(Loader):
    """Tuples of Python are lists; nothing else of Python is known."""


_Loader.add_constructor(TUPLE, lambda loader, node: loader.construct_sequence(node, deep=True))


@dataclass(frozen=True)
class Settings:
    """What a configuration says.

    Attributes:
      path: for messages. values: all of it.
    """

    path: Path
    values: dict[str, Any]

    def section(self, name: str) -> dict[str, Any]:
        """A section by its name; empty where there is none."""
        found = self.values.get(name) or {}
        if not isinstance(found, dict):
            raise ValueError(f"{self.path}: {name}: expected keys and values")
        return found

    def number(self, section: str, key: str, default: int | None = None) -> int:
        """A whole number; ValueError where there is another value, or none and no default."""
        value = self.section(section).get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{self.path}: {section}.{key} is {value!r}, expected a whole number")
        return value

    def known(self, section: str, meaning: Iterable[str], refused: dict[str, Any]) -> None:
        """Check the keys of a section.

        Args:
          meaning: keys that are read, or that mean nothing once a model is trained.
          refused: keys that must have one value, and this value.

        Raises:
          ValueError: another key, or another value of one that must have one; names it.
        """
        found = self.section(section)
        for key, value in found.items():
            if key in refused and value != refused[key]:
                raise ValueError(
                    f"{self.path}: {section}.{key} is {value!r}: not supported, only "
                    f"{refused[key]!r}"
                )
            if key not in refused and key not in meaning:
                raise ValueError(f"{self.path}: {section}.{key}: an option that is not supported")

    def sources(self, count: int) -> tuple[list[str], list[str]]:
        """Names of the sources, and of those that a network of `count` outputs estimates.

        Raises:
          ValueError: there are more or fewer names than outputs.
        """
        training = self.section("training")
        target, names = training.get("target_instrument"), training.get("instruments")
        names = [target] if target else names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{self.path}: training.instruments: expected a list of names")
        names = [check_name(name.lower(), f"{self.path}: training") for name in names]
        if len(names) != count:
            raise ValueError(
                f"{self.path}: training names {', '.join(names)}, the checkpoint has {count} "
                "outputs"
            )
        return (names, names) if count > 1 else ([*names, "accompaniment"], names)

    def chunks(self, sample_rate: int) -> dict[str, float]:
        """Length in seconds and overlap of the chunks that the model is meant for."""
        audio, inference = self.section("audio"), self.section("inference")
        length = inference.get("chunk_size", audio.get("chunk_size"))
        found = {}
        if isinstance(length, int) and 0 < length < 3600 * sample_rate:
            found["segment"] = length / sample_rate
        overlaps = inference.get("num_overlap")
        if isinstance(overlaps, int) and overlaps > 1:
            found["overlap"] = min(MOST_OVERLAP, 1 - 1 / overlaps)
        return found


def read(path: Path | None) -> Settings:
    """Read a configuration; ValueError where there is none or it is no YAML of keys and values."""
    if path is None:
        raise ValueError(
            "the file does not say everything about its network; name the configuration that "
            "comes with it: --config model.yaml"
        )
    try:
        values = load(path, _Loader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read: {one_line(error)[:200]}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected keys and values, such as 'audio: …'")
    return Settings(path, values)
