"""Score many songs: one file each, resumable, in parallel; a failing song stops no other."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from typing import Protocol as Shape

import numpy as np

from common.cli import one_line, progress
from common.digests import facts_digest
from common.json_files import write_json
from evaluation.protocols import Protocol, find, members
from evaluation.reports.summary import SUMMARY, printable, summarise
from evaluation.scoring.executors import Executors, local
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import map_estimates
from evaluation.scoring.tasks import ScoringTask, scored

Separate = Callable[[np.ndarray, int], Mapping[str, np.ndarray]]


class Track(Shape):
    """What the runner needs of a song; `datasets.track.Track` has it."""

    name: str
    split: str
    sample_rate: int
    stems: tuple[str, ...]

    def read(self, stem: str = "mixture") -> np.ndarray:
        """Read float32 (samples, channels)."""


def evaluate(
    separate: Separate,
    tracks: Iterable[Track],
    protocol: str | Protocol = "musdb18",
    folder: str | os.PathLike = "scores",
    *,
    sources: Sequence[str] | None = None,
    identity: str = "",
    workers: int | Executors = 1,
    report: Callable[[str], Any] | None = None,
) -> dict:
    """Separate and score songs.

    Args:
      separate: (mixture (samples, channels), sample_rate) → {source: (samples, channels)}.
      tracks: songs with `name`, `split`, `sample_rate`, `stems` and `read`.
      protocol: name or `Protocol`.
      folder: where the scores go: SPLIT/SONG.json, and summary.json.
      sources: targets; None: what `separate` gives. "accompaniment" is made up where missing.
      identity: of the separator; a song is scored again when it changes.
      workers: songs that are scored at once (in threads; separation stays in the caller's), or the
        executors of a cluster.
      report: called with one line per failing song; None prints to standard error.

    Returns:
      As `run`.
    """

    def read(track: Track) -> SongAudio:
        mixture = track.read("mixture")
        estimates = dict(separate(mixture, track.sample_rate))
        if sources is not None:
            estimates = map_estimates(estimates, sources, mixture)
        stems = needed_stems(track, tuple(estimates), find(protocol))
        beside = mixture if find(protocol).needs_mixture() else None
        rate = track.sample_rate
        return SongAudio(stems, estimates, rate, rate, mixture=beside)

    songs = [
        ScoringTask(
            track.name, track.split, track_identity(track, identity, sources), _bind(read, track)
        )
        for track in tracks
    ]
    folder = Path(folder)
    return run_all({folder: songs}, protocol, workers=workers, report=report)[folder]


def needed_stems(track: Track, targets: Sequence[str], protocol: Protocol) -> dict:
    """Read the stems that the references of these targets are made of."""
    names = protocol.names(targets)
    stems = (*track.stems, *getattr(track, "missing", ()))  # what is missing reads as silence
    needed = [stem for name in names for stem in members(name, names, stems)]
    # The names of the other stems decide what the accompaniment is.
    return {stem: track.read(stem) for stem in dict.fromkeys(needed)}


def track_identity(track: Track, identity: str, sources: Sequence[str] | None) -> str:
    """Digest what a track's scores depend on beside the protocol."""
    fingerprint = getattr(track, "fingerprint", None)
    own = fingerprint() if callable(fingerprint) else f"{track.sample_rate} {track.stems}"
    return facts_digest(identity, own, *(sources or ()))


def run(
    songs: Sequence[ScoringTask],
    protocol: str | Protocol,
    folder: str | os.PathLike,
    *,
    workers: int | Executors = 1,
    report: Callable[[str], Any] | None = None,
) -> dict:
    """Score songs and write SPLIT/SONG.json and summary.json to `folder`.

    `run_all` with one folder; returns its summary.
    """
    return run_all({Path(folder): songs}, protocol, workers=workers, report=report)[Path(folder)]


def run_all(
    folders: Mapping[Path, Sequence[ScoringTask]],
    protocol: str | Protocol,
    *,
    workers: int | Executors = 1,
    report: Callable[[str], Any] | None = None,
) -> dict[Path, dict]:
    """Score the songs of one or several separators.

    A song that has been scored with the same protocol and identity is not scored again, so an
    interrupted run goes on where it stopped. Older scores of a song are removed when it is scored
    again.

    Args:
      folders: {folder: songs}; SPLIT/SONG.json and summary.json go to the folder.
      protocol: name or `Protocol`.
      workers: songs that are scored at once on this machine, or the executors of a cluster.
      report: called with one line per failing song; None prints to standard error.

    Returns:
      For every folder what `evaluation.reports.summary.summarise` gives, with "settings", and
      "failed": {song: message}.

    Raises:
      ValueError: an unknown protocol, two songs of one name, no songs, fewer than one worker.
      OSError: the disk is full or a folder cannot be written.
    """
    chosen = find(protocol)
    files: dict[Path, tuple[Path, ScoringTask]] = {}
    for folder, songs in folders.items():
        if not songs:
            raise ValueError("no songs to score")
        for song in songs:
            split = song.split.replace(os.sep, "_").lstrip(".")
            path = folder / split / f"{song.name.replace(os.sep, '_')}.json"
            if path in files:
                raise ValueError(f"two songs would be written to {path}: rename one of them")
            files[path] = folder, song
    if isinstance(workers, int):
        workers = local(workers, all(song.portable for _, song in files.values()))
    report = report or (lambda line: print(line, file=sys.stderr))
    done: dict[Path, dict] = {folder: {} for folder in folders}
    failed: dict[Path, dict] = {folder: {} for folder in folders}
    bar = progress(total=len(files), unit="song", desc="scores")
    with contextlib.closing(bar):
        songs = {path: song for path, (_, song) in files.items()}
        for path, result in scored(songs, chosen, workers):
            folder, song = files[path]
            name = printable(song.name)
            if isinstance(result, Exception):
                if isinstance(result, OSError) and result.errno in (errno.ENOSPC, errno.EROFS):
                    raise result
                failed[folder][name] = one_line(result)
                where = f"{folder.name}, " if len(folders) > 1 else ""
                bar.clear()
                report(f"{where}{name}: {failed[folder][name]}")
            else:
                done[folder][name] = result
            bar.update()
    results = {}
    for folder, scores in done.items():
        table = summarise(dict(sorted(scores.items())), chosen.reported)
        summary = {"settings": chosen.settings(), **table}
        if failed[folder]:
            summary["failed"] = failed[folder]
        write_json(folder / SUMMARY, summary)
        results[folder] = {"failed": {}, **summary}
    return results


def _bind(function: Callable, *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)
