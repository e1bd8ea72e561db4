"""Songs as tasks: scores from before are kept, the other songs go to the executors."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.json_files import write_json
from evaluation.protocols import Protocol
from evaluation.reports.summary import printable, read_scores
from evaluation.scoring.executors import Executors, read_all, read_and_score
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import score_songs


@dataclass(frozen=True)
class ScoringTask:
    """A song to be scored.

    Attributes:
      name: shown, and the name of its file.
      split: the folder of its file.
      identity: whatever its scores depend on beside the protocol (files, separator), digested.
      read: reads the audio, and separates where need be; called once, in the caller's thread unless
        `portable`.
      portable: `read` can be pickled and only reads files: it may be called in another process.
      references: songs of one name here have the same references, and are scored together where
        several separators are; empty: by itself.
    """

    name: str
    split: str
    identity: str
    read: Callable[[], SongAudio]
    portable: bool = False
    references: str = ""


def scored(
    files: Mapping[Path, ScoringTask], protocol: Protocol, executors: Executors
) -> Iterator[tuple[Path, dict | Exception]]:
    """Yield every song's scores, or what went wrong, as they come."""
    together: dict[str, list[Path]] = {}
    for path, song in files.items():
        found = _reusable(path, song, protocol)
        if found is not None:
            yield path, found
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            yield path, error
            continue
        together.setdefault(song.references or str(path), []).append(path)

    def tasks() -> Iterator[tuple[list[Path], Callable, tuple]]:
        for paths in together.values():
            readers = [files[path].read for path in paths]
            if executors.reads and all(files[path].portable for path in paths):
                yield paths, read_and_score, (readers, protocol)
            else:
                yield paths, score_songs, (read_all(readers), protocol)

    for paths, results in executors.results(tasks()):
        if isinstance(results, Exception):
            results = [results] * len(paths)
        for path, result in zip(paths, results):
            if not isinstance(result, Exception):
                result = _write(path, files[path], result, protocol)
            yield path, result


def _write(path: Path, song: ScoringTask, scores: dict, protocol: Protocol) -> dict | OSError:
    scores |= {
        "song": printable(song.name),
        "settings": protocol.settings(),
        "identity": song.identity,
    }
    try:
        write_json(path, scores)
    except OSError as error:
        return error
    return scores


def _reusable(path: Path, song: ScoringTask, protocol: Protocol) -> dict | None:
    """Scores that were written before under the same conditions."""
    with contextlib.suppress(OSError, ValueError):
        scores = read_scores(path)
        same = json.loads(json.dumps(protocol.settings()))
        if scores.get("identity") == song.identity and scores.get("settings") == same:
            return scores
    return None
