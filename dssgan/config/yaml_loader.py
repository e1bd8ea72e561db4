"""YAML read within bounds: nothing in it is run, and nothing in it grows without end."""

import re
from pathlib import Path
from typing import Any

import yaml

from common.files import read_limited

MOST_PARTS = 40_000  # of a file as it is written; reading them takes seconds
MOST_DIGITS = 64
MOST_VALUES = 100_000  # of a file, aliases written out
LARGEST = 2**22  # bytes of a file


def load(path: Path, loader: type[yaml.SafeLoader] | None = None) -> Any:
    """What stands in a file, in UTF-8.

    Args:
      loader: `Loader`, or one made of it.

    Raises:
      ValueError, yaml.YAMLError, RecursionError: it is no such YAML, or too much of it.
      OSError: it is not there or cannot be read.
    """
    data = read_limited(path, LARGEST)
    if sum(map(data.count, (b",", b"\n", b"[", b"{"))) > MOST_PARTS:
        raise ValueError(f"more than {MOST_PARTS} lines and values")
    return yaml.load(data.decode("utf-8"), loader or Loader)


class Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, every key stands once, and nothing grows without bound."""

    def get_single_node(self):
        """The document, if its aliases do not multiply it beyond `MOST_VALUES`."""
        node = super().get_single_node()
        if node is not None and _count(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST_VALUES} values")
        return node

    def construct_yaml_int(self, node):
        """A whole number, if it has a few digits."""
        if len(node.value) > MOST_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value)} digits")
        return super().construct_yaml_int(node)

    def construct_mapping(self, node, deep=False):
        """A mapping; a key that stands in it twice is an error that names both lines."""
        lines: dict[Any, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines and key.value != "<<":
                raise yaml.YAMLError(
                    f"the key {key.value!r} stands in line {lines[name]} and again in line {line}; "
                    "keep one of them"
                )
            if isinstance(key, yaml.ScalarNode):
                lines[name] = line
        return super().construct_mapping(node, deep)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Values that a node stands for, aliases written out."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_VALUES + 1  # an alias within itself
    parts = node.value if isinstance(node, yaml.CollectionNode) else ()
    flat = (part for each in parts for part in (each if isinstance(each, tuple) else (each,)))
    known[id(node)] = min(MOST_VALUES + 1, 1 + sum(_count(part, known) for part in flat))
    return known[id(node)]


Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:float"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+0123456789."),
)
