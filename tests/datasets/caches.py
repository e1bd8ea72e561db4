"""Caches of datasets by their names, for tests."""

from dataclasses import fields

from datasets import load_readable
from datasets.cache.prepare import CacheContents, LoadedSongs
from datasets.cache.prepare import prepare as prepare_songs

RUN = ("workers", "skip_broken", "prune", "watch", "report")


def prepare(name, root, out, split=None, **options):
    """Load a dataset and prepare it; `options` are of the contents, of the run or the dataset's."""
    names = [field.name for field in fields(CacheContents)]
    contents = CacheContents(**{key: options.pop(key) for key in names if key in options})
    run = {key: options.pop(key) for key in RUN if key in options}
    songs = LoadedSongs(name, *load_readable(name, root, split, **options))
    return prepare_songs(songs, out, contents, **run)
