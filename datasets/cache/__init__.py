"""Prepared caches: songs decoded and resampled once."""
