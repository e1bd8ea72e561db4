"""The section data.augmentation of a configuration; what it says, `datasets.excerpts` does."""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from dssgan.config.reading import within

RANGE = tuple[float, float]  # the type of an option with a lowest and a highest number


@dataclass(frozen=True)
class Tone:
    """A smooth random tone curve of a source."""

    share: float = within(0.0, low=0, high=1)  # of the sources
    db: float = within(6.0, low=0, high=40)  # it stays within ± this


@dataclass(frozen=True)
class Lowpass:
    """No high frequencies, as of lossy codecs, in all sources alike."""

    share: float = within(0.0, low=0, high=1)  # of the excerpts
    hertz: tuple[float, float] = within((9000.0, 19000.0), low=20, high=200_000)  # cut-off


@dataclass(frozen=True)
class Room:
    """Reverberation of a source behind its direct sound, at the same energy."""

    share: float = within(0.0, low=0, high=1)  # of the sources
    seconds: tuple[float, float] = within((0.05, 1.3), low=0.001, high=10)  # decay by 60 dB
    wet: tuple[float, float] = within(
        (0.0, 0.5), low=0, high=10
    )  # amplitude relative to the direct sound
    folder: str | None = within(None, path=True)  # WAVs of measured responses in place of noise


@dataclass(frozen=True)
class Saturation:
    """Soft clipping of a source at the same energy."""

    share: float = within(0.0, low=0, high=1)  # of the sources
    drive_db: tuple[float, float] = within((0.0, 22.0), low=-20, high=60)


@dataclass(frozen=True)
class Compression:
    """One gain curve, computed from the mixture, on every source."""

    share: float = within(0.0, low=0, high=1)  # of the excerpts
    threshold_db: tuple[float, float] = within(
        (-12.0, 0.0), low=-60, high=40
    )  # from the mixture's RMS
    ratio: tuple[float, float] = within((1.5, 4.0), low=1, high=100)


@dataclass(frozen=True)
class Speed:
    """Time and pitch of all sources alike, by resampling."""

    share: float = within(0.0, low=0, high=1)  # of the excerpts
    factor: tuple[float, float] = within(
        (0.82, 1.22), low=0.5, high=2
    )  # above 1 is faster and higher


@dataclass(frozen=True)
class Width:
    """Side signal of a source, where excerpts are stereo."""

    share: float = within(0.0, low=0, high=1)  # of the sources
    factor: tuple[float, float] = within((0.0, 1.5), low=0, high=4)


@dataclass(frozen=True)
class Level:
    """RMS of one source relative to that of all the others."""

    share: float = within(0.0, low=0, high=1)  # of the excerpts
    source: str = "drums"
    db: tuple[float, float] = within((-12.0, 7.0), low=-60, high=60)


@dataclass(frozen=True)
class Parts:
    """Further parts, of other songs, in the sources of remixed excerpts."""

    # Chances of a first, a second, … further part in a source.
    chances: tuple[float, ...] = within((), low=0, high=1)
    sources: tuple[str, ...] = ()  # which; empty: all but the drums


@dataclass(frozen=True)
class AugmentationSettings:
    """How excerpts are varied; shares are from 0 to 1. See `datasets.excerpts.effects` as well."""

    gain: tuple[float, float] = within((0.75, 1.25), low=0)  # lowest and highest factor of a stem
    gain_db: tuple[float, float] | None = None  # the same in dB, in place of it
    swap: float = within(0.5, low=0, high=1)  # chance that left and right change places (stereo)
    polarity: float = within(0.0, low=0, high=1)  # chance that a stem is inverted
    drop: float = within(0.0, low=0, high=1)  # chance that a stem is silent
    remix: float = within(0.5, low=0, high=1)  # share of the batch whose stems come from all over
    normalise: str = within("track", choices=("track", "none"))  # songs to unit level
    active: str = "drums"  # a source that plays …
    active_share: float = within(0.0, low=0, high=1)  # … in at least this share of the excerpts
    # When it plays: somewhere ("audible"), all the way ("runs"), in an active stretch ("activity").
    active_rule: str = within("audible", choices=("audible", "runs", "activity"))
    split_accompaniment: bool = False  # vary each stem within it
    # Mixes of a moment on the channel axis; 3 with model.rates_apart is the original's quirk.
    mixes: int = within(1, low=1, high=64)
    # What follows is done to an excerpt as it is mixed; each is off while its share is 0.
    tone: Tone = Tone()
    lowpass: Lowpass = Lowpass()
    room: Room = Room()
    saturation: Saturation = Saturation()
    compression: Compression = Compression()
    speed: Speed = Speed()
    width: Width = Width()
    level: Level = Level()
    parts: Parts = Parts()
    silence: dict[str, Any] = field(default_factory=dict)  # source → share of excerpts without it


def check_augmentation(settings: AugmentationSettings, sources: tuple[str, ...]) -> None:
    """Check the section as a whole; `sources` are those of the configuration.

    Raises:
      ValueError: a range whose ends are exchanged, a share that is none, an unknown source.
    """
    where = "data.augmentation"
    low, high = settings.gain
    if high < low:
        raise ValueError(f"{where}.gain=[{low:g}, {high:g}]: the lower factor comes first")
    for family in fields(settings):
        section = getattr(settings, family.name)
        for option in fields(section) if is_dataclass(section) else ():
            value = getattr(section, option.name)
            if option.type == RANGE and value[1] < value[0]:
                key = f"{where}.{family.name}.{option.name}"
                raise ValueError(f"{key}=[{value[0]:g}, {value[1]:g}]: the lower one comes first")
    for source, share in settings.silence.items():
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0.0 <= share <= 1.0:
            raise ValueError(f"{where}.silence.{source}={share!r}: expected a share from 0 to 1")
    named = [("silence", source) for source in settings.silence]
    named += [("parts.sources", source) for source in settings.parts.sources]
    named += [("level.source", settings.level.source)] if settings.level.share else []
    for key, source in named:
        if source not in sources:
            raise ValueError(
                f"{where}.{key}: {source!r} is none of the sources {', '.join(sources)}"
            )
