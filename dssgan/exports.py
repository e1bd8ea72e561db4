"""Exported separators without TensorFlow: where they lie, and what identifies their estimates."""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.audio_files import some
from common.digests import file_digest
from common.files import check_name
from common.json_files import read_json
from common.suggest import nearest

CONFIG = "config.json"
WEIGHTS = "separator.weights.h5"
ONNX = "separator.onnx"  # the same network for ONNX Runtime
#: What identifies an export, of the keys of its configuration; and what to do about a damaged one.
IDENTITY = {"weights_sha256?": str, "hyperparameters?": dict}
ADVICE = "export the separator again"
DESCRIBED = {
    "separator": str,
    "sources": list,
    "sample_rate": int,
    "provenance?": {"scores?": dict, "licence?": str},
}
SEGMENT_S, LARGE_SEGMENT_S = 8.0, 3.0  # of a chunk
OVERLAP = 0.25  # of chunks
#: Of chunks: raised-cosine flanks where neighbours overlap, or a triangle over all of it.
WINDOWS = ("flanks", "triangle")
#: A last chunk that is not full begins earlier, or lies in the middle of what is around it.
LAST = ("earlier", "centred")
WORDS = {"window": WINDOWS, "last": LAST, "level": ("mono",), "consistent": (False, True)}
IN_RUN = "separator"  # the folder of a run's own export
HDF5 = b"\x89HDF\r\n\x1a\n"  # how a file of weights begins
PRETRAINED = Path(__file__).parent / "pretrained"  # separators that come with the library
SHIPPED = "drums"  # the one that is taken where no other is there or named
STORE = "DSSGAN_MODELS"  # the variable that names the folder of this machine's separators
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9_+-])?")  # of one of them
LARGE = 20_000_000  # weights; from there on chunks are shorter, so that 1.5 GB of memory will do


def newest_export(tops: Sequence[str] = ("runs", "demo")) -> Path:
    """The folder of the newest exported separator under `tops`, or else of the shipped one."""
    found = [
        weights
        for top in tops
        for weights in Path(top).rglob(WEIGHTS)
        if (weights.parent / CONFIG).is_file()
    ]
    if not found:
        return PRETRAINED / SHIPPED
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def is_large(folder: str | os.PathLike) -> bool:
    """Whether the weights of an export, in single precision, are `LARGE` or more."""
    return (Path(folder) / WEIGHTS).stat().st_size >= 4 * LARGE


def is_causal(folder: str | os.PathLike) -> bool:
    """Whether an export carries its state along a stream, which it does in TensorFlow alone."""
    return read_json(Path(folder) / CONFIG, {"causal?": bool}, ADVICE).get("causal", False)


def why_not_onnx(folder: Path, segment: float | None, precision: str | None) -> str:
    """Why ONNX Runtime cannot compute an export with these options; empty where it can.

    Args:
      segment, precision: as of `dssgan.separator.Separator`.
    """
    if not (folder / ONNX).is_file():
        return f"{folder} has no {ONNX}: python -m dssgan.export {folder} --to onnx {folder}"
    config = read_json(folder / CONFIG, {"onnx?": dict}, ADVICE)
    if config.get("onnx", {}).get("weights_sha256") != config.get("weights_sha256"):
        advice = f"python -m dssgan.export {folder} --to onnx {folder}"
        return f"its {ONNX} is of other weights: {advice}"
    if importlib.util.find_spec("onnxruntime") is None:
        return "ONNX Runtime is not installed: pip install onnxruntime"
    if precision not in (None, "float32"):
        return f"its file computes in float32, not in {precision}"
    if segment is not None and not config["onnx"].get("any_length"):
        return "the length of its chunks was chosen with the export: leave out --segment"
    return ""


