"""Configuration files: YAML in which 1e-3 is a number."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import yaml

from common import cli
from common.cli import UsageError, one_line
from common.files import ROOT, read_limited
from common.suggest import nearest
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config

RECIPES = ROOT / "experiments" / "recipes"
MOST_PARTS = 40_000  # of a configuration as it is written; reading them takes seconds
MOST_DIGITS = 64
MOST_VALUES = 100_000  # of a configuration, aliases written out
LONGEST = 10_000  # letters of a value on the command line
LARGEST = 2**22  # bytes of a configuration
WORDS = {"true": True, "false": False, "null": None}


class _Loader(yaml.SafeLoader):
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


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:float"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def find_recipe(word: str) -> str:
    """The path of a configuration: a recipe's for its bare name, any other word as it is."""
    path = RECIPES / f"{word}.yaml"
    return os.path.relpath(path) if re.fullmatch(r"\w+", word) and path.exists() else word


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
      UsageError: it is not there, cannot be read, or holds no keys.
    """
    path = cli.path(path)
    if path.suffix not in (".yaml", ".yml"):
        known = [file.stem for file in RECIPES.glob("*.yaml")]
        if "." in path.name:
            raise UsageError(f"{path}: expected a .yaml file after 'with'")
        raise UsageError(
            f"{path}: expected name=value after 'with', or the name of a recipe"
            f"{nearest(str(path), known)}"
        )
    try:
        data = read_limited(path, LARGEST)
        if sum(map(data.count, (b",", b"\n", b"[", b"{"))) > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} lines and values")
        values = yaml.load(data.decode("utf-8"), _Loader)
    except FileNotFoundError:
        raise UsageError(_missing(path)) from None
    except RecursionError:
        raise UsageError(f"{path}: cannot be read: sections within sections without end") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = one_line(error).removeprefix(f"{path}: ")
        raise UsageError(f"{path}: cannot be read: {text}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected keys and values, such as 'seed: 1'")
    return values


def _missing(path: Path) -> str:
    """What to say of a configuration that is not there."""
    if path.parent.name == "experiments" and (RECIPES / path.name).exists():
        return f"{path}: recipes are in experiments/recipes now: with {path.stem}"
    known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
    return f"{path}: no such configuration (in experiments/recipes/: {known})"


def literal(text: str) -> Any:
    """A value from the command line: a Python literal, a YAML list or section, a word or a text."""
    if len(text) > LONGEST:
        raise UsageError(f"{text[:40]}…: {len(text)} letters; expected {LONGEST} at most")
    if text in WORDS:
        return WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if text.startswith(("[", "{")):
        try:
            return yaml.load(text, _Loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = one_line(error)[:200]
            raise UsageError(f"{text[:100]}: not a list or section: {reason}") from error
    return text


def nested(key: str, value: Any) -> dict[str, Any]:
    """Turn a dotted key into sections: ("a.b", 1) → {"a": {"b": 1}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def dump(config: Config) -> str:
    """A configuration as YAML that `with` reads again."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
