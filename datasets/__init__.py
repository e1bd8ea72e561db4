"""Songs on disk, read excerpt by excerpt; no TensorFlow.

`load(name, root)` gives the songs of a dataset as a list of `datasets.track.Track`.
"""

import difflib
import importlib
import inspect
import os
from collections.abc import Callable, Iterable

from datasets.track import SOURCES, SPLITS, Track, read_sources

__all__ = ["DATASETS", "SOURCES", "SPLITS", "Track", "load", "read_sources"]

Loader = Callable[..., list[Track]]


def _lazily(module: str, function: str = "load") -> Loader:
    """A loader whose module is imported when its dataset is first asked for."""

    def loader(
        root: str | os.PathLike | None = None, split: str | None = None, **options
    ) -> list[Track]:
        call = getattr(importlib.import_module(module), function)
        accepted = [name for name in inspect.signature(call).parameters if name != "root"]
        for name in options:
            if name not in accepted:
                raise ValueError(f"unknown option {name!r}{_nearest(name, accepted)}")
        if split is not None and split not in SPLITS:
            raise ValueError(f"unknown split {split!r}{_nearest(split, SPLITS)}")
        if "split" in accepted:  # generated songs: as many as asked for, of that split
            return call(root, split=split, **options)
        return [track for track in call(root, **options) if split in (None, track.split)]

    return loader


DATASETS: dict[str, Loader] = {
    "musdb18": _lazily("datasets.musdb"),
    "musdb18hq": _lazily("datasets.musdb", "load_hq"),
    "dsd100": _lazily("datasets.dsd100"),
    "folders": _lazily("datasets.folders"),
    "stems": _lazily("datasets.stems"),
    "cache": _lazily("datasets.cache"),
    "band": _lazily("datasets.band"),
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
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}{_nearest(name, DATASETS)}")
    try:
        return DATASETS[name](root, split, **options)
    except ValueError as error:
        raise ValueError(f"dataset {name}: {error}") from error


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known) or 'none'})"
