"""Configuration files: YAML in which 1e-3 is a number."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import yaml

from common import cli
from common.cli import UsageError, one_line
from common.files import ROOT
from common.suggest import nearest
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config
from dssgan.config.yaml_loader import Loader, load

RECIPES = ROOT / "experiments" / "recipes"
LONGEST = 10_000  # letters of a value on the command line
WORDS = {"true": True, "false": False, "null": None}


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
        values = load(path)
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
            return yaml.load(text, Loader)
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
