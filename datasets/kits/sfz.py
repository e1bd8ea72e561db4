"""Kits in SFZ: regions that inherit from <group>, <master> and <global>.

Opcodes that are read: sample, default_path, key, lokey, hikey, note_offset, lovel, hivel,
seq_length, seq_position, lorand, hirand, group, off_by, pitch_keycenter, pitch_keytrack, tune,
transpose, volume, amplitude, pan, offset, amp_veltrack, trigger, labels;
others are passed over.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from common.files import inside
from datasets.kits.kit import MOST_ZONES, Instrument, Zone, panned
from datasets.kits.pieces import KEYS, chosen
from datasets.kits.sfz_text import Token, tokens

LEVELS = ("global", "master", "group", "region")  # of headers, each inherits from those before
_TONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NOTE = re.compile(r"([a-gA-G])([#b♯♭]?)(-?\d)")
_LABELS = ("region_label", "group_label", "master_label", "global_label")
#: Opcode → usual value, lowest and highest.
_NUMBERS = {
    "lovel": (0, 0, 127),
    "hivel": (127, 0, 127),
    "seq_length": (1, 1, 100),
    "seq_position": (1, 1, 100),
    "lorand": (0, 0, 1),
    "hirand": (1, 0, 1),
    "group": (0, -(2**31), 2**32),
    "off_by": (0, -(2**31), 2**32),
    "pitch_keytrack": (100, -1200, 1200),
    "tune": (0, -9600, 9600),
    "transpose": (0, -127, 127),
    "volume": (0, -144, 48),
    "amplitude": (100, 0, 10000),
    "pan": (0, -100, 100),
    "offset": (0, 0, 2**32),
    "amp_veltrack": (100, -100, 100),
    "note_offset": (0, -127, 127),
}
_SAME = {"polyphony_group": "group", "offby": "off_by", "pitch": "tune"}


def read(
    path: Path, folder: Path, mapping: Mapping[str, str]
) -> tuple[list[Instrument], list[str]]:
    """Read a kit.

    Args:
      path: of the .sfz file.
      folder: below which its samples must lie.
      mapping: label, name of a sample's folder or file, or key (as text) → piece, see
        `datasets.kits.pieces.chosen`.

    Returns:
      Instruments, one per key that is a piece, by their labels, else the names of their samples,
      else their General MIDI keys; and the names of those that are none.

    Raises:
      ValueError: text, numbers or paths that are not as expected, a missing sample; with the line.
      OSError: a file cannot be read.
    """
    keys: dict[int, list[tuple[tuple[str, ...], Zone]]] = {}
    count = 0
    for region in _regions(path, folder):
        for key, names, zone in _zones(region, path, folder):
            keys.setdefault(key, []).append((names, zone))
            count += 1
            if count > MOST_ZONES:
                raise ValueError(f"{path}: more than {MOST_ZONES} regions and keys; expected less")
    found, left_out = [], []
    for key, zones in sorted(keys.items()):
        names = zones[0][0]
        piece = chosen(mapping, str(path), str(key), *names)
        if piece is None and not {str(key), *names} & mapping.keys():
            piece = KEYS.get(key)
        if piece is None:
            left_out.append(f"{key} {names[0]}")
        else:
            parts = tuple(zone for _, zone in zones)
            found.append(Instrument(f"{key} {names[0]}", piece, parts, key))
    return found, left_out


def key_of(text: str) -> int:
    """Return a MIDI key of its number or name (c4 is 60, as are C4 and b#3); -1 is none.

    Raises:
      ValueError: it is neither, or beyond −1 to 127.
    """
    if found := _NOTE.fullmatch(text.strip()):
        shift = {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(found[2], 0)
        key = 12 * (int(found[3]) + 1) + _TONES[found[1].lower()] + shift
    else:
        key = int(text)
    if not -1 <= key <= 127:
        raise ValueError(text)
    return key


def _regions(path: Path, folder: Path) -> list[dict[str, Token]]:
    """The opcodes of each region with those it inherits."""
    levels: dict[str, dict[str, Token]] = {}
    control: dict[str, Token] = {}
    regions, current = [], None
    for token in tokens(path, folder):
        if token.value is None:
            current = token.name
            if current == "region":
                inherited: dict[str, Token] = dict(control)
                for level in LEVELS[:-1]:
                    inherited |= levels.get(level, {})
                levels["region"] = inherited
                regions.append(inherited)
                inherited["<region>"] = token
            elif current in LEVELS:
                for level in LEVELS[LEVELS.index(current) : -1]:
                    levels[level] = {}
        elif current == "control":
            control[token.name] = token
        elif current in LEVELS:
            name = _SAME.get(token.name, token.name)
            levels[current][name] = token
            if name == "key":  # what comes last counts
                for other in ("lokey", "hikey", "pitch_keycenter"):
                    levels[current][other] = token
    return regions


def _zones(region: dict[str, Token], path: Path, folder: Path):
    """Yield (key, names, zone) of each key of a region."""
    sample = region.get("sample")
    trigger = region.get("trigger")
    if trigger is not None and trigger.value not in ("attack", "first"):
        return
    if sample is None or sample.value.startswith("*"):
        where = region["<region>"].where if sample is None else sample.where
        raise ValueError(f"{where}: region without a sample file; expected sample=FILE")
    prefix = region["default_path"].value if "default_path" in region else ""
    name = (prefix + sample.value).replace("\\", "/")
    file = inside(folder, name, sample.where)
    if not file.is_file():
        raise ValueError(f"{sample.where}: no sample {name[:200]!r}; get the whole kit")
    labels = [region[label].value for label in _LABELS if label in region]
    names = (*labels, *_sample_names(file, folder))
    value = {opcode: _number(region, opcode) for opcode in _NUMBERS}
    gain = 10 ** (value["volume"] / 20) * value["amplitude"] / 100
    low, high = _key(region, "lokey", 0), _key(region, "hikey", 127)
    centre = _key(region, "pitch_keycenter", 60)
    for key in range(max(low, 0), high + 1):
        pitch = (key - centre) * value["pitch_keytrack"] / 100 + value["tune"] / 100
        shifted = key + int(value["note_offset"])
        if not 0 <= shifted <= 127:
            continue
        yield (
            shifted,
            names,
            Zone(
                file,
                low=int(value["lovel"]),
                high=int(value["hivel"]),
                gains=panned(gain, value["pan"] / 100),
                semitones=max(-48.0, min(48.0, pitch + value["transpose"])),
                offset=int(value["offset"]),
                position=int(value["seq_position"]),
                count=int(value["seq_length"]),
                chance=(value["lorand"], value["hirand"] if value["hirand"] < 1 else 1.0),
                group=int(value["group"]),
                off_by=int(value["off_by"]),
                tracking=max(0.0, value["amp_veltrack"] / 100),
                exponent=2.0,
            ),
        )


def _sample_names(file: Path, folder: Path) -> tuple[str, ...]:
    """The names of a sample's own folder, if it has one, and of its file."""
    parts = file.relative_to(folder).parts[:-1]
    own = [parts[-1]] if parts and parts[-1].lower() not in ("samples", "wav", "flac") else []
    return (*own, file.stem)


def _number(region: dict[str, Token], opcode: str) -> float:
    usual, lowest, highest = _NUMBERS[opcode]
    if opcode not in region:
        return float(usual)
    token = region[opcode]
    try:
        value = float(token.value)
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest:
        raise ValueError(
            f"{token.where}: {opcode}={token.value[:40]}: expected a number, {lowest} to {highest}"
        )
    return value


def _key(region: dict[str, Token], opcode: str, usual: int) -> int:
    if opcode not in region:
        return usual
    token = region[opcode]
    try:
        return key_of(token.value)
    except ValueError:
        raise ValueError(
            f"{token.where}: {opcode}={token.value[:40]}: expected a key, 0 to 127 or c-1 to g9"
        ) from None
