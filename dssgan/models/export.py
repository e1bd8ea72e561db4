"""An exported separator on disk: `config.json` + `separator.weights.h5`."""

import os
from pathlib import Path
from typing import Any

from common.audio_files import require_file
from common.digests import file_digest
from common.files import atomic_path, check_name
from common.json_files import read_json, write_json
from dssgan import models
from dssgan.config.sizes import check_sizes
from dssgan.exports import CONFIG, WEIGHTS, chunks_of
from dssgan.models import weights_file
from dssgan.models.base import SeparatorModel
from dssgan.models.bounds import create_variables, limited
from dssgan.models.registry import name_of

__all__ = ["architecture", "check_sizes", "create_variables", "load", "save", "with_precision"]

FORMAT = 1
MOST_SOURCES = 100
KEYS = {
    "format": int,
    "separator": str,
    "hyperparameters": dict,
    "sources": list,
    "sample_rate": int,
}


def with_precision(model: SeparatorModel, precision: str | None) -> SeparatorModel:
    """The same separator computing in another precision; its variables are copied.

    Raises:
      ValueError: the model knows no such precision, or has no choice of precision at all.
    """
    create_variables(model)
    hyperparameters = choose_precision(model.hyperparameters, precision, type(model).__name__)
    if hyperparameters == model.hyperparameters:
        return model
    other = create_variables(type(model)(**hyperparameters))
    other.set_weights(model.get_weights())
    other.chunks = model.chunks
    return other


def choose_precision(
    hyperparameters: dict[str, Any], precision: str | None, name: str
) -> dict[str, Any]:
    """Put a precision into hyperparameters; None leaves them alone.

    Raises:
      ValueError: a precision other than float32 for a model that has no such hyperparameter.
    """
    known = ("float32", "bfloat16", "float16")
    if precision is not None and precision not in known:
        raise ValueError(f"unknown precision {precision!r}: expected one of {', '.join(known)}")
    if precision is None or ("precision" not in hyperparameters and precision == "float32"):
        return hyperparameters
    if "precision" not in hyperparameters:
        raise ValueError(f"separator {name} computes in float32 only, not in {precision}")
    return hyperparameters | {"precision": precision}


def save(
    model: SeparatorModel, folder: str | os.PathLike, provenance: dict[str, Any] | None = None
) -> None:
    """Export `model`; each of the two files is whole or absent, the configuration comes last.

    Args:
      model: one that `dssgan.models.SEPARATORS` lists.
      folder: made if need be.
      provenance: what a reader may want to know about the training, plain JSON values.

    Raises:
      ValueError: the model is not registered.
      OSError: the folder cannot be written.
    """
    name = name_of(model)
    folder = Path(folder)
    create_variables(model)
    with atomic_path(folder / WEIGHTS, suffix=".weights.h5") as temporary:
        model.save_weights(temporary)
        checksum = file_digest(temporary)
    config = {
        "format": FORMAT,
        "separator": name,
        "hyperparameters": model.hyperparameters,
        "sources": list(model.sources),
        "sample_rate": model.sample_rate,
        "causal": model.causal,
        "weights_sha256": checksum,
        "provenance": provenance or {},
    }
    if model.chunks:
        config["chunks"] = dict(model.chunks)
    write_json(folder / CONFIG, config)


def architecture(folder: str | os.PathLike) -> tuple[str, dict[str, Any]]:
    """Name in the registry and hyperparameters of an exported separator; errors as of `load`."""
    config = _described(Path(folder))
    return config["separator"], config["hyperparameters"]


def load(folder: str | os.PathLike, precision: str | None = None) -> SeparatorModel:
    """Load an exported separator.

    Raises:
      ValueError: a file is damaged or does not fit the other; the message names the file.
      OSError: the folder or a file is missing or cannot be read.
    """
    folder = Path(folder)
    config = _described(folder)
    name = config["separator"]
    try:
        hyperparameters = choose_precision(config["hyperparameters"], precision, name)
        with limited((folder / WEIGHTS).stat().st_size // 2 + 2**16, f"the numbers in {WEIGHTS}"):
            model = create_variables(models.build(name, **hyperparameters))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{folder / CONFIG}: cannot build separator {name!r}: {error}") from error
    for key, built in (("sources", list(model.sources)), ("sample_rate", model.sample_rate)):
        if config[key] != built:
            raise ValueError(
                f"{folder / CONFIG}: {key} says {config[key]}, the hyperparameters give {built}: "
                "export the separator again"
            )
    _load_weights(model, folder / WEIGHTS, config.get("weights_sha256"))
    model.chunks = chunks_of(folder) or None
    return model


def _described(folder: Path) -> dict[str, Any]:
    """The configuration of an exported separator, all of whose files are there."""
    for path in (folder, folder / CONFIG, folder / WEIGHTS):
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not found: expected the folder of an exported separator "
                f"({CONFIG} and {WEIGHTS})"
            )
    return _read_config(folder / CONFIG)


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path, KEYS, "export the separator again")
    if config["format"] != FORMAT:
        raise ValueError(
            f"{path}: format {config['format']}, this version reads format {FORMAT}: "
            "use the version of dssgan that wrote it"
        )
    sources = config["sources"]
    if len(sources) > MOST_SOURCES or len(set(map(str, sources))) < len(sources):
        raise ValueError(f"{path}: sources: expected 1 to {MOST_SOURCES} names, each once")
    for source in sources:
        check_name(source, f"{path}: sources")
    check_sizes(config["hyperparameters"], f"{path}: hyperparameters")
    return config


def _load_weights(model: SeparatorModel, path: Path, checksum: str | None) -> None:
    require_file(path)
    if checksum is not None and file_digest(path) != checksum:
        raise ValueError(
            f"{path}: damaged or of another export (its checksum is not the one in {CONFIG}): "
            "export or copy the separator again"
        )
    try:
        weights_file.check(path, 8 * model.count_params())
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds for a bad file
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: these weights do not fit {CONFIG}: {reason}") from error
