"""Any checkpoint of the systems in this folder → a separator; its names tell which system it is."""

import importlib
import re
from pathlib import Path
from typing import Any

from dssgan.config.sizes import check_sizes
from dssgan.models.base import SeparatorModel
from dssgan.models.bounds import limited
from dssgan.published.field import checkpoint, settings
from dssgan.published.layer_tables import some

UNMIX, DEMUCS, PACKAGE = "openunmix", "htdemucs", "klass"  # the latter is a key of Demucs' packages
#: System → a name that its tensors have, and the module and function that build it of them.
SYSTEMS = {
    DEMUCS: (r"crosstransformer\..*", "", ""),
    UNMIX: (r"fc1\.weight", "", ""),
    "bs_roformer": (r"final_norm\.gamma", "roformer", "from_roformer"),
    "mel_band_roformer": (r"layers\.0\.0\.norm\.gamma", "roformer", "from_roformer"),
    "scnet": (r"encoder\.0\.SDlayer\.convs\.0\.weight", "scnet", "from_scnet"),
    "mdx23c": (r"encoder_blocks\.0\.tfc_tdf\..*", "mdx23c", "from_mdx23c"),
}
#: What else is known by its names, and what to say of it.
OTHERS = {
    r"bandsplit\..*|bandsequence\..*": "BandSplitRNN: python -m dssgan.convert bandsplit",
    r"tencoder\..*": "Demucs without a transformer: not supported",
    r"encoder\.\d+\.\d+\.weight": "Demucs of an older version: not supported",
}


def system_of(named: dict[str, Any]) -> str:
    """The system whose tensors these are.

    Raises:
      ValueError: none that can be converted; says what it is where that is known.
    """
    for system, (form, *_) in SYSTEMS.items():
        if any(re.fullmatch(form, name) for name in named):
            return system
    for form, told in OTHERS.items():
        if any(re.fullmatch(form, name) for name in named):
            raise ValueError(f"these are the layers of {told}")
    raise ValueError(
        f"layers {some(named)} are those of no known system; known are {', '.join(SYSTEMS)}"
    )


def open_checkpoint(
    path: Path, content: Any = None, config: Path | None = None, system: str | None = None
) -> tuple[SeparatorModel, dict[str, Any]]:
    """Build a separator with the weights of a checkpoint.

    Args:
      path: the file, or Open-Unmix's folder. content: of the file, where it has been read.
      config: the YAML that comes with it; None takes the one that lies beside it.
      system: the one that it must be; None takes any.

    Returns:
      The separator, and what an export should tell: "system", and what it was made of.

    Raises:
      ValueError: a file that is damaged, of another system, or has what is not supported: one line
        that names the file, and the layer or option.
      OSError: a file cannot be read.
    """
    if path.is_dir():
        if system not in (None, UNMIX):
            raise ValueError(f"{path}: a folder, which {system} is not converted from")
        from dssgan.published.field.openunmix import from_openunmix

        with limited(_most(path), "the numbers in its files"):
            return from_openunmix(path), {"system": UNMIX}
    bag = path.suffix.lower() in (".yaml", ".yml")
    content = checkpoint.read(path) if content is None and not bag else content
    if bag or (isinstance(content, dict) and PACKAGE in content):
        return _demucs(path, content, config, system)
    try:
        named, _ = checkpoint.tensors_of(content)
        found = system_of(named)
        if system not in (None, found):
            raise ValueError(f"these are the layers of {found}, not of {system}")
        if found == DEMUCS:
            return _demucs(path, content, config or _beside(path), system)
        if found == UNMIX:
            return _network(path, named), {"system": UNMIX}
        config = config or _beside(path)
        described = settings.read(config)
        audio = described.section("audio")
        sizes = {key: value for key, value in audio.items() if key != "chunk_size"}
        check_sizes({"audio": sizes, "model": described.section("model")}, f"{config}: ")
        _, module, function = SYSTEMS[found]
        build = getattr(importlib.import_module(f"dssgan.published.field.{module}"), function)
        with limited(2 * sum(value.size for value in named.values()) + 2**16, "those in the file"):
            model = build(named, described)
    except (ValueError, TypeError, ArithmeticError, KeyError) as error:
        text = " ".join(str(error).split())
        known = text.startswith((f"{path}:", f"{config}:"))
        raise ValueError(text if known else f"{path}: {text}") from error
    model.chunks = described.chunks(model.sample_rate) or None
    return model, {"system": found, "config": config.name}


def _network(path: Path, named: dict[str, Any]) -> SeparatorModel:
    """One network of Open-Unmix."""
    from dssgan.published.field.openunmix import from_one_network

    with limited(2 * sum(value.size for value in named.values()) + 2**16, "those in the file"):
        return from_one_network(path, named)


def _demucs(path: Path, content: Any, config: Path | None, system: str | None):
    """A package of Demucs, a bag of them, or bare weights."""
    from dssgan.published.demucs_packages import htdemucs_file

    if system not in (None, DEMUCS):
        raise ValueError(f"{path}: Demucs, which {system} is not converted from")
    model, told = htdemucs_file(path, config, content)
    return model, {"system": DEMUCS, **told}


def _most(folder: Path) -> int:
    """Weights that the files of a folder can hold."""
    return sum(path.stat().st_size for path in folder.glob("*.pth")) // 2 + 2**16


def _beside(path: Path) -> Path | None:
    """The configuration beside a checkpoint: of its name, or the only one there."""
    own = [path.with_suffix(end) for end in (".yaml", ".yml")]
    near = sorted([*path.parent.glob("*.yaml"), *path.parent.glob("*.yml")])
    found = [each for each in own if each.is_file()] or (near if len(near) == 1 else [])
    return found[0] if found else None
