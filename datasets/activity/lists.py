"""Lists of where a source plays in the songs of a cache, found once: CACHE/activity-drums.json.

`python -m datasets activity CACHE --target drums` writes one; training on excerpts of active
stretches reads it, and measures a song itself where there is no list or where the song has changed.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from common.json_files import check_type, read_json, write_json
from datasets.activity.stretches import Stretch
from datasets.activity.windows import ActivityRule, activity
from datasets.cache.tracks import CacheTrack, load
from datasets.track import Track

FORMAT = 1
LONGEST = 1e7  # seconds of a song
ADVICE = "delete it, or write it again with python -m datasets activity"
SONG = {"seconds": float, "active": [[float]]}
LIST = {"format": int, "songs": {str: SONG}}


def write_list(
    root: Path, target: str, watch: Callable[[Sequence], Iterable] = iter, **rule
) -> dict[str, Any]:
    """Find where a source plays in every song of a cache, and write the list.

    Args:
      root: the cache.
      target: a stem, or "mixture".
      watch: wraps the list of songs, for instance in a progress bar.
      **rule: as of `datasets.activity.windows.ActivityRule`.

    Returns:
      What was written: "songs" is {name: {"seconds", "level", "active": [[start s, stop s], …]}}.

    Raises:
      ValueError: an option out of its range, a song that does not know the stem; not a cache.
      OSError: a song cannot be read, the list cannot be written.
    """
    songs = {}
    for track in watch(load(root)):
        rate = track.sample_rate
        stretches = activity(track, target, **rule)
        songs[track.name] = _facts(track, target) | {
            "active": [[round(start / rate, 6), round(stop / rate, 6)] for start, stop in stretches]
        }
    content = {
        "format": FORMAT,
        "target": target,
        "rule": vars(ActivityRule(**rule)),
        "songs": songs,
    }
    write_json(list_path(root, target), content)
    return content


def list_path(root: Path, target: str) -> Path:
    """Return the path of the list of a source."""
    return Path(root).expanduser() / f"activity-{target}.json"


def listed(track: Track, stems: Sequence[str]) -> list[Stretch]:
    """Return where the sum of some stems plays, from the cache's list or else from the song.

    Returns:
      (first sample, one past the last) of each stretch at the song's rate.

    Raises:
      ValueError: the list is damaged. OSError: the song cannot be read.
    """
    if isinstance(track, CacheTrack) and len(stems) == 1:
        path = list_path(Path(track.path).parents[1], stems[0])
        song = _songs(path, path.stat().st_mtime_ns).get(track.name) if path.is_file() else None
        if song is not None and song.items() >= _facts(track, stems[0]).items():
            rate = track.sample_rate
            pairs = [
                (round(a * rate), min(round(b * rate), track.samples)) for a, b in song["active"]
            ]
            return [(start, stop) for start, stop in pairs if start < stop]
    return activity(track, stems)


def _facts(track: Track, target: str) -> dict[str, Any]:
    """Facts that differ where a song is not the one that was measured, at whatever rate."""
    level = getattr(track, "levels", {}).get(target)
    return {"seconds": round(track.duration, 2), "level": level}


@functools.lru_cache(maxsize=16)
def _songs(path: Path, changed: int) -> dict[str, Any]:
    del changed
    content = read_json(path, {"format": int}, ADVICE)
    if content["format"] != FORMAT:
        raise ValueError(f"{path}: format {content['format']}, expected {FORMAT}; {ADVICE}")
    check_type(content, LIST, str(path), ADVICE)
    for name, song in content["songs"].items():
        for pair in song["active"]:
            if len(pair) != 2 or not all(0 <= second < LONGEST for second in pair):
                raise ValueError(
                    f"{path}: {name}: expected [start, stop] in seconds, found {pair}; {ADVICE}"
                )
    return content["songs"]
