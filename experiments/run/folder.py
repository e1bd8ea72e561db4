"""The folder of a run and the record of its configuration."""

from pathlib import Path
from typing import Any

import yaml

from common.cli import UsageError
from common.files import write_text
from common.redact import redacted
from dssgan.config.changes import differences
from dssgan.config.mappings import to_dict
from dssgan.config.schema import Config, from_dict
from experiments.run.yaml_files import read_yaml

RECORD = "configuration.yaml"


def run_folder(config: Config, resume: Path | None, origin: str) -> Path:
    """Make or find the folder of a run.

    Raises:
      UsageError: a run of that name has learnt with another configuration, or what is to be resumed
        with another architecture.
    """
    if resume is not None:
        folder = resume
        changed = _changed(folder, config)
        for key, (old, new) in changed.items():
            if key == "sources" or (key.startswith("model.") and key != "model.precision"):
                raise UsageError(
                    f"resume={folder}: its checkpoints have {key}={old!r}, not {new!r}: an "
                    "architecture stays; train another one under another name=…"
                )
    elif config.name:
        folder = Path(config.tracking.folder) / config.name
        changed = _changed(folder, config)
        if changed:
            key, (old, new) = next(iter(changed.items()))
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise UsageError(
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
    header = (
        "# The whole configuration of this run; repeat it: python -m dssgan.train with THIS_FILE\n"
    )
    write_text(folder / RECORD, header + redacted(text))


def _changed(folder: Path, config: Config) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old value, new value)} since a run learnt; nothing while it has not."""
    if not any((folder / "checkpoints").glob("*/*.npz")):
        return {}
    return differences(_read_config(folder / RECORD), config)


def recorded_values(folder: Path) -> dict[str, Any]:
    if not (folder / RECORD).exists():
        raise UsageError(f"resume={folder}: no run in it (no {RECORD})")
    return read_yaml(folder / RECORD)


def _read_config(path: Path) -> Config:
    try:
        return from_dict(read_yaml(path))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


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
