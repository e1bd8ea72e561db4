"""What is known of a separator of the catalogue: on this machine, shipped, or public."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.json_files import read_json
from common.suggest import nearest
from dssgan import exports

PUBLIC = Path(__file__).with_name("public.json")
UNKNOWN = "unknown"  # a licence that is named nowhere
#: Systems that public entries may be of.
SYSTEMS = (
    "bandsplit", "bs_roformer", "hdemucs", "htdemucs", "mdx23c", "mel_band_roformer",
    "meta_tasnet", "openunmix", "scnet", "wavenet",
)  # fmt: skip
SCORES = {"measure": str, "songs": str, "published": bool, "page?": str, "values": {str: float}}
PUBLIC_ENTRY = {
    "name": str,
    "system": str,
    "sources": [str],
    "about": str,
    "page": str,
    "url": str,
    "sha256?": str,
    "size?": int,
    "config?": str,
    "config_sha256?": str,
    "licence": str,
    "scores?": SCORES,
    "tried": bool,
}


@dataclass(frozen=True)
class Entry:
    """A separator by name.

    Attributes:
      name, system, sources: of the separator. size: in bytes, None where it is not known.
      licence: `UNKNOWN` where none is named.
      scores: {"measure", "songs", "published", "values": {source: dB}}; {} where there are none.
      folder: where it lies; None for public ones.
      facts: what else is known, {name: value} in the order to print.
      fault: why it cannot be used, in one line; empty where it can.
    """

    name: str
    system: str = ""
    sources: tuple[str, ...] = ()
    size: int | None = None
    licence: str = UNKNOWN
    scores: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def public(path: Path = PUBLIC) -> dict[str, Entry]:
    """The public entries by name, in the order of the file.

    Raises:
      ValueError: the file is damaged. OSError: it cannot be read.
    """
    advice = "install the library again"
    found = read_json(path, {"format": int, "entries": [PUBLIC_ENTRY]}, advice)["entries"]
    entries = {}
    for known in found:
        facts = {key: known.get(key) for key in ("about", "page", "url", "sha256", "config")}
        facts |= {"config_sha256": known.get("config_sha256"), "tried": known["tried"]}
        entries[known["name"]] = Entry(
            known["name"],
            known["system"],
            tuple(known["sources"]),
            known.get("size"),
            known["licence"],
            known.get("scores") or {},
            None,
            facts,
        )
    return entries


def shipped() -> dict[str, Entry]:
    """The separators that come with the library, by name."""
    return {name: described(name, folder) for name, folder in exports.pretrained().items()}


def described(name: str, folder: Path) -> Entry:
    """What the configuration of an exported separator tells.

    Raises:
      ValueError: it is no such configuration. OSError: a file cannot be read.
    """
    config = read_json(folder / exports.CONFIG, exports.DESCRIBED, exports.ADVICE)
    provenance = config.get("provenance") or {}
    facts = {"sample rate": f"{config['sample_rate']} Hz", "weights": config.get("weights_sha256")}
    if isinstance(provenance.get("trained"), str):
        facts["trained"] = provenance["trained"]
    return Entry(
        name,
        config["separator"],
        exports.sources_of(folder),
        size_of(folder),
        provenance.get("licence") or UNKNOWN,
        measured(provenance.get("scores") or {}),
        folder,
        facts,
    )


def measured(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of an export's configuration in the form of the catalogue; {} where none are."""
    values = {
        source: float(found["SDR"])
        for source, found in scores.items()
        if isinstance(found, dict) and _is_number(found.get("SDR"))
    }
    if not values:
        return {}
    songs = f"{scores.get('songs')} songs, protocol {scores.get('protocol')}"
    return {"measure": "SDR", "songs": songs, "published": False, "values": values}


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and abs(value) < 1e6  # NaN neither


def size_of(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def unknown(name: str, known: Mapping[str, Any], where: str) -> str:
    """The message about a name that is none of those there are.

    Args:
      where: where it was looked for, "in …" or "here".
    """
    hint = nearest(name, known) or "; see python -m dssgan.catalogue list --public"
    return f"{name!r}: no separator of this name {where}{hint}"
