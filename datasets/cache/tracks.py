"""A prepared cache: songs decoded and resampled once, read by their bytes.

    CACHE/manifest.json            what is there: songs, stems, levels, warnings, checksums
    CACHE/44100/SONG-1a2b3c4d.npy  float32 (stems, samples, channels), one file per song and rate

The files are plain .npy, so `numpy.load(file, mmap_mode="r")` maps them. Excerpts are read with
`preadv` straight into the array that is returned instead of through a map: the pages of a map count
as the process's own memory, and over a long training run on random excerpts the resident size would
grow to that of the dataset; read bytes stay in the system's file cache, which shrinks on demand.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.cache.manifest import read_manifest
from datasets.song_files.opening import assign, root_folder
from datasets.track import SPLITS, AudioShape, Track

MOST_BYTES = 2**30  # bytes; Linux reads at most 2 GiB at once


def load(
    root: str | os.PathLike,
    *,
    sample_rate: int | None = None,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
) -> list[Track]:
    """List the songs of a cache.

    Args:
      root: the folder that `python -m datasets prepare` made.
      sample_rate: one of the rates it was prepared at, in Hz; None: the highest.
      songs: names of the songs to keep; None keeps all.
      valid, test: names of songs to put into these splits instead of their own.

    Returns:
      Tracks sorted by split and name. They are small, can be pickled, and hold no open file.

    Raises:
      OSError: no such folder.
      ValueError: the cache is not finished, was changed, or does not have that rate.
    """
    root = root_folder(root)
    manifest = read_manifest(root)
    rates = manifest["rates"]
    rate = max(rates) if sample_rate is None else sample_rate
    if rate not in rates:
        raise ValueError(
            f"{root}: holds {', '.join(map(str, rates))} Hz, not {rate}; "
            f"prepare it again with --rates {rate}"
        )
    names = [song["name"] for song in manifest["songs"]]
    kept, moved = assign(names, songs=songs, valid=valid, test=test)
    tracks = [CacheTrack(root, song, rate) for song in manifest["songs"] if song["name"] in kept]
    for track in tracks:
        track.split = moved.get(track.name, track.split)
    return sorted(tracks, key=lambda track: (SPLITS.index(track.split), track.name))


class CacheTrack(Track):
    """A song of a cache.

    Attributes, beside those of `Track`:
      path: of the file of all rows.
      levels: row → RMS and peak in dBFS, None for silence.
      original_rate: of the song it was prepared from, in Hz.
      identities: of the song it was prepared from, see `datasets.splits.identities`.
      composition: a digest of the notes, where the song has one.
    """

    def __init__(self, root: Path, song: dict[str, Any], rate: int):
        file = song["files"][str(rate)]
        super().__init__(
            song["name"],
            song["split"],
            AudioShape(rate, song["channels"], file["samples"]),
            [row for row in song["rows"] if row != "mixture"],
            standard=song["standard"],
            own_mixture="mixture" in song["rows"],
            sums=song["sums"],
            warnings=song["warnings"],
        )
        self.path = str(root / file["path"])
        self.levels = song["levels"]
        self.original_rate = song["original_rate"]
        self.identities = tuple(song.get("identities", ()))  # see `datasets.splits.identities`
        if "composition" in song:
            self.composition = song["composition"]
        self._rows = {row: place for place, row in enumerate(song["rows"])}
        size = len(self._rows) * self.samples * self.channels * 4
        self._offset = file["bytes"] - size
        try:
            actual = os.stat(self.path).st_size
        except FileNotFoundError:
            raise ValueError(f"{self.path}: is missing; prepare the cache again") from None
        if actual != file["bytes"]:
            raise ValueError(
                f"{self.path}: has {actual} bytes, expected {file['bytes']}; delete it and "
                "prepare the cache again"
            )

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        audio = np.empty((stop - start, self.channels), "<f4")
        first = self._rows[stem] * self.samples + start
        offset = self._offset + first * self.channels * 4
        view = memoryview(audio.reshape(-1)).cast("B") if audio.size else memoryview(b"")
        handle = os.open(self.path, os.O_RDONLY)
        try:
            while view:
                got = os.preadv(handle, [view[:MOST_BYTES]], offset)
                if not got:
                    raise ValueError(f"{self.path}: ends too early; prepare the cache again")
                view, offset = view[got:], offset + got
        finally:
            os.close(handle)
        return audio
