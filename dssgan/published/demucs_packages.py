"""Files of Demucs: packages of a model and its options (.th), bags of them (.yaml), bare weights.

Bare weights are those of ZFTurbo's Music-Source-Separation-Training (.ckpt, .th), which keeps the
options in a yaml of its own. What a song is cut into comes along with a package or a bag: see
`dssgan.exports.chunks_of`.
"""

import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from common.audio_files import require_file
from common.files import check_name
from dssgan.config.yaml_loader import load
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import Combined
from dssgan.models.htdemucs.model import KEYS, HTDemucs
from dssgan.models.htdemucs.sizes import FIXED, WITHOUT_EFFECT, check_options
from dssgan.published.htdemucs import from_htdemucs, layers_of, sizes_of
from dssgan.published.torch_files import file

MOST_MODELS = 32
#: Defaults of the program where they are not those of `HTDemucs`, which are the published model's.
DEFAULTS = {"segment": 10, "dconv_mode": 1, "bottom_channels": 0, "norm_starts": 4}
OPTIONS = {*KEYS, *FIXED, *WITHOUT_EFFECT, "multi_freqs", "channels_time", "norm_starts"}
OPTIONS = OPTIONS - {"precision", "sample_rate"} | {"samplerate"}
CHUNKS = {"overlap": 0.25, "window": "triangle", "level": "mono", "last": "centred"}
CHUNKS |= {"consistent": False}
STATES = ("state_dict", "model_state_dict", "state")
FRACTION = r"\d{1,9}(/[1-9]\d{0,8}|\.\d{1,9})?"
Found = tuple[SeparatorModel, dict[str, Any]]


