"""The sections of a configuration that name songs: datasets, excerpts, unpaired lists."""

from dataclasses import dataclass, field
from typing import Any

from dssgan.config.augmentation import AugmentationSettings
from dssgan.config.reading import within

AUGMENTATION = AugmentationSettings()  # its defaults


@dataclass(frozen=True)
class Dataset:
    """Songs of one dataset."""

    name: str = "band"  # a key of datasets.DATASETS
    root: str | None = within(None, path=True)  # its folder; "band" needs none
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of its loader
    weight: float = within(1.0, low=0)  # share of the training excerpts, relative to the others
    # Songs by name; null takes the split that the dataset itself, or `shares`, defines.
    train: tuple[str, ...] | None = None
    valid: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None
    # Which songs (all, or those of a split) → their shares in train, valid and test, in the order
    # of their names; see datasets.splits.split_by_shares. {all: [1, 1, 1]} makes thirds.
    shares: dict[str, Any] = field(default_factory=dict)
    # Of the training songs: leave out the first `skip`, then take at most `first` (0: all).
    skip: int = within(0, low=0)
    first: int = within(0, low=0)


@dataclass(frozen=True)
class Data(Dataset):
    """Training, validation and test songs, and how excerpts are cut from them."""

    also: tuple[Dataset, ...] = ()  # further datasets; each brings its own songs to each split
    cache: str = within("cache", path=True)  # folder of the songs decoded and resampled once
    seconds: float = within(8.0, low=0.01, high=3600)  # length of a training excerpt
    batch: int = within(12, low=1, high=65536)  # excerpts per update, over all devices
    channels: int = within(1, low=1, high=2)  # 1 takes left or right of each stem
    workers: int = within(2, low=1, high=1024)  # threads that prepare excerpts
    augmentation: AugmentationSettings = AUGMENTATION


@dataclass(frozen=True)
class Solo(Dataset):
    """Recordings of one source alone, or songs whose stem of that name is taken."""

    source: str = "drums"


@dataclass(frozen=True)
class Unpaired:
    """Mixtures without stems and solo recordings without mixtures; see datasets.excerpts.unpaired.

    Only training songs of each dataset are used. A source without recordings of its own comes
    in the paired songs; without mixtures, those of the paired songs are used.
    """

    mixtures: tuple[Dataset, ...] = ()
    solos: tuple[Solo, ...] = ()
    gain: tuple[float, float] = within((0.2, 1.2), low=0)  # lowest and highest factor
    polarity: float = within(0.0, low=0, high=1)  # chance that an excerpt is inverted
    active_share: float = within(0.0, low=0, high=1)  # excerpts drawn again while silent
    active_only: bool = False  # only stretches that datasets.activity.windows calls active
    short: str = within("loop", choices=("loop", "pad"))  # recordings shorter than an excerpt
