"""Metadata beside songs: YAML and JSON files, and the stems that their labels belong to."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from common.files import read_limited
from common.json_files import parse_json
from datasets.song_files.stem_file import StemFile, StemFiles, summed
from datasets.track import SOURCES

LARGEST = 2**21  # bytes
MOST_PARTS = 200_000  # of YAML as it is written; reading them takes seconds


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML without what a few lines can make endless: merged sections, numbers without end."""

    def flatten_mapping(self, node):
        """Refuse sections that are merged into others."""
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.YAMLError("sections merged into others (<<)")

    def construct_yaml_int(self, node):
        """A whole number, if it has a few digits."""
        if len(node.value) > 64:
            raise yaml.YAMLError("a number of many digits")
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Read a mapping from a .json or .yaml file; nothing in it is run.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it holds something else; names the file and, where there is one, the line.
    """
    return parse(read_limited(path, LARGEST), path, Path(path).suffix)


def parse(data: bytes, path: str | os.PathLike, suffix: str) -> dict[str, Any]:
    """Read the mapping in the content of a file.

    Args:
      data: its content.
      path: where it is from, for messages.
      suffix: ".json", or any other for YAML.

    Raises:
      ValueError: as of `read`.
    """
    if suffix.lower() == ".json":
        try:
            found = parse_json(data, path, "fetch it again", object)
        except ValueError as error:
            text = str(error).replace("not valid JSON", "not JSON that can be read")
            raise ValueError(text) from None
        return _mapping(path, found)
    if sum(map(data.count, (b",", b"\n", b"[", b"{"))) > MOST_PARTS:
        raise ValueError(f"{path}: more than {MOST_PARTS} lines and values; fetch it again")
    try:
        found = yaml.load(data, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ValueError(f"{path}: not YAML that can be read{where}; fetch it again") from None
    return _mapping(path, found)


def _mapping(path: str | os.PathLike, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected keys and values, found {type(found).__name__}")
    return found


def value(path: str | os.PathLike, section: Any, key: str, kind: type, what: str = "") -> Any:
    """A value of a section of metadata.

    Args:
      path: of the file, for messages.
      section: a mapping, or what stands in its place.
      key: its key.
      kind: str, dict or list.
      what: which section this is, for messages.

    Raises:
      ValueError: it is not there, or of another kind.
    """
    found = section.get(key) if isinstance(section, dict) else None
    if not isinstance(found, kind):
        where = f"{what}: " if what else ""
        names = {str: "a text", dict: "a section", list: "a list"}
        raise ValueError(f"{path}: {where}no {key}, or not {names[kind]}")
    return found


class Grouping:
    """Which stem a label belongs to.

    Attributes:
      stems: the stems, the one for all other labels among them.
      sums: "accompaniment": all but the vocals, where there are vocals.
    """

    def __init__(self, mapping: Mapping[str, Sequence[str]], rest: str = "other"):
        """Turn a mapping round.

        Args:
          mapping: stem → labels, whose case does not matter.
          rest: the stem of labels that are not named.

        Raises:
          ValueError: no such mapping, or a label that is in two stems.
        """
        if not isinstance(mapping, Mapping) or any(
            isinstance(one, str) for one in mapping.values()
        ):
            raise ValueError(f"mapping={mapping!r}: expected stems, each with a list of labels")
        self._stems: dict[str, str] = {}
        for stem, labels in mapping.items():
            for label in labels:
                if self._stems.setdefault(_plain(label), stem) != stem:
                    both = f"{self._stems[_plain(label)]} and {stem}"
                    raise ValueError(f"mapping: {label!r} cannot be both in {both}")
        self._rest = rest
        order = {stem: place for place, stem in enumerate(SOURCES)}
        stems = dict.fromkeys((*mapping, rest))
        self.stems = tuple(sorted(stems, key=lambda stem: order.get(stem, len(order))))
        others = tuple(stem for stem in self.stems if stem != "vocals")
        self.sums = {"accompaniment": others} if "vocals" in self.stems else {}

    def __call__(self, label: str) -> str:
        """Return the stem that a label belongs to."""
        return self._stems.get(_plain(label), self._rest)

    def stem_files(self, files: Sequence[tuple[str, Path]]) -> dict[str, StemFile | StemFiles]:
        """Stem → what adds up to it, each file once, of (stem, file)."""
        found: dict[str, dict[Path, None]] = {}
        for stem, file in files:
            found.setdefault(stem, {})[file] = None
        return {stem: summed(list(paths)) for stem, paths in found.items()}


def _plain(label: str) -> str:
    return " ".join(str(label).lower().replace("_", " ").split())
