"""Prepared caches: songs decoded and resampled once."""

from datasets.cache.tracks import CacheTrack, load

__all__ = ["CacheTrack", "load"]
