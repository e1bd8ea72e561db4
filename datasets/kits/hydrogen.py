"""Kits of the drum machine Hydrogen: a folder with drumkit.xml and samples.

Read are the layouts of Hydrogen 0.9 to 1.2: layers below an instrument or below its components,
`pan_L` and `pan_R` or `pan`.
"""

import math
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.parsers import expat

from common.files import inside, read_limited
from datasets.kits.kit import MOST_ZONES, Instrument, Zone, panned
from datasets.kits.pieces import KEYS, chosen

FILE = "drumkit.xml"
LARGEST = 2**23  # bytes; kits have kilobytes
MOST_ELEMENTS, DEEPEST = 400_000, 64
GONE = 0.1  # share of instruments whose samples may all be missing: kits were published like that


def read(folder: Path, mapping: Mapping[str, str]) -> tuple[list[Instrument], list[str]]:
    """Read a kit.

    Args:
      folder: of drumkit.xml.
      mapping: instrument's name → piece, see `datasets.kits.pieces.chosen`.

    Returns:
      Its instruments that are pieces, and the names of those that are not, and of those none of
      whose samples is there (a warning says them). Muted ones are left out.

    Raises:
      ValueError: damaged XML, a DTD, a number out of its range, a sample outside the folder, some
        samples of an instrument missing, or all of more than a tenth of the instruments. OSError:
        it cannot be read.
    """
    path = folder / FILE
    root = parse(read_limited(path, LARGEST), path)
    volumes = {
        _text(one, "id"): _number(one, "volume", 1.0, str(path))
        for one in root.iter("drumkitComponent")
    }
    elements = list(root.iter("instrument"))
    found, left_out, gone = [], [], []
    for number, element in enumerate(elements):
        name = _text(element, "name") or f"instrument {number}"
        reader = _Instrument(element, folder, f"{path}: {name[:80]}", volumes)
        zones = reader.zones()
        if _text(element, "isMuted") == "true":
            continue
        if reader.gone:
            gone.append(f"{path}: {name[:80]}: no sample {reader.gone[0]!r}")
            if zones or len(gone) > GONE * len(elements):
                raise ValueError(f"{gone[0]}; get the whole kit")
            left_out.append(name)
        if not zones:
            continue
        key = int(_number(element, "midiOutNote", -1, f"{path}: {name[:80]}", (-1, 127)))
        folders = [zones[0].sample.stem]
        piece = chosen(mapping, str(path), name, *folders)
        if piece is None and name not in mapping and name.isdigit():
            piece = KEYS.get(key)
        if piece is None:
            left_out.append(name)
        else:
            found.append(Instrument(name, piece, tuple(zones), key if key >= 0 else None))
    for line in gone:
        warnings.warn(f"{line}, which is not played", stacklevel=2)
    return found, left_out


def parse(data: bytes, path: Path) -> ET.Element:
    """Parse XML without a DTD; names lose their namespaces.

    Raises:
      ValueError: damaged, a document type or an entity is declared, or too much of it.
    """
    depth = count = 0

    def start(*_: object) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise ValueError(
                f"{path}: line {parser.CurrentLineNumber}: expected at most {MOST_ELEMENTS} "
                f"elements, {DEEPEST} deep"
            )

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise ValueError(
            f"{path}: line {parser.CurrentLineNumber}: declares a document type or an entity, "
            "which is refused; remove it"
        )

    try:
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = doctype
        parser.Parse(data, True)
        root = ET.fromstring(data)
    except (expat.ExpatError, ET.ParseError, LookupError) as error:
        raise ValueError(f"{path}: damaged XML: {error}; get the kit again") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


