"""A kit: instruments, each made of zones, and the zones that a hit sounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets.kits.pieces import INSTEAD, OPEN_HATS, PIECES

HATS = -1  # choke group of hats in kits that say nothing of one
MOST_ZONES = 20_000


@dataclass(frozen=True)
class Zone:
    """One sample and when it sounds.

    Attributes:
      sample: an audio file.
      low, high: velocities, 0 to 127, both included.
      gains: of the left and the right channel.
      semitones: by which it sounds higher than recorded.
      offset: samples of the file that are left out at its beginning.
      position, count: of a round robin; it sounds in each `count`-th hit, the `position`-th first.
      chance: from 0 to 1, from the first to below the second of which a draw makes it sound.
      group: 0 or its choke group. off_by: 0 or the group whose hits end it.
      tracking, exponent: its amplitude is 1 − tracking + tracking · (velocity / 127) ** exponent.
    """

    sample: Path
    low: int = 0
    high: int = 127
    gains: tuple[float, float] = (1.0, 1.0)
    semitones: float = 0.0
    offset: int = 0
    position: int = 1
    count: int = 1
    chance: tuple[float, float] = (0.0, 1.0)
    group: int = 0
    off_by: int = 0
    tracking: float = 1.0
    exponent: float = 1.0

    def amplitude(self, velocity: float) -> float:
        """Return the factor of a velocity, 0 to 127."""
        return 1.0 - self.tracking + self.tracking * (velocity / 127.0) ** self.exponent


@dataclass(frozen=True)
class Instrument:
    """What one hit plays.

    Attributes:
      name: as the kit has it.
      piece: a key of PIECES.
      zones: in the kit's order.
      key: MIDI key, or None.
    """

    name: str
    piece: str
    zones: tuple[Zone, ...]
    key: int | None = None

    def sounding(self, velocity: int, hit: int, draw: float) -> list[Zone]:
        """Return the zones that a hit sounds.

        Args:
          velocity: 1 to 127; without a zone of it, the nearest zones count.
          hit: its number among the instrument's hits, from 0.
          draw: 0 to below 1.
        """
        distances = [max(zone.low - velocity, velocity - zone.high, 0) for zone in self.zones]
        nearest = min(distances)
        return [
            zone
            for zone, distance in zip(self.zones, distances, strict=True)
            if distance == nearest
            and hit % zone.count == zone.position - 1
            and zone.chance[0] <= draw < zone.chance[1]
        ]


@dataclass(frozen=True)
class Kit:
    """A kit.

    Attributes:
      name: of its folder or file.
      instruments: those that are a piece.
      left_out: names of the others.
      digest: of its definition and its samples, in hexadecimal.
    """

    name: str
    instruments: tuple[Instrument, ...]
    left_out: tuple[str, ...] = ()
    digest: str = ""

    def of_piece(self, piece: str, key: int | None = None) -> tuple[Instrument, ...]:
        """Return the instruments that can play a piece, or what is played instead; () for none.

        Args:
          piece: a key of PIECES.
          key: instruments of this MIDI key are preferred, where they are the piece.
        """
        for one in (piece, *INSTEAD.get(piece, ())):
            found = tuple(each for each in self.instruments if each.piece == one)
            if found:
                return tuple(each for each in found if each.key == key is not None) or found
        return ()

    def table(self) -> str:
        """Return the mapping as text: a line per instrument with its piece, stem and samples."""
        rows = [
            (each.name, each.piece, PIECES[each.piece], f"{len(each.zones)} samples")
            for each in self.instruments
        ]
        rows += [(name, "none", "", "") for name in self.left_out]
        widths = [max(len(row[place]) for row in rows) for place in range(3)] if rows else ()
        return "\n".join(
            "  ".join(
                (*(text.ljust(width) for text, width in zip(row[:3], widths, strict=True)), row[3])
            ).rstrip()
            for row in rows
        )


def with_hats(instruments: Sequence[Instrument]) -> tuple[Instrument, ...]:
    """Let every hat end open hats, in a kit whose open hats are ended by nothing."""
    hats = [each for each in instruments if PIECES[each.piece] == "hats"]
    if any(zone.off_by for each in hats if each.piece in OPEN_HATS for zone in each.zones):
        return tuple(instruments)
    return tuple(
        replace(
            each,
            zones=tuple(
                replace(zone, group=HATS, off_by=HATS if each.piece in OPEN_HATS else zone.off_by)
                for zone in each.zones
            ),
        )
        if each in hats
        else each
        for each in instruments
    )


def panned(gain: float, pan: float) -> tuple[float, float]:
    """Return the gains of both channels: a pan of −1 mutes the right one, of 1 the left one."""
    return gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan)
