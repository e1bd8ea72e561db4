"""Which songs a configuration names."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import datasets
from common.audio_files import some
from common.suggest import nearest
from datasets.cache.prepare import Unreadable
from datasets.splits import split_by_shares
from datasets.track import Track
from dssgan.config.data import Dataset
from dssgan.config.rules import REFINEMENTS
from dssgan.config.schema import Config

Log = Callable[[str], None]


def entries(config: Config) -> list[tuple[str, Dataset]]:
    """(dotted key, dataset) of every dataset of paired songs of a configuration."""
    also = [(f"data.also[{place}]", entry) for place, entry in enumerate(config.data.also)]
    return [("data", config.data), *also]


def unpaired_entries(config: Config) -> list[tuple[str, Dataset]]:
    """(dotted key, dataset) of unpaired mixtures and solo recordings, where a phase uses them."""
    if not set(config.phases) & set(REFINEMENTS):
        return []
    return [
        (f"unpaired.{kind}[{place}]", entry)
        for kind in ("mixtures", "solos")
        for place, entry in enumerate(getattr(config.unpaired, kind))
    ]


def readable(where: str, entry: Dataset) -> list[Track]:
    """The songs of a dataset; a file that cannot be read is reported with its list."""
    found, broken = datasets.load_readable(entry.name, entry.root, **entry.options)
    with name_unreadable(where):
        if broken:
            raise Unreadable(f"{len(broken)} files cannot be read, the first: {broken[0]}")
    return found


def remarks(where: str, tracks: Sequence[Track], sources: Sequence[str]) -> Iterator[str]:
    """What differs from whole songs: a line per source that songs lack, and one on all else.

    Args:
      where: the list that the songs stand in.
      tracks: the songs, with their warnings.
      sources: of the configuration.
    """
    for source in sources:
        lacking = [track.name for track in tracks if source in track.missing]
        if lacking:
            yield (
                f"{where}: {len(lacking)} of {len(tracks)} songs have no {source}, which counts "
                f"as silence: {some(lacking)}"
            )
    found = [
        f"{track.name}: {warning}"
        for track in tracks
        for warning in track.warnings
        if not warning.endswith("is missing: silence")
    ]
    if found:
        many = f"{len(found)} remarks on its songs (in manifest.json of their cache), the first: "
        yield f"{where}: {many if len(found) > 1 else ''}{found[0]}"


@contextlib.contextmanager
def name_unreadable(where: str) -> Iterator[None]:
    """Name the list that a file stands in, and what to do."""
    try:
        yield
    except Unreadable as error:
        raise ValueError(
            f"{where}: {error}; repair them, or take them out of the folder"
        ) from error


def select(tracks: Sequence[Track], entry: Dataset, split: str, where: str) -> list[Track]:
    """The songs of a split: those that are named, else the dataset's own that are named nowhere.

    Raises:
      ValueError: a song is named that is not there, or named for two splits; shares that cannot be.
    """
    named = {part: getattr(entry, part) for part in ("train", "valid", "test")}
    known = {track.name: track for track in tracks}
    taken: dict[str, str] = {}
    for part, names in named.items():
        for name in names or ():
            if name not in known:
                some = ", ".join(sorted(known)[:8])
                raise ValueError(f"{where}.{part}: no song {name!r}{nearest(name, known)} ({some})")
            if name in taken:
                raise ValueError(f"{where}: {name!r} is in both {taken[name]} and {part}")
            taken[name] = part
    if named[split] is not None:
        chosen = [known[name] for name in named[split]]
    else:
        own = split_by_shares(tracks, entry.shares)
        chosen = [t for t in tracks if own[t.name] == split and t.name not in taken]
    if split != "train":
        return chosen
    return chosen[entry.skip :][: entry.first or None]
