"""Score many songs: one file each, resumable, in parallel; a failing song stops no other."""

import contextlib
import errno
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Protocol as Shape

import numpy as np

from common.files import write_json
from common.shell import one_line, progress
from evaluation.protocols import Protocol, find, members
from evaluation.song_score import Takes, map_estimates, score_song
from evaluation.summary import SUMMARY, printable, read_scores, summarise

Separate = Callable[[np.ndarray, int], Mapping[str, np.ndarray]]


class Track(Shape):
    """What the runner asks of a song; `datasets.track.Track` has it."""

    name: str
    split: str
    sample_rate: int
    stems: tuple[str, ...]

    def read(self, stem: str = "mixture") -> np.ndarray:
        """Read float32 (samples, channels)."""


@dataclass(frozen=True)
class Song:
    """A song to be scored.

    Attributes:
      name: shown, and the name of its file.
      split: the folder of its file.
      identity: whatever its scores depend on beside the protocol (files, separator), digested.
      takes: reads, and separates where need be; called once, in the caller's thread.
    """

    name: str
    split: str
    identity: str
    takes: Callable[[], Takes]


def evaluate(
    separate: Separate,
    tracks: Iterable[Track],
    protocol: str | Protocol = "musdb18",
    folder: str | os.PathLike = "scores",
    *,
    sources: Sequence[str] | None = None,
    identity: str = "",
    workers: int = 1,
    tell: Callable[[str], Any] | None = None,
) -> dict:
    """Separate and score songs.

    Args:
      separate: (mixture (samples, channels), sample_rate) → {source: (samples, channels)}.
      tracks: songs with `name`, `split`, `sample_rate`, `stems` and `read`.
      protocol: name or `Protocol`.
      folder: where the scores go: SPLIT/SONG.json, and summary.json.
      sources: targets; None: what `separate` gives. "accompaniment" is made up where missing.
      identity: says which separator this is; a song is scored again when it changes.
      workers: songs that are scored at once (in threads; separation stays in the caller's).
      tell: takes one line per failing song; None prints to standard error.

    Returns:
      As `run`.
    """

    def takes(track: Track) -> Takes:
        mixture = track.read("mixture")
        estimates = dict(separate(mixture, track.sample_rate))
        if sources is not None:
            estimates = map_estimates(estimates, sources, mixture)
        stems = needed_stems(track, tuple(estimates), find(protocol))
        beside = mixture if find(protocol).needs_mixture() else None
        rate = track.sample_rate
        return Takes(stems, estimates, rate, rate, mixture=beside)

    songs = [
        Song(track.name, track.split, track_identity(track, identity, sources), _bind(takes, track))
        for track in tracks
    ]
    return run(songs, protocol, folder, workers=workers, tell=tell)


def needed_stems(track: Track, targets: Sequence[str], protocol: Protocol) -> dict:
    """Read the stems that the references of these targets are made of."""
    names = protocol.names(targets)
    stems = (*track.stems, *getattr(track, "missing", ()))  # what is missing reads as silence
    parts = [part for name in names for part in members(name, names, stems)]
    # The names of the other stems decide what the accompaniment is.
    return {part: track.read(part) for part in dict.fromkeys(parts)}


def track_identity(track: Track, identity: str, sources: Sequence[str] | None) -> str:
    """Digest what a track's scores depend on."""
    fingerprint = getattr(track, "fingerprint", None)
    own = fingerprint() if callable(fingerprint) else f"{track.sample_rate} {track.stems}"
    return digest(identity, own, *(sources or ()))


def export_identity(folder: str | os.PathLike) -> str:
    """Digest of an exported separator's two files, read block by block.

    Raises:
      ValueError: `folder` is not one.
      OSError: a file cannot be read.
    """
    found = []
    for name in ("config.json", "separator.weights.h5"):
        path = Path(folder) / name
        if not path.is_file():
            raise ValueError(f"{folder}: not an exported separator (no {name})")
        with open(path, "rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digest(*found)


def digest(*facts: str) -> str:
    """SHA-256 of some texts in hexadecimal."""
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()


def run(
    songs: Sequence[Song],
    protocol: str | Protocol,
    folder: str | os.PathLike,
    *,
    workers: int = 1,
    tell: Callable[[str], Any] | None = None,
) -> dict:
    """Score songs and write SPLIT/SONG.json and summary.json to `folder`.

    A song that has been scored with the same protocol and identity is taken as it is, so an
    interrupted run goes on where it stopped. Older scores of a song are removed when it is scored
    again.

    Returns:
      What `evaluation.summary.summarise` gives, with "settings", and "failed": {song: message}.

    Raises:
      ValueError: an unknown protocol, two songs of one name, no songs, fewer than one worker.
      OSError: the disk is full or `folder` cannot be written.
    """
    chosen = find(protocol)
    folder = Path(folder)
    if workers < 1:
        raise ValueError(f"workers {workers}: expected at least 1")
    if not songs:
        raise ValueError("no songs to score")
    files = {}
    for song in songs:
        path = folder / song.split / f"{song.name.replace(os.sep, '_')}.json"
        if path in files:
            raise ValueError(f"two songs would be written to {path}: rename one of them")
        files[path] = song
    tell = tell or (lambda line: print(line, file=sys.stderr))
    done, failed = {}, {}
    bar = progress(total=len(songs), unit="song", desc="scores")
    with contextlib.closing(bar):
        for path, result in _scored(files, chosen, workers):
            name = printable(files[path].name)
            if isinstance(result, Exception):
                if isinstance(result, OSError) and result.errno in (errno.ENOSPC, errno.EROFS):
                    raise result
                failed[name] = one_line(result)
                bar.clear()
                tell(f"{name}: {failed[name]}")
            else:
                done[name] = result
            bar.update()
    table = summarise(dict(sorted(done.items())), chosen.reported)
    summary = {"settings": chosen.settings(), **table}
    if failed:
        summary["failed"] = failed
    write_json(folder / SUMMARY, summary)
    return {"failed": {}, **summary}


def _scored(
    files: Mapping[Path, Song], protocol: Protocol, workers: int
) -> Iterator[tuple[Path, dict | Exception]]:
    """Yield every song's scores, or what went wrong, as they come."""
    pool = ThreadPoolExecutor(workers)
    running: dict[Future, Path] = {}
    try:
        for path, song in files.items():
            found = _reusable(path, song, protocol)
            if found is not None:
                yield path, found
                continue
            try:
                path.unlink(missing_ok=True)
                takes = song.takes()
            except Exception as error:
                yield path, error
                continue
            running[pool.submit(_write, path, song, takes, protocol)] = path
            del takes
            if len(running) >= workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future, Path]) -> Iterator[tuple[Path, dict | Exception]]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        error = future.exception()
        yield running.pop(future), future.result() if error is None else error


def _write(path: Path, song: Song, takes: Takes, protocol: Protocol) -> dict:
    scores = score_song(takes, protocol)
    scores |= {
        "song": printable(song.name),
        "settings": protocol.settings(),
        "identity": song.identity,
    }
    write_json(path, scores)
    return scores


def _reusable(path: Path, song: Song, protocol: Protocol) -> dict | None:
    """Scores that were written before under the same conditions."""
    with contextlib.suppress(OSError, ValueError):
        scores = read_scores(path)
        same = json.loads(json.dumps(protocol.settings()))
        if scores.get("identity") == song.identity and scores.get("settings") == same:
            return scores
    return None


def _bind(function: Callable, *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)
