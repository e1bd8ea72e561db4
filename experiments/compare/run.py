"""A run as its folder records it: configuration, scores by protocol, curves, time and updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.cli import one_line
from dssgan.config.changes import FREE
from dssgan.config.mappings import merge, to_dict
from dssgan.config.schema import Config, from_dict
from evaluation.reports.reading import checked_summary
from evaluation.reports.summary import SUMMARY, summarise_folder
from experiments.compare.curves import Log, counted, read_curves, sessions, training_seconds
from experiments.run.folder import RECORD
from experiments.run.yaml_files import read_yaml
from experiments.tracking import records

#: What separating and reading songs needs of a configuration.
SEPARATING = ("sources", "data", "separation", "evaluation")


@dataclass
class RecordedRun:
    """One run.

    Attributes:
      name: shown; unique among the runs that are compared.
      folder: where it lies.
      status: COMPLETED, RUNNING, INTERRUPTED, FAILED or DIED.
      values: its configuration in sections; {} where it has none.
      flat: {dotted key: value} of the same, today's defaults where it is older than a key.
      scores: {protocol: what `evaluation.reports.summary.summarise` gives, with "settings"}.
      curves: {name: [(update, value)]}; updates are counted through all phases.
      borders: updates at which a phase ended and another began.
      updates: of the separator, over all phases; None where no curve says.
      seconds: of training by the clock, from each start to the last point of a curve; or None.
      colour: number of its colour in pictures.
    """

    name: str
    folder: Path
    status: str
    values: dict[str, Any] = field(default_factory=dict)
    flat: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    borders: list[int] = field(default_factory=list)
    updates: int | None = None
    seconds: float | None = None
    colour: int = 0


def find(roots: Sequence[Path], log: Log) -> list[Path]:
    """The run folders in folders, each once; what holds none is reported."""
    found: dict[Path, Path] = {}
    for root in roots:
        try:
            folders = records.run_folders(root)
        except ValueError as error:
            log(one_line(error))
            continue
        if not folders:
            log(f"{root}: no run in it (no {records.RUN}); left out")
        for folder in folders:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def read(folder: Path, log: Log) -> RecordedRun:
    """Read a run; what is missing in it is reported, and the rest is there.

    Raises:
      ValueError: no record of a run, or a configuration that cannot be read.
      OSError: a file cannot be read.
    """
    record = records.read_record(folder)
    values = configuration(folder, log)
    run = RecordedRun(folder.resolve().name, folder, record["status"], values, flattened(values))
    if run.values:
        try:
            run.flat = flattened(to_dict(from_dict(values)))
        except ValueError as error:
            log(f"{folder}: of another version: {one_line(error)}; compared as it is")
            run.flat = flattened(merge(to_dict(Config()), values))
    run.flat = {key: value for key, value in run.flat.items() if not _is_free(key)}
    run.scores = scores(folder, log)
    curves = read_curves(folder, log)
    run.curves, run.borders, run.updates = counted(curves)
    run.seconds = training_seconds(sessions(folder, record), curves)
    return run


def configuration(folder: Path, log: Log) -> dict[str, Any]:
    """The configuration as the run recorded it; {} where there is none.

    Raises:
      ValueError: it is damaged.
    """
    if (folder / records.CONFIG).exists():
        return records.read_object(folder / records.CONFIG)
    if (folder / RECORD).exists():
        return read_yaml(folder / RECORD)
    log(f"{folder}: no configuration (no {records.CONFIG}); compared without")
    return {}


def config_for_separating(values: Mapping[str, Any]) -> Config:
    """What is needed to read a run's songs and to separate them, of any version.

    Raises:
      ValueError: a key that is needed has changed since.
    """
    try:
        return from_dict(dict(values))
    except ValueError:
        known = {name: values[name] for name in SEPARATING if name in values}
        known["data"] = {k: v for k, v in known.get("data", {}).items() if k != "augmentation"}
        return from_dict(known)


def flattened(values: Any, path: str = "") -> dict[str, Any]:
    """Sections and lists of sections → {dotted key: value}: data.also[0].name."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            flat |= flattened(value, where) if value else {}
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for place, item in enumerate(value):
                flat |= flattened(item, f"{where}[{place}]") if isinstance(item, Mapping) else {}
        else:
            flat[where] = value
    return flat


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def scores(folder: Path, log: Log) -> dict[str, dict[str, Any]]:
    """{protocol: summary} of the folders of scores in a run folder: scores, scores-…"""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob(f"scores*/{SUMMARY}")):
        try:
            summary = checked(records.read_object(path), path)
        except (ValueError, OSError) as error:
            try:  # the songs' own files hold the same
                summary = checked(summarise_folder(path.parent), path)
            except (ValueError, OSError):
                log(f"{one_line(error)}; its scores are left out")
                continue
        found.setdefault(summary["settings"]["name"], summary)
    return found


def checked(summary: Any, path: Any) -> dict[str, Any]:
    """A summary that has all that a comparison asks for.

    Raises:
      ValueError: it has not.
    """
    found = checked_summary(summary, path, "settings", "songs", "reported")
    if not isinstance(found["settings"].get("name"), str):
        raise ValueError(f"{path}: not the summary of scores: settings without a name")
    for targets in (*found["songs"].values(), found[found["reported"][0]]):
        for scores in targets.values():
            for metric, value in scores.items():
                scores[metric] = float("nan") if value is None else float(value)
    if not any(found[found["reported"][0]].values()):
        raise ValueError(f"{path}: not the summary of scores: no song has a score")
    return found
