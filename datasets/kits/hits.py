"""Kits that are folders of hits, by the names of files and folders.

root/kick_01.wav, root/kick_02.wav       hits in turn
root/snare/soft-v1.wav, …/hard-v2.wav    from soft to loud by the number behind v, vel or layer
root/hihat-open.wav
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from common.audio_files import files_below, is_audio
from datasets.kits.kit import MOST_ZONES, Instrument, Zone
from datasets.kits.pieces import chosen, piece_of

_LOOPS = re.compile(r"loop|break|groove|\broll|\bfill", re.IGNORECASE)
_LAYER = re.compile(r"(?<![a-z])(?:v|vel|velocity|layer)[ _-]?(\d{1,4})(?!\d)", re.IGNORECASE)
TRACKING = 0.5  # of hits recorded softly and loudly, which differ in level themselves


def read(folder: Path, mapping: Mapping[str, str]) -> tuple[list[Instrument], list[str]]:
    """Read a kit.

    Args:
      folder: of audio files, also below it.
      mapping: name of an instrument → piece, see `datasets.kits.pieces.chosen`. An instrument's
        name is that of its files, numbers aside, with the folder before it.

    Returns:
      Its instruments that are pieces, sorted by name, and the names of those that are not, loops
      among them.

    Raises:
      ValueError: too many files. OSError: the folder cannot be read.
    """
    groups: dict[str, list[tuple[int, Path]]] = {}
    for number, path in enumerate(filter(is_audio, files_below(folder))):
        if number >= MOST_ZONES:
            raise ValueError(
                f"{folder}: more than {MOST_ZONES} audio files; expected hits of a kit"
            )
        found = _LAYER.search(path.stem)
        stem = path.stem[: found.start()] + path.stem[found.end() :] if found else path.stem
        words = re.sub(r"(?<![A-Za-z])\d+|\d+$", "", stem).strip(" _-.()")
        parts = [*path.relative_to(folder).parts[:-1][-1:], *([words] if words else [])]
        name = "/".join(parts) or path.stem
        groups.setdefault(name, []).append((int(found[1]) if found else -1, path))
    instruments, left_out = [], []
    for name, files in sorted(groups.items()):
        parent, _, own = name.rpartition("/")
        piece = chosen(mapping, str(folder), name, *(one for one in (own, parent) if one))
        if parent and name not in mapping:
            piece = piece_of(f"{parent} {own}") if piece_of(own, parent) else piece
        if piece is None or (_LOOPS.search(name) and name not in mapping):
            left_out.append(name)
        else:
            instruments.append(Instrument(name, piece, tuple(_zones(sorted(files)))))
    return instruments, left_out


def _zones(files: list[tuple[int, Path]]) -> list[Zone]:
    """Layers that share the velocities out evenly; files of one layer sound in turn."""
    layers: dict[int, list[Path]] = {}
    for layer, path in files:
        layers.setdefault(layer, []).append(path)
    edges = [round(128 * place / len(layers)) for place in range(len(layers) + 1)]
    zones = []
    for place, paths in enumerate(layers.values()):
        usual = Zone(Path(), edges[place], edges[place + 1] - 1, count=len(paths))
        if len(layers) > 1:
            usual = replace(usual, tracking=TRACKING)
        zones += [replace(usual, sample=one, position=turn) for turn, one in enumerate(paths, 1)]
    return zones
