"""Folders of the public Open-Unmix (sigsep/open-unmix-pytorch) → `OpenUnmix`.

A folder holds `separator.json` and, for every target, `NAME.json` beside `NAME.pth` or
`NAME-….pth`, the latter with a checksum in its name.
"""

from pathlib import Path

import numpy as np

from common.files import check_name
from common.json_files import read_json
from dssgan.models.openunmix.model import OpenUnmix
from dssgan.published.field import checkpoint
from dssgan.published.field.scnet import lstm
from dssgan.published.field.tensors import LINEAR, Tensors
from dssgan.published.layer_tables import count

DESCRIBED = {"sample_rate": (int, float), "nfft": int, "nhop": int, "nb_channels": int}
ADVICE = "download the folder again"
ORDER = ("drums", "bass", "other", "vocals")  # others come after these


def from_openunmix(folder: Path) -> OpenUnmix:
    """Build an `OpenUnmix` of the networks in a folder.

    Raises:
      ValueError: a file is missing, damaged or of another system, networks differ in size, a layer
        is missing, left over or of an unexpected shape: one line that names file and layer.
      OSError: a file cannot be read.
    """
    if not (folder / "separator.json").is_file():
        raise ValueError(f"{folder}: no separator.json in it; expected a folder of Open-Unmix")
    described = read_json(folder / "separator.json", DESCRIBED, ADVICE)
    files = _files(folder)
    model = None
    for place, path in enumerate(files.values()):
        try:
            named, _ = checkpoint.tensors_of(checkpoint.read(path))
            tensors = Tensors(named)
            if model is None:
                model = OpenUnmix(**_sizes(tensors, described, list(files)))
            _network(tensors, model.networks[place])
            tensors.finish("Open-Unmix")
        except ValueError as error:
            text = str(error)
            raise ValueError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    return model


def from_one_network(path: Path, named: dict[str, np.ndarray]) -> OpenUnmix:
    """Build an `OpenUnmix` of one source and its accompaniment of the file of one network.

    The file's name is the source's, a checksum may follow. What the file does not say is as in the
    public models: 44100 Hz, a hop of a quarter of a frame.

    Raises:
      ValueError: as of `from_openunmix`.
    """
    bins, first = named.get("output_mean"), named.get("fc1.weight")
    if getattr(bins, "ndim", 0) != 1 or getattr(first, "ndim", 0) != 2:
        raise ValueError("layers 'output_mean' and 'fc1.weight': expected a vector and a matrix")
    heard = named["input_mean"].size if "input_mean" in named else bins.size
    length = 2 * (bins.size - 1)
    channels = max(1, first.shape[1] // max(heard, 1))
    described = {"sample_rate": 44100, "nfft": length, "nhop": length // 4, "nb_channels": channels}
    target = check_name(path.stem.split("-")[0], "target")
    tensors = Tensors(named)
    model = OpenUnmix(**_sizes(tensors, described, [target]))
    _network(tensors, model.networks[0])
    tensors.finish("Open-Unmix")
    return model


def _files(folder: Path) -> dict[str, Path]:
    """The file of each target."""
    targets = {path.stem for path in folder.glob("*.json")} - {"separator"}
    order = [name for name in ORDER if name in targets] + sorted(targets - set(ORDER))
    files = {}
    for target in order:
        found = [*sorted(folder.glob(f"{target}-*.pth")), folder / f"{target}.pth"]
        found = [path for path in found if path.is_file()]
        if len(found) != 1:
            raise ValueError(
                f"{folder}: {len(found)} files {target}-….pth or {target}.pth; expected one"
            )
        files[check_name(target, f"{folder}: target")] = found[0]
    if not files:
        raise ValueError(f"{folder}: no target's .json and .pth in it")
    return files


def _sizes(tensors: Tensors, described: dict, targets: list[str]) -> dict:
    named = tensors.named
    if "lstm.weight_ih_l0_reverse" not in named:
        raise ValueError("layer 'lstm.weight_ih_l0_reverse': not there; only both directions are")
    heard, units = named.get("input_mean"), named.get("fc1.weight")
    if getattr(heard, "ndim", 0) != 1 or getattr(units, "ndim", 0) != 2:
        raise ValueError("layers 'input_mean' and 'fc1.weight': expected a vector and a matrix")
    return {
        "sources": targets if len(targets) > 1 else [*targets, "accompaniment"],
        "targets": targets,
        "sample_rate": int(described["sample_rate"]),
        "channels": described["nb_channels"],
        "frame_length": described["nfft"],
        "hop": described["nhop"],
        "heard": heard.shape[0],
        "units": units.shape[0],
        "depth": count(named, r"lstm\.weight_ih_l(\d+)"),
    }


def _network(tensors: Tensors, network) -> None:
    for kind in ("mean", "scale"):
        tensors.put(getattr(network, f"input_{kind}"), f"input_{kind}")
        tensors.put(getattr(network, f"output_{kind}"), f"output_{kind}")
    for k, (each, norm) in enumerate(zip(network.maps, network.norms), 1):
        tensors.pair(each, f"fc{k}", LINEAR)
        tensors.norm(norm, f"bn{k}")
        tensors.put(norm.mean, f"bn{k}.running_mean")
        tensors.put(norm.variance, f"bn{k}.running_var")
        tensors.skip([f"bn{k}.num_batches_tracked"])
    for k, layer in enumerate(network.recurrent):
        lstm(tensors, layer, "lstm", k)
    # What early versions kept beside the network.
    tensors.skip([name for name in tensors.named if name.startswith(("stft.", "transform."))])
    tensors.skip([name for name in tensors.named if name == "sample_rate"])
