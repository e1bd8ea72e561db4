"""What an export says of its model in ONNX."""

from pathlib import Path
from types import SimpleNamespace

from common.audio_files import require_file
from common.digests import file_digest
from common.files import check_name
from common.json_files import read_json
from dssgan.exports import CONFIG, ONNX

ADVICE = "export it again: python -m dssgan.export SEPARATOR --to onnx OUT"
#: What an export says of the model, under "onnx" in its configuration.
NUMBERS = ("context", "multiple", "grid", "minimum", "maximum")
SWITCHES = ("scale_free", "unit_variance", "normalises", "channels_apart")
KEYS = {
    "sources": list,
    "sample_rate": int,
    "onnx": {
        "sha256": str,
        "weights_sha256?": str,
        "samples": int,
        "any_length?": bool,
        "channels": int,
        "targets": list,
        "frame_length?": int,
        "hop?": int,
        **dict.fromkeys(NUMBERS, int),
        **dict.fromkeys(SWITCHES, bool),
    },
}


def described(folder: Path) -> SimpleNamespace:
    """What an export's configuration says of the model.

    Raises:
      ValueError: it is no such configuration, or of another file.
      OSError: a file is missing or cannot be read.
    """
    path = folder / CONFIG
    for file in (path, folder / ONNX):
        require_file(file)
    config = read_json(path, KEYS, ADVICE)
    facts = dict(config["onnx"])
    for source in [*config["sources"], *facts["targets"]]:
        check_name(source, f"{path}: sources")
    facts["masks"] = "frame_length" in facts and "hop" in facts
    sizes = [facts["samples"], facts["channels"], config["sample_rate"], facts["multiple"]]
    sizes += [facts["frame_length"], facts["hop"]] if facts["masks"] else []
    if min(sizes) < 1 or max(sizes) > 1 << 30 or facts["samples"] % facts["multiple"]:
        raise ValueError(f"{path}: onnx: a size is out of its range: {ADVICE}")
    if facts.pop("sha256") != file_digest(folder / ONNX):
        raise ValueError(
            f"{folder / ONNX}: damaged or of another export (its checksum is not the one in "
            f"{CONFIG}): {ADVICE}"
        )
    facts["sources"] = tuple(config["sources"])
    facts.setdefault("any_length", False)
    return SimpleNamespace(sample_rate=config["sample_rate"], causal=False, **facts)
