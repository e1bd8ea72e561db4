"""`with FILE.yaml key=value …` → a checked configuration and the folder of its run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import UsageError, path
from common.json_files import read_json
from dssgan.config.mappings import merge
from dssgan.config.schema import Config, from_dict
from dssgan.exports import CONFIG
from experiments.run.folder import RECORD, recorded_values
from experiments.run.yaml_files import RECIPES, find_recipe, literal, nested, read_yaml

DEMO = RECIPES / "demo.yaml"


def configure(updates: Sequence[str]) -> tuple[Config, Path | None, str]:
    """Read what follows `with`.

    A later word beats an earlier one. Without a file and without `resume=`, the recipe
    demo is the base for the embedded band and the defaults (the published recipe) for other data.

    Returns:
      (configuration, folder of the run to go on with or None, where the configuration came from).

    Raises:
      UsageError: an unknown key, a wrong type, a missing file, keys that contradict each other.
    """
    values: dict[str, Any] = {}
    files, resume = [], None
    for update in updates:
        key, equals, text = update.partition("=")
        if not equals:
            files.append(find_recipe(update))
            values = merge(values, read_yaml(files[-1]))
        elif key.strip() == "resume":
            resume = path(text.strip())
        else:
            values = merge(values, nested(key.strip(), literal(text.strip())))
    if resume is not None:
        files.insert(0, str(resume / RECORD))
        values = merge(recorded_values(resume), values)
    elif not files and _wanted_data(values) == "band":
        files.append(os.path.relpath(DEMO))
        values = merge(read_yaml(DEMO), values)
    try:
        config = from_dict(values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return config, resume, ", ".join(files) or "the defaults"


def _wanted_data(values: dict[str, Any]) -> Any:
    data = values.get("data", {})
    return data.get("name", "band") if isinstance(data, dict) else "band"


def exported_configuration(folder: Path) -> Config:
    """The configuration of the run that an exported separator comes from.

    Raises:
      ValueError: it comes from no run, or the run had keys that this version does not know.
      OSError: there is no exported separator.
    """
    provenance = read_json(folder / CONFIG, {"provenance?": dict}).get("provenance") or {}
    configuration = provenance.get("configuration")
    if not isinstance(configuration, dict):
        raise ValueError(f"{folder}: it comes from no training run; choose RUN/separator")
    try:
        return from_dict(configuration)
    except ValueError as error:
        raise ValueError(f"{folder}: the configuration in it: {error}") from error