def has_gpu() -> bool:
    """Whether there is a GPU that TensorFlow may use, as far as a look at the system tells."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def pretrained() -> dict[str, Path]:
    """The separators that come with the library: {name: folder}."""
    return {path.parent.name: path.parent for path in sorted(PRETRAINED.glob(f"*/{CONFIG}"))}


def store_folder() -> Path:
    """The folder of this machine's separators, which need not be there: see `dssgan.catalogue`.

    `$DSSGAN_MODELS`, or else dssgan/models in the user's data folder, as the system has it.
    """
    if named := os.environ.get(STORE):
        return cli.path(named)
    home = Path("~")
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return cli.path(data / "dssgan" / "models")


def stored() -> dict[str, Path]:
    """This machine's separators: {name: folder}, those that are damaged too.

    A store that is not there or cannot be read has none.
    """
    try:
        found = sorted(store_folder().iterdir())
        return {path.name: path for path in found if NAME.fullmatch(path.name) and path.is_dir()}
    except OSError:
        return {}


def describe(folder: Path) -> str:
    """What an export's configuration and files tell of it, in one line.

    Raises:
      ValueError: it is no such configuration. OSError: it cannot be read.
    """
    known = read_json(folder / CONFIG, DESCRIBED, ADVICE)
    told = known.get("provenance") or {}
    facts = [", ".join(sources_of(folder)), f"{known['separator']} at {known['sample_rate']} Hz"]
    facts.append(f"{(folder / WEIGHTS).stat().st_size / 1e6:.0f} MB")
    scores = told.get("scores") or {}
    for source, values in scores.items() if scores.get("protocol") else ():
        if isinstance(values, dict) and isinstance(values.get("SDR"), float):
            facts.append(f"{source} {values['SDR']:.1f} dB SDR ({scores.get('songs')} songs)")
    facts += [told["licence"]] if told.get("licence") else []
    return "; ".join(facts)


def find_export(place: str | os.PathLike) -> Path:
    """The folder of the exported separator that a path or a name stands for.

    A folder stands for itself, or for that of a run. Where there is none, a name stands for one of
    `stored()`, or else of `pretrained()`.

    Raises:
      ValueError: neither; names what is missing, or the runs that lie in there.
      OSError: a file cannot be read.
    """
    folder = Path(place)
    if not os.path.exists(folder):
        name = os.fspath(place)
        known = pretrained() | stored()
        if name not in known:
            raise ValueError(f"{folder}: no such folder; expected {_expected(name)}")
        folder = known[name]
    if not folder.is_dir():
        inside = folder.name in (CONFIG, WEIGHTS) and folder.is_file()
        hint = f"that of an exported separator; name its folder, {folder.parent}"
        hint = hint if inside else _expected(folder.name)
        raise ValueError(f"{folder}: a file, no folder; expected {hint}")
    if not _is_export(folder) and _is_export(folder / IN_RUN):
        folder = folder / IN_RUN
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        below = (part for child in sorted(folder.iterdir()) for part in (child, child / IN_RUN))
        found = [os.fspath(part) for part in below if _is_export(part)]
        hint = f"; separators in it: {some(found, 10)}" if found else ""
        raise ValueError(
            f"{folder}: no {' and no '.join(missing)} in it; expected the folder of an exported "
            f"separator, or of a run that has exported one{hint}"
        )
    with open(folder / WEIGHTS, "rb") as file:
        if file.read(len(HDF5)) != HDF5:
            raise ValueError(
                f"{folder / WEIGHTS}: no HDF5 file, whatever its name says: export or copy the "
                "separator again"
            )
    return folder


def name_of(folder: Path) -> str:
    """What a separator is called: the name of its folder, or of the run that exported it."""
    return (folder.parent if folder.name == IN_RUN else folder).name


def _expected(name: str) -> str:
    """What `find_export` takes, for the end of a message about `name`."""
    text = f"that of an exported separator, or {' or '.join(pretrained())} of the"
    own = stored()
    names = f", or a name of this machine's: {some(own, 5)}" if own else ""
    return f"{text} library{names}{nearest(name, [*own, *pretrained()])}"


def _is_export(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (CONFIG, WEIGHTS))


def sources_of(folder: Path) -> tuple[str, ...]:
    """The sources of an exported separator, as its configuration names them.

    Raises:
      ValueError: it is no such configuration.
      OSError: it cannot be read.
    """
    path = folder / CONFIG
    config = read_json(path, {"separator": str, "sources": list}, ADVICE)
    return tuple(check_name(source, f"{path}: sources") for source in config["sources"])


def chunks_of(folder: str | os.PathLike) -> dict[str, Any]:
    """What an exported separator does best with, of what its configuration says under "chunks".

    Returns:
      "segment": seconds of a chunk. "overlap": share of it that its neighbour covers too.
      "window": weights of a chunk, one of `WINDOWS`. "last": how chunks at a song's end are filled,
      one of `LAST`. "level": "mono" where a song is brought to mean 0 and deviation 1 of its
      channels' mean. "consistent": whether stems are made to add up to the song.

    Raises:
      ValueError: it is no such configuration, a number is out of range, or a word is unknown.
      OSError: it cannot be read.
    """
    path = Path(folder) / CONFIG
    found = read_json(path, {"chunks?": dict}, ADVICE).get("chunks", {})
    for key, most in (("segment", 3600), ("overlap", 1)):
        value = found.get(key, most / 2)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < most:
            raise ValueError(
                f"{path}: chunks: {key} is {value!r}: expected a number above 0 and below {most}"
            )
    for key, known in WORDS.items():
        one = found.get(key, known[0])
        if not any(type(one) is type(word) and one == word for word in known):
            words = ", ".join(map(json.dumps, known))
            raise ValueError(f"{path}: chunks: {key} is {one!r:.60}: expected {words}")
    chunks = {key: float(found[key]) for key in ("segment", "overlap") if key in found}
    return chunks | {key: found[key] for key in WORDS if key in found}


def own_options(chunks: dict[str, Any]) -> dict[str, Any]:
    """Of what `chunks_of` returns, the options of a `Separator`; it finds the others by itself."""
    return {key: chunks[key] for key in ("segment", "overlap", "consistent") if key in chunks}


def identity(
    folder: str | os.PathLike,
    segment: float | None = None,
    overlap: float | None = None,
    shifts: int = 1,
) -> str:
    """What the estimates of an exported separator depend on, as a text.

    Two separators of one identity give the same scores, wherever they lie and whatever is known of
    their training.

    Args:
      folder: of the separator.
      segment, overlap, shifts: as of `dssgan.separator.Separator.load`.

    Raises:
      ValueError: `folder` is not an exported separator.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: not an exported separator (no {name})")
    try:
        config = read_json(folder / CONFIG, IDENTITY, ADVICE)
    except ValueError as error:
        text = str(error).removeprefix(f"{folder / CONFIG}: ")
        raise ValueError(f"{folder / CONFIG}: not that of an exported separator: {text}") from None
    weights = config.get("weights_sha256") or file_digest(folder / WEIGHTS)
    known = json.dumps([weights, config.get("hyperparameters")], sort_keys=True)
    own = chunks_of(folder)
    if segment is None:
        segment = own.get("segment", LARGE_SEGMENT_S if is_large(folder) else SEGMENT_S)
    overlap = own.get("overlap", OVERLAP) if overlap is None else overlap
    options = {"segment": float(segment), "overlap": float(overlap), "shifts": int(shifts)}
    options |= {key: own[key] for key in WORDS if key in own}
    # How many chunks run at once changes no estimate; the number stands for scores on record.
    return f"{known} {options | {'batch_size': 4}}"
