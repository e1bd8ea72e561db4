"""Prepare a cache: decode every song once, at every rate asked for.

A song is a job. Its files are written atomically and its entry of the manifest is kept under
`unfinished/` until all songs are done, so a run that was killed goes on where it stopped and ends
with the same bytes. `manifest.json` is there only while the cache is whole.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.audio_files import resampled_length
from common.cluster_jobs import LostJob, each_on
from common.files import PARTIAL, locked, write_text
from common.json_files import read_json
from common.parallel import each
from datasets.cache.manifest import (
    MANIFEST,
    RECORD,
    check_song,
    read_manifest,
    write_manifest,
)
from datasets.cache.song import BrokenSong, file_name, fingerprint, prepare_song, rows_of
from datasets.cache.variants import prepare_variants
from datasets.splits import identities
from datasets.track import Track

UNFINISHED = "unfinished"
RATES = (44100, 32000)


class Unreadable(ValueError):
    """Songs cannot be read, and were not to be left out."""


@dataclass(frozen=True)
class LoadedSongs:
    """The songs of a dataset, as `datasets.load_readable` loads them.

    Attributes:
      dataset: the dataset's name; a cache holds songs of one dataset.
      tracks: the songs.
      broken: a line on each song that cannot be read.
    """

    dataset: str
    tracks: Sequence[Track]
    broken: Sequence[str] = ()


@dataclass(frozen=True)
class CacheContents:
    """What a cache holds of every song.

    Attributes:
      rates: sample rates in Hz; rates that a cache has already are kept.
      mixture: whether mixtures that are not the sum of the stems are kept (a quarter more space).
      variants: of each training song, so many at slightly other speeds, prepared beside it.
      semitones: largest further change of pitch of a variant's stems but the drums.
    """

    rates: Sequence[int] = RATES
    mixture: bool = True
    variants: int = 0
    semitones: float = 0.0

    def __post_init__(self):
        """Check the rates (ValueError)."""
        for rate in self.rates:
            if not 1000 <= rate <= 384000:
                raise ValueError(f"rate {rate}: expected 1000 to 384000 Hz")


DEFAULTS = CacheContents()


def prepare(
    songs: LoadedSongs,
    out: str | os.PathLike,
    contents: CacheContents = DEFAULTS,
    *,
    workers: Any = 1,
    skip_broken: bool = False,
    prune: bool = False,
    watch: Callable[..., Iterable] = lambda results, total: results,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make or complete a cache.

    Args:
      songs: what is prepared.
      out: folder of the cache; a cache that is there is completed.
      contents: what is kept of every song.
      workers: processes, or a client of a Dask cluster, whose workers reach the songs and `out` by
        the same paths.
      skip_broken: leave songs that cannot be read out, and name them in the manifest.
      prune: remove songs that are in the cache and not in `songs`.
      watch: wraps the finished songs, for instance in a progress bar.
      report: called with one line per song that cannot be read.

    Returns:
      The manifest.

    Raises:
      OSError: the disk is full or `out` cannot be written.
      Unreadable: songs that cannot be read, without `skip_broken`.
      ValueError: a cache of something else.
    """
    variants = prepare_variants(songs.tracks, contents.variants, semitones=contents.semitones)
    tracks = [*songs.tracks, *variants]
    broken = list(songs.broken)
    for line in broken:
        report(line)
    out = Path(out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        records = _records(out, songs.dataset)
        extra = _extra(out, records, tracks, prune)
        jobs = _jobs(out, tracks, records, contents)
        _need_space(out, jobs)
        if jobs or extra:
            _reopen(out, records, extra)
        failed = set()
        local = isinstance(workers, int)
        done = each(prepare_song, jobs, workers) if local else each_on(workers, prepare_song, jobs)
        for (track, *_), result in watch(done, total=len(jobs)):
            if isinstance(result, LostJob):
                raise LostJob(f"{track.name}: {result}")
            if isinstance(result, BrokenSong):
                failed.add(track.name)
                broken.append(str(result))
                report(str(result))
            else:
                records[track.name] = result
                write_text(_record_path(out, track.name), json.dumps(result))
        if broken and not skip_broken:
            raise Unreadable(f"{len(broken)} songs cannot be read, the first: {broken[0]}")
        entries = [_entry(one, records[one.name]) for one in tracks if one.name not in failed]
        if not entries:
            raise ValueError(f"{out}: there is no song to prepare")
        manifest = write_manifest(out, songs.dataset, entries, broken)
        if (out / UNFINISHED).exists():
            shutil.rmtree(out / UNFINISHED)
    return manifest


def _extra(out: Path, records: dict[str, dict], tracks: Sequence[Track], prune: bool) -> list[str]:
    """The names of songs in the folder that are not to be prepared."""
    extra = sorted(set(records) - {track.name for track in tracks})
    if extra and not prune:
        raise ValueError(
            f"{out}: holds {len(extra)} songs that this command does not ask for, such as "
            f"{extra[0]!r}; choose another folder, or remove them with --prune"
        )
    return extra


def _jobs(
    out: Path, tracks: Sequence[Track], records: dict[str, dict], contents: CacheContents
) -> list[tuple]:
    """Arguments of `prepare_song` for every song that lacks a rate."""
    held = {int(rate) for record in records.values() for rate in record["files"]}
    rates = sorted({*contents.rates, *held}, reverse=True)
    jobs = []
    for track in tracks:
        record = _still_valid(out, track, records.get(track.name), contents.mixture)
        missing = [rate for rate in rates if str(rate) not in record["files"]]
        if missing:
            jobs.append((track, missing, str(out), contents.mixture, record))
    return jobs


def _entry(track: Track, record: dict) -> dict[str, Any]:
    """A song in the manifest."""
    composition = getattr(track, "composition", None)
    return {
        "name": track.name,
        "split": track.split,
        "channels": track.channels,
        "seconds": round(track.duration, 6),
        "original_rate": track.sample_rate,
        "standard": list(track.standard),
        "sums": {stem: list(stems) for stem, stems in track.sums.items()},
        "rows": record["rows"],
        "missing": list(track.missing),
        "warnings": [*track.warnings, *record["findings"]],
        "findings": record["findings"],
        "levels": record["levels"],
        "fingerprint": record["fingerprint"],
        "identities": sorted(identities(track)),
        **({} if composition is None else {"composition": composition}),
        "files": {rate: record["files"][rate] for rate in sorted(record["files"], key=int)},
    }


def _records(out: Path, name: str) -> dict[str, dict]:
    """Facts on the songs that are in the folder already, by their names."""
    records = {}
    if (out / MANIFEST).exists():
        manifest = read_manifest(out)
        if manifest["dataset"] != name:
            raise ValueError(
                f"{out}: holds a cache of {manifest['dataset']}, not of {name}; choose another one"
            )
        records = {song["name"]: song for song in manifest["songs"]}
    for path in sorted((out / UNFINISHED).glob("*.json")):
        record = read_json(path, RECORD, "delete it and prepare again")
        check_song(record, RECORD, out, path)
        records[record["name"]] = record
    return records


def _record_path(out: Path, name: str) -> Path:
    return out / UNFINISHED / f"{file_name(name)}.json"


def _still_valid(out: Path, track: Track, record: dict | None, mixture: bool) -> dict:
    """The record without what has changed: all of it where the song's own files have."""
    if record is None or record["fingerprint"] != fingerprint(track, mixture):
        return {"files": {}}
    files = {}
    for rate, file in record["files"].items():
        path = out / file["path"]
        if path.is_file() and path.stat().st_size == file["bytes"]:
            files[rate] = file
    return record | {"files": files}


def _reopen(out: Path, records: dict[str, dict], extra: Sequence[str]) -> None:
    """Remove the manifest while the cache is not whole, and the extra songs."""
    for name, record in records.items():
        if name not in extra:
            write_text(_record_path(out, name), json.dumps(record))
    (out / MANIFEST).unlink(missing_ok=True)
    for name in extra:
        for file in records.pop(name)["files"].values():
            (out / file["path"]).unlink(missing_ok=True)
        _record_path(out, name).unlink(missing_ok=True)


def _need_space(out: Path, jobs: Sequence[tuple]) -> None:
    """Raise OSError at once, and not after an hour, where the disk is too small."""
    needed = 0
    for track, rates, _, mixture, _ in jobs:
        for rate in rates:
            samples = resampled_length(track.samples, track.sample_rate, rate)
            needed += len(rows_of(track, mixture)) * samples * track.channels * 4
    free = shutil.disk_usage(out).free
    if needed > free:
        text = f"needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise OSError(errno.ENOSPC, text, str(out))


def _remove_partial(out: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in (*out.glob(f"{PARTIAL}*"), *out.glob(f"*/{PARTIAL}*")):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One run at a time works on a cache."""
    with locked(out, ValueError(f"{out}: another run is preparing this cache; wait for it")):
        try:
            _remove_partial(out)
            yield
        finally:
            _remove_partial(out)  # of workers that Ctrl-C ended
