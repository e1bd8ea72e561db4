"""Songs on disk, read excerpt by excerpt; no TensorFlow.

`load(name, root)` gives the songs of a dataset as a list of `datasets.track.Track`.
"""

import dataclasses
import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping

from common.suggest import nearest
from datasets.sources import read_sources
from datasets.track import SOURCES, SPLITS, Track

__all__ = [
    "DATASETS",
    "SOURCES",
    "SPLITS",
    "Track",
    "load",
    "load_readable",
    "loader",
    "read_sources",
]


class Loader:
    """A dataset's `load` function, imported when the dataset is first loaded.

    Options are the function's arguments; of one whose default is a dataclass, its fields.
    """

    def __init__(self, module: str, function: str = "load"):
        self._module, self._function = module, function

    def _load(self) -> Callable[..., list[Track]]:
        return getattr(importlib.import_module(self._module), self._function)

    def options(self) -> tuple[str, ...]:
        """Return the names of the loader's options."""
        return tuple(self._parameters())

    def _parameters(self) -> dict[str, type | None]:
        """Option → the dataclass that it is a field of, or None for an argument of its own."""
        found: dict[str, type | None] = {}
        for name, parameter in inspect.signature(self._load()).parameters.items():
            if dataclasses.is_dataclass(parameter.default):
                kind = type(parameter.default)
                found |= {field.name: kind for field in dataclasses.fields(kind)}
            elif name != "root":
                found[name] = None
        return found

    def _arguments(self, options: Mapping[str, object]) -> dict[str, object]:
        """The loader's arguments for options that are known."""
        kinds = self._parameters()
        arguments = {name: value for name, value in options.items() if kinds[name] is None}
        for name, parameter in inspect.signature(self._load()).parameters.items():
            kind = type(parameter.default)
            values = {key: value for key, value in options.items() if kinds[key] is kind}
            if values:
                arguments[name] = kind(**values)
        return arguments

    def __call__(
        self, root: str | os.PathLike | None = None, split: str | None = None, **options
    ) -> list[Track]:
        """Load the songs; arguments, result and errors as of `load`."""
        accepted = self.options()
        for name in options:
            if name not in accepted:
                raise ValueError(f"unknown option {name!r}{_known(name, accepted)}")
        if split is not None and split not in SPLITS:
            raise ValueError(f"unknown split {split!r}{_known(split, SPLITS)}")
        if "split" in accepted:  # generated songs: as many as asked for, of that split
            return self._load()(root, split=split, **self._arguments(options))
        tracks = self._load()(root, **self._arguments(options))
        return [track for track in tracks if split in (None, track.split)]


DATASETS: dict[str, Loader] = {
    "musdb18": Loader("datasets.loaders.musdb"),
    "musdb18hq": Loader("datasets.loaders.musdb", "load_hq"),
    "dsd100": Loader("datasets.loaders.dsd100"),
    "ikala": Loader("datasets.loaders.ikala"),
    "bach10": Loader("datasets.loaders.bach10"),
    "ccmixter": Loader("datasets.loaders.ccmixter"),
    "medleydb": Loader("datasets.loaders.medleydb"),
    "moisesdb": Loader("datasets.loaders.moisesdb"),
    "slakh": Loader("datasets.loaders.slakh"),
    "folders": Loader("datasets.loaders.folders"),
    "stems": Loader("datasets.loaders.native_stems"),
    "recordings": Loader("datasets.loaders.recordings"),
    "legacy": Loader("datasets.legacy.songs"),
    "cache": Loader("datasets.cache.tracks"),
    "band": Loader("datasets.band.songs"),
    "midi": Loader("datasets.midi.songs"),
    "groove": Loader("datasets.midi.groove"),
    "kits": Loader("datasets.midi.drummers"),
}


def load(
    name: str, root: str | os.PathLike | None = None, split: str | None = None, **options
) -> list[Track]:
    """Load the songs of a dataset.

    Args:
      name: a key of `DATASETS`.
      root: the dataset's folder (or file); None for a dataset that needs none.
      split: "train", "valid" or "test" keeps that part alone.
      **options: the loader's own.

    Returns:
      Tracks in an order that is always the same.

    Raises:
      ValueError: unknown dataset, split or option; a layout or a file that is not as expected.
      OSError: `root` cannot be read.
    """
    found = loader(name)
    try:
        return found(root, split, **options)
    except ValueError as error:
        raise ValueError(f"dataset {name}: {error}") from error


def load_readable(
    name: str, root: str | os.PathLike | None = None, split: str | None = None, **options
) -> tuple[list[Track], list[str]]:
    """Load the songs of a dataset that can be read, and a line on each that cannot.

    Arguments and errors as of `load`; a loader without the option `broken` raises at the first.
    """
    broken: list[str] = []
    if "broken" in loader(name).options():
        options["broken"] = broken
    return load(name, root, split, **options), broken


def loader(name: str) -> Loader:
    """Return the loader of a dataset; ValueError for a name that is not in `DATASETS`."""
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}{_known(name, DATASETS)}")
    return DATASETS[name]


def _known(name: str, known: Iterable[str]) -> str:
    known = list(known)
    return f"{nearest(name, known, show=repr)} (known: {', '.join(known) or 'none'})"
