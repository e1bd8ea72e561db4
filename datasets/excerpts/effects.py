"""What may be done to an excerpt beyond gains, channels and remixes: families, all off by default.

Every family has a share: the chance that it is applied, to an excerpt or to each source of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np


@dataclass(frozen=True)
class Tone:
    """Share of the sources with a smooth random tone curve that stays within ± `db`."""

    share: float = 0.0
    db: float = 6.0


@dataclass(frozen=True)
class Lowpass:
    """Share of the excerpts without high frequencies; cut-off (−6 dB) drawn uniformly, in Hz."""

    share: float = 0.0
    hertz: tuple[float, float] = (9000.0, 19000.0)


@dataclass(frozen=True)
class Room:
    """Share of the sources with reverberation behind the direct sound, at the same energy.

    Attributes:
      seconds: shortest and longest decay by 60 dB, drawn uniformly in the logarithm.
      wet: least and most amplitude of the reverberation relative to the direct sound.
      folder: measured impulse responses (WAV files) in place of decaying noise; None: noise.
    """

    share: float = 0.0
    seconds: tuple[float, float] = (0.05, 1.3)
    wet: tuple[float, float] = (0.0, 0.5)
    folder: str | None = None


@dataclass(frozen=True)
class Saturation:
    """Share of the sources that are clipped softly, tanh(drive · source / peak), energy kept."""

    share: float = 0.0
    drive_db: tuple[float, float] = (0.0, 22.0)


@dataclass(frozen=True)
class Compression:
    """Share of the excerpts with one gain curve, computed from the mixture, on every source.

    Attributes:
      threshold_db: range of thresholds, relative to the RMS of the mixture.
      ratio: range of ratios above the threshold; 1 changes nothing.
    """

    share: float = 0.0
    threshold_db: tuple[float, float] = (-12.0, 0.0)
    ratio: tuple[float, float] = (1.5, 4.0)


@dataclass(frozen=True)
class Speed:
    """Share of the excerpts that are played faster or slower, pitch and time, sources alike."""

    share: float = 0.0
    factor: tuple[float, float] = (0.82, 1.22)


@dataclass(frozen=True)
class Width:
    """Share of the sources whose side signal is multiplied by a factor; mono stays as it is."""

    share: float = 0.0
    factor: tuple[float, float] = (0.0, 1.5)


@dataclass(frozen=True)
class Level:
    """Share of the excerpts in which the RMS of `source` is `db` above that of all the others."""

    share: float = 0.0
    source: str = "drums"
    db: tuple[float, float] = (-12.0, 7.0)


@dataclass(frozen=True)
class Parts:
    """Further parts, of other songs, in the sources of remixed excerpts.

    Attributes:
      chances: that a first, a second, … further part is added to a source.
      sources: which; none: all but the drums.
    """

    chances: tuple[float, ...] = ()
    sources: tuple[str, ...] = ()

    def of(self, source: str) -> tuple[float, ...]:
        """Return the chances of further parts in a source."""
        chosen = source in self.sources if self.sources else source != "drums"
        return self.chances if chosen else ()


#: Lowest and highest number that each option may have.
RANGES = {
    "share": (0.0, 1.0),
    "tone.db": (0.0, 40.0),
    "lowpass.hertz": (20.0, 200_000.0),
    "room.seconds": (0.001, 10.0),
    "room.wet": (0.0, 10.0),
    "saturation.drive_db": (-20.0, 60.0),
    "compression.threshold_db": (-60.0, 40.0),
    "compression.ratio": (1.0, 100.0),
    "speed.factor": (0.5, 2.0),
    "width.factor": (0.0, 4.0),
    "level.db": (-60.0, 60.0),
    "parts.chances": (0.0, 1.0),
}


@dataclass(frozen=True)
class Effects:
    """All families; `silence` maps a source to the share of excerpts in which it is silent."""

    tone: Tone = Tone()
    lowpass: Lowpass = Lowpass()
    room: Room = Room()
    saturation: Saturation = Saturation()
    compression: Compression = Compression()
    speed: Speed = Speed()
    width: Width = Width()
    level: Level = Level()
    parts: Parts = Parts()
    silence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        """Check the ranges (ValueError)."""
        for family in FAMILIES:
            settings = getattr(self, family)
            for option in fields(settings):
                value = getattr(settings, option.name)
                where = f"{family}.{option.name}"
                limits = RANGES.get(where) or RANGES.get(option.name)
                if limits:
                    _check(where, value, limits, ordered=where != "parts.chances")
        for source, share in self.silence.items():
            _check(f"silence.{source}", share, RANGES["share"])

    @property
    def on(self) -> bool:
        """Whether anything is ever done to an excerpt or added to it."""
        shares = [getattr(getattr(self, family), "share", 0.0) for family in FAMILIES]
        return any([*shares, *self.parts.chances, *self.silence.values()])

    def linear(self) -> "Effects":
        """Return those that keep a recording of several sources their sum, and need no stems."""
        return replace(
            Effects(),
            tone=self.tone,
            lowpass=self.lowpass,
            room=self.room,
            speed=self.speed,
            width=self.width,
        )

    def check_sources(self, sources: tuple[str, ...]) -> None:
        """Raise ValueError for a name that is none of the sources."""
        named = [("silence", source) for source in self.silence]
        named += [("parts.sources", source) for source in self.parts.sources]
        named += [("level.source", self.level.source)] if self.level.share else []
        for where, source in named:
            if source not in sources:
                raise ValueError(
                    f"{where}: {source!r} is none of the sources {', '.join(sources)}; name one"
                )


FAMILIES = {
    "tone": Tone,
    "lowpass": Lowpass,
    "room": Room,
    "saturation": Saturation,
    "compression": Compression,
    "speed": Speed,
    "width": Width,
    "level": Level,
    "parts": Parts,
}


def _check(where: str, value, limits: tuple[float, float], ordered: bool = True) -> None:
    """Raise ValueError for a number out of its range, or a range whose ends are exchanged."""
    low, high = limits
    several = isinstance(value, tuple | list)
    numbers = value if several else (value,)
    if isinstance(value, bool | str) or not np.all(
        [not isinstance(one, str) and low <= one <= high for one in numbers]
    ):
        raise ValueError(f"{where}={value}: expected {low:g} to {high:g}")
    if several and ordered and (len(value) != 2 or value[1] < value[0]):
        raise ValueError(f"{where}={list(value)}: expected two numbers, the lower one first")
