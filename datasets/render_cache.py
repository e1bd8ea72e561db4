"""Songs that are computed when read: the last few stay in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from datasets.track import Track


class RenderCache:
    """The songs last read, up to a number of bytes (one at least); safe for threads.

    Args:
      compute: key → the song's array.
      limit: bytes.
    """

    def __init__(self, compute: Callable[[Hashable], np.ndarray], limit: int):
        self.limit = limit
        self._compute = compute
        self._songs: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._busy: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def song(self, key: Hashable) -> np.ndarray:
        """A song, read-only; errors as of `compute`."""
        with self._lock:
            if key in self._songs:
                self._songs.move_to_end(key)
                return self._songs[key]
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:  # one thread computes it, others wait for it
            with self._lock:
                if key in self._songs:
                    return self._songs[key]
            song = self._compute(key)
            song.setflags(write=False)
            with self._lock:
                self._songs[key] = song
                self._busy.pop(key, None)
                total = sum(known.nbytes for known in self._songs.values())
                while total > self.limit and len(self._songs) > 1:
                    total -= self._songs.popitem(last=False)[1].nbytes
        return song


class TrackCache(RenderCache):
    """The tracks last read; those of one fingerprint sound the same and are one song.

    Args:
      limit: bytes.
    """

    def __init__(self, limit: int = 512 * 1024 * 1024):
        super().__init__(lambda key: key.track.render(), limit)

    def read(self, track: Track, stem: str, start: int, stop: int) -> np.ndarray:
        """A part of a stem of a track whose `render` gives (stems, samples, channels); a copy."""
        return self.song(_Key(track))[track.stems.index(stem), start:stop].copy()


class _Key:
    """A track, equal to every track that sounds the same."""

    def __init__(self, track: Track):
        self.track, self._fingerprint = track, track.fingerprint()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._fingerprint == other._fingerprint

    def __hash__(self) -> int:
        return hash(self._fingerprint)