class _Instrument:
    """Reads the layers of one instrument."""

    def __init__(self, element: ET.Element, folder: Path, where: str, volumes: dict[str, float]):
        self.element, self.folder, self.where, self.volumes = element, folder, where, volumes
        self.gone: list[str] = []  # samples that are not there

    def zones(self) -> list[Zone]:
        element, where = self.element, self.where
        gain = _number(element, "gain", 1.0, where) * _number(element, "volume", 1.0, where)
        if element.find("pan_L") is not None or element.find("pan_R") is not None:
            sides = [_number(element, side, 1.0, where, (0, 4)) for side in ("pan_L", "pan_R")]
            gains = (gain * sides[0], gain * sides[1])
        else:
            gains = panned(gain, _number(element, "pan", 0.0, where, (-1, 1)))
        mute = int(_number(element, "muteGroup", -1, where, (-1, 10**6))) + 1
        usual = Zone(
            Path(),
            gains=gains,
            semitones=_number(element, "pitchOffset", 0.0, where, (-48, 48)),
            group=mute,
            off_by=mute,
            tracking=0.0 if _text(element, "applyVelocity") == "false" else 1.0,
        )
        found = []
        components = element.findall("instrumentComponent")
        for part in components or [element]:
            factor = 1.0
            if components:
                factor = _number(part, "gain", 1.0, where)
                factor *= self.volumes.get(_text(part, "component_id"), 1.0)
            zones = [self._zone(layer, usual, factor) for layer in part.findall("layer")]
            if not zones and _text(part, "filename"):
                sample = self._sample(_text(part, "filename"))
                zones = [replace(usual, sample=sample) if sample else None]
            found += self._in_turn([zone for zone in zones if zone is not None])
        if len(found) > MOST_ZONES:
            raise ValueError(f"{where}: {len(found)} layers; expected {MOST_ZONES} at most")
        return found

    def _zone(self, layer: ET.Element, usual: Zone, factor: float) -> Zone | None:
        file = _text(layer, "filename")
        sample = self._sample(file) if file else None
        if sample is None:
            return None
        low = _number(layer, "min", 0.0, self.where, (0, 1))
        high = _number(layer, "max", 1.0, self.where, (0, 1))
        gain = factor * _number(layer, "gain", 1.0, self.where)
        first = math.ceil(low * 127 - 1e-6)
        last = 127 if high >= 1.0 else max(math.ceil(high * 127 - 1e-6) - 1, first)
        return replace(
            usual,
            sample=sample,
            low=first,
            high=last,
            gains=(gain * usual.gains[0], gain * usual.gains[1]),
            semitones=usual.semitones + _number(layer, "pitch", 0.0, self.where, (-48, 48)),
        )

    def _sample(self, name: str) -> Path | None:
        path = inside(self.folder, name, self.where)
        if path.is_file():
            return path
        self.gone.append(name)
        return None

    def _in_turn(self, zones: list[Zone]) -> list[Zone]:
        """Let layers of the same velocities sound in turn, or by chance; else the first of them."""
        kind = _text(self.element, "sampleSelectionAlgo")
        counts = Counter((zone.low, zone.high) for zone in zones)
        seen: Counter = Counter()
        found = []
        for zone in zones:
            velocities = zone.low, zone.high
            place, count = seen[velocities], counts[velocities]
            seen[velocities] += 1
            if kind == "ROUND_ROBIN":
                found.append(replace(zone, position=place + 1, count=count))
            elif kind == "RANDOM":
                found.append(replace(zone, chance=(place / count, (place + 1) / count)))
            elif not place:
                found.append(zone)
        return found


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _number(
    element: ET.Element,
    name: str,
    usual: float,
    where: str,
    limits: tuple[float, float] = (0.0, 1000.0),
) -> float:
    """The number in an element; `usual` where there is none.

    Raises:
      ValueError: no number, or one beyond the limits.
    """
    text = _text(element, name)
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not limits[0] <= value <= limits[1]:
        shown = f"{limits[0]:g} to {limits[1]:g}"
        raise ValueError(f"{where}: {name}: {text[:40]!r} is not as expected, {shown}")
    return value
