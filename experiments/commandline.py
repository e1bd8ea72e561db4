"""`with FILE.yaml key=value …` → a checked configuration and the folder of its run."""

import ast
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from common.files import write_text
from common.shell import Misuse
from dssgan.config import Config, from_dict
from dssgan.consistency import differences
from dssgan.typed import flatten, merge, to_dict
from experiments.tracking import redacted

HERE = Path(__file__).parent
DEMO = HERE / "demo.yaml"
RECORD = "configuration.yaml"
WORDS = {"true": True, "false": False, "null": None}


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:float"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def configure(updates: Sequence[str]) -> tuple[Config, Path | None, str]:
    """Read what follows `with`.

    A later word beats an earlier one. Without a file and without `resume=`, experiments/demo.yaml
    is the base for the embedded band and the defaults (the published recipe) for other data.

    Returns:
      (configuration, folder of the run to go on with or None, where the configuration came from).

    Raises:
      Misuse: an unknown key, a wrong type, a missing file, keys that contradict each other.
    """
    values: dict[str, Any] = {}
    files, resume = [], None
    for update in updates:
        key, equals, text = update.partition("=")
        if not equals:
            files.append(update)
            values = merge(values, read_yaml(update))
        elif key.strip() == "resume":
            resume = Path(text)
        else:
            values = merge(values, nested(key.strip(), literal(text.strip())))
    if resume is not None:
        files.insert(0, str(resume / RECORD))
        values = merge(_recorded(resume), values)
    elif not files and _wanted_data(values) == "band":
        files.append(os.path.relpath(DEMO))
        values = merge(read_yaml(DEMO), values)
    try:
        config = from_dict(values)
    except ValueError as error:
        raise Misuse(str(error)) from error
    return config, resume, ", ".join(files) or "the defaults"


def run_folder(config: Config, resume: Path | None, origin: str) -> Path:
    """Make or find the folder of a run.

    Raises:
      Misuse: a run of that name has learnt with another configuration, or what is to be resumed
        with another architecture.
    """
    if resume is not None:
        folder = resume
        changed = _changed(folder, config)
        for key, (old, new) in changed.items():
            if key == "sources" or (key.startswith("model.") and key != "model.precision"):
                raise Misuse(
                    f"resume={folder}: its checkpoints have {key}={old!r}, not {new!r}: an "
                    "architecture stays; train another one under another name=…"
                )
    elif config.name:
        folder = Path(config.tracking.folder) / config.name
        changed = _changed(folder, config)
        if changed:
            key, (old, new) = next(iter(changed.items()))
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise Misuse(
                f"{folder} was begun with {key}={old!r}, not {new!r}{more}: choose another "
                f"name=…, or go on with changes by resume={folder} {key}=…"
            )
    else:
        stem = Path(origin).stem if origin.endswith((".yaml", ".yml")) else "train"
        folder = _next_free(Path(config.tracking.folder), stem)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_record(folder: Path, config: Config) -> None:
    """Write a run's configuration into its folder."""
    text = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    header = "# Everything this run was told; repeat it: python -m dssgan.train with THIS_FILE\n"
    write_text(folder / RECORD, header + redacted(text))


def _changed(folder: Path, config: Config) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old value, new value)} since a run learnt; nothing while it has not."""
    if not any((folder / "checkpoints").glob("*/*.npz")):
        return {}
    return differences(_read_config(folder / RECORD), config)


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
      Misuse: it is not there, cannot be read, or holds no keys.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        hint = "name=value" if "." not in path.name else "a .yaml file"
        raise Misuse(f"{path}: expected {hint} after 'with'")
    try:
        values = yaml.load(path.read_text("utf-8"), _Loader)
    except FileNotFoundError:
        known = ", ".join(sorted(file.name for file in HERE.glob("*.yaml")))
        raise Misuse(f"{path}: no such configuration (in experiments/: {known})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Misuse(f"{path}: cannot be read: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Misuse(f"{path}: expected keys and values, such as 'seed: 1'")
    return values


def literal(text: str) -> Any:
    """A value from the command line: a Python literal, a YAML list or section, a word or a text."""
    if text in WORDS:
        return WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if text.startswith(("[", "{")):
        try:
            return yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise Misuse(f"{text}: not a list or section: {error}") from error
    return text


def nested(key: str, value: Any) -> dict[str, Any]:
    """Turn a dotted key into sections: ("a.b", 1) → {"a": {"b": 1}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def dump(config: Config) -> str:
    """A configuration as YAML that `with` reads again."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def changes(old: Config, new: Config) -> list[str]:
    """One line per key that differs."""
    before, after = flatten(to_dict(old)), flatten(to_dict(new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key}: {before.get(key)!r} → {after.get(key)!r}" for key in keys]


def _wanted_data(values: dict[str, Any]) -> Any:
    data = values.get("data", {})
    return data.get("name", "band") if isinstance(data, dict) else "band"


def _recorded(folder: Path) -> dict[str, Any]:
    if not (folder / RECORD).exists():
        raise Misuse(f"resume={folder}: no run in it (no {RECORD})")
    return read_yaml(folder / RECORD)


def _read_config(path: Path) -> Config:
    try:
        return from_dict(read_yaml(path))
    except ValueError as error:
        raise Misuse(f"{path}: {error}") from error


def _next_free(parent: Path, stem: str) -> Path:
    """Make PARENT/STEM-1 or the next number that is free."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            (parent / f"{stem}-{number}").mkdir()
            return parent / f"{stem}-{number}"
        except FileExistsError:
            number += 1