def htdemucs_file(path: Path, config: Path | None = None, content: Any = None) -> Found:
    """Build from a package, bare weights, or a bag of packages that lie beside it.

    Args:
      path: .th, .ckpt, .pt, or the .yaml of a bag.
      config: yaml of the program that trained bare weights.
      content: of the file, where it has been read.

    Returns:
      (`HTDemucs`, or `Combined` of several; what to note about it).

    Raises:
      ValueError: not such a file, or one that is not supported: one line that names the file.
      OSError: a file cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        if config is not None:
            raise ValueError(f"{path}: a bag of models takes no --config; leave it out")
        return _bag(path)
    content = file.load(path) if content is None else content
    try:
        if isinstance(content, dict) and "klass" in content:
            if config is not None:
                raise ValueError("a package holds its options itself; leave --config out")
            return _package(content, path.name), {}
        layers = layers_of(content)
        return _bare(layers, None if config is None else _read_yaml(config), path), {}
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(str(config)) else f"{path}: {text}") from error


def _package(content: dict[str, Any], name: str, segment: float | None = None) -> HTDemucs:
    """A model with the options that its package holds.

    Args:
      segment: that of a bag, which may shorten the model's own.
    """
    klass = getattr(content["klass"], "name", None)
    if klass != "HTDemucs":
        shown = repr(klass[:40]) if isinstance(klass, str) else "something else"
        raise ValueError(f"a package of the class {shown}: expected HTDemucs, others are not read")
    args, options = content.get("args", ()), content.get("kwargs")
    if not isinstance(options, dict) or not isinstance(args, list | tuple) or len(args) > 1:
        raise ValueError("args and kwargs: expected the options of HTDemucs by their names")
    options = dict(options) | ({"sources": args[0]} if args else {})
    if not isinstance(content.get("state"), dict):
        raise ValueError("state: expected a dict of tensors by their names")
    unknown = [key for key in options if key not in OPTIONS]
    if unknown:  # the program leaves them out too
        shown = ", ".join(repr(key)[:60] for key in unknown[:3])
        print(f"{name}: options that HTDemucs does not have are left out: {shown}", file=sys.stderr)
    hyperparameters = hyperparameters_of({k: v for k, v in options.items() if k in OPTIONS})
    if segment is not None and segment <= hyperparameters["segment"]:
        hyperparameters["segment"] = segment
    model = from_htdemucs(layers_of({"state": content["state"]}), hyperparameters)
    model.chunks = {"segment": hyperparameters["segment"], **CHUNKS}
    return model


def _bare(layers: dict[str, Any], config: Any, path: Path) -> HTDemucs:
    """A model whose sizes are those of its tensors, and those that a configuration names."""
    if config is None:
        model = from_htdemucs(layers, sizes_of(layers) | {"use_train_segment": False})
        print(
            f"{path}: without --config taken to have {model.hyperparameters['t_heads']} heads, "
            f"{model.sample_rate} Hz and the sources {', '.join(model.sources)}",
            file=sys.stderr,
        )
        return model
    training, options = config.get("training"), config.get("htdemucs")
    kind = config.get("model", "htdemucs")
    if kind != "htdemucs" or not isinstance(training, dict) or not isinstance(options, dict):
        raise ValueError(
            "its --config has no sections training and htdemucs; expected that of an htdemucs"
        )
    named = {"instruments": "sources", "channels": "audio_channels"}
    named |= {"samplerate": "samplerate", "segment": "segment"}
    given = {ours: training[key] for key, ours in named.items() if key in training}
    options = {"use_train_segment": False} | given | options
    model = from_htdemucs(layers, hyperparameters_of(options))
    model.chunks = {"segment": model.hyperparameters["segment"]}
    return model


def hyperparameters_of(options: dict[str, Any]) -> dict[str, Any]:
    """Options of the program by their names → hyperparameters of `HTDemucs`.

    Raises:
      ValueError: an option that is not supported, is unknown or of another type.
    """
    options = DEFAULTS | {key: _plain(key, value) for key, value in options.items()}
    found = {key: value for key, value in options.items() if key in KEYS}
    found["segment"] = float(found["segment"])
    if "samplerate" in options:
        found["sample_rate"] = options.pop("samplerate")
    if "sources" not in found:
        raise ValueError("sources: expected the names of what the model separates")
    rest = {key: value for key, value in options.items() if key not in KEYS}
    check_options(rest, depth=found.get("depth", 4), channels=found.get("channels", 48))
    return found


def _plain(key: str, value: Any) -> Any:
    """A value as plain JSON; numbers that YAML takes for text, such as 1e-3, become numbers."""
    if key == "sources":
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= len(set(map(str, value))):
            raise ValueError("sources: expected a list of different names")
        return [check_name(name, "sources") for name in value]
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,9}(\.\d{0,9})?([eE][-+]?\d)?", value):
        return float(value)
    if key in (KEYS | {"samplerate"}) and not isinstance(value, int | float):
        raise ValueError(f"{key}: expected a number, found {type(value).__name__}")
    return value


def _bag(path: Path) -> Found:
    """Models and their weights per source, as a bag names them.

    Each source is the mean of the models' estimates by their weights; models whose weights are all
    zero are left out, and of the others those sources alone are taken that have a weight.
    """
    bag = _read_yaml(path)
    names, segment, weights = bag.get("models"), bag.get("segment"), bag.get("weights")
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_MODELS:
        raise ValueError(f"{path}: models: expected a list of 1 to {MOST_MODELS} signatures")
    if segment is not None and (type(segment) not in (int, float) or not 0 < segment < 3600):
        raise ValueError(f"{path}: segment is {segment!r}: expected seconds")
    files = [_beside(path, name) for name in names]
    models: dict[int, HTDemucs] = {}
    first = None
    rows = None
    for place, one in enumerate(files):
        if rows is not None and not any(rows[place]):
            continue
        model = _one_of_bag(one, segment)
        first = first or model
        if rows is None:
            rows = _weights(path, weights, len(files), model.sources)
        if (model.sources, model.sample_rate) != (first.sources, first.sample_rate):
            raise ValueError(f"{one}: other sources or another rate than {files[0].name}")
        if any(rows[place]):
            models[place] = model
    return _combined(models, np.array(rows, float), first.sources), {"bag": [f.name for f in files]}


def _combined(
    models: dict[int, HTDemucs], weights: np.ndarray, sources: tuple[str, ...]
) -> SeparatorModel:
    """The models of a bag as one separator, their weights normalised."""
    shares = weights / weights.sum(0)
    if len(models) == 1 and (shares[next(iter(models))] == 1).all():
        return next(iter(models.values()))
    members = []
    for place, model in models.items():
        take = [source for source, share in zip(sources, shares[place]) if share]
        member = {"name": "htdemucs", "hyperparameters": model.hyperparameters, "take": take}
        kept = [float(share) for share in shares[place] if share]
        members.append(member if set(kept) == {1.0} else member | {"weights": kept})
    combined = Combined(models=members, sources=list(sources))
    for ours, theirs in zip(combined.members, models.values(), strict=True):
        ours.set_weights(theirs.get_weights())
    segments = [model.hyperparameters["segment"] for model in models.values()]
    combined.chunks = {"segment": min(segments), **CHUNKS}
    return combined


def _one_of_bag(path: Path, segment: float | None) -> HTDemucs:
    content = file.load(path)
    try:
        if not isinstance(content, dict) or "klass" not in content:
            raise ValueError("expected a package of Demucs (klass, kwargs, state)")
        return _package(content, path.name, segment)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _beside(path: Path, name: Any) -> Path:
    """The package of a signature: SIGNATURE.th or SIGNATURE-CHECKSUM.th beside the bag."""
    if not isinstance(name, str) or not re.fullmatch(r"[0-9A-Za-z_]{1,40}", name):
        raise ValueError(
            f"{path}: models: expected signatures such as 955717e8, found {name!r:.60}"
        )
    found = sorted({*path.parent.glob(f"{name}.th"), *path.parent.glob(f"{name}-*.th")})
    if len(found) != 1:
        kind = "no file" if not found else f"{len(found)} files"
        raise ValueError(f"{path}: {kind} {name}-*.th beside it: expected one package of Demucs")
    return found[0]


def _weights(path: Path, weights: Any, count: int, sources: tuple[str, ...]) -> list[list[float]]:
    """One row per model, one number per source."""
    if weights is None:
        return [[1.0] * len(sources)] * count
    good = isinstance(weights, list) and len(weights) == count
    for row in weights if good else ():
        good = good and isinstance(row, list) and len(row) == len(sources)
        good = good and all(type(w) in (int, float) and 0 <= w < 1e6 for w in row)
    if not good:
        raise ValueError(
            f"{path}: weights: expected {count} rows of {len(sources)} numbers from 0, one per "
            f"source ({', '.join(sources)})"
        )
    for source, column in zip(sources, zip(*weights)):
        if not any(column):
            raise ValueError(f"{path}: weights: {source} has none above 0 in any model")
    return weights


def _read_yaml(path: Path) -> dict[str, Any]:
    require_file(path)
    try:
        found = load(path)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"{path}: not readable as YAML: {reason}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected keys and values, found {type(found).__name__}")
    return found
