"""From frames to songs to one number: medians as in SiSEC, and means."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from evaluation.bss_eval import METRICS

SUMMARY = "summary.json"


def frame_values(song: Mapping) -> dict[str, np.ndarray]:
    """A song's scores as {target: (frames, metrics)} in dB, metrics in the order of `METRICS`."""
    return {
        target["name"]: np.array(
            [
                [frame["metrics"].get(metric, np.nan) for metric in METRICS]
                for frame in target["frames"]
            ],
            float,
        ).reshape(-1, len(METRICS))
        for target in song["targets"]
    }


def aggregate(values: Iterable[float], how: str) -> float:
    """Median or mean of what has a score; NaN when nothing has one."""
    values = np.asarray(list(values), float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan")
    return float(np.median(values) if how == "median" else np.mean(values))


def summarise(songs: Mapping[str, Mapping]) -> dict:
    """Aggregate scores over frames, then over songs; NaN and infinite values do not count.

    Args:
      songs: {song: its scores in museval's format}.

    Returns:
      {"songs": {song: {target: {metric: median over frames}}},
      "median": {target: {metric: median over songs of those}} (SiSEC, museval's default),
      "mean": {target: {metric: mean over songs of the mean over frames}},
      "mean_of_medians": {target: {metric: mean over songs of the median over frames}}}, in dB.
    """
    table = {name: frame_values(song) for name, song in songs.items()}

    def over_frames(how: str) -> dict:
        return {
            name: {
                target: {
                    metric: aggregate(column, how) for metric, column in zip(METRICS, frames.T)
                }
                for target, frames in targets.items()
            }
            for name, targets in table.items()
        }

    medians, means = over_frames("median"), over_frames("mean")
    return {
        "songs": medians,
        "median": over_songs(medians, "median"),
        "mean": over_songs(means, "mean"),
        "mean_of_medians": over_songs(medians, "mean"),
    }


def over_songs(scores: Mapping[str, Mapping], how: str) -> dict:
    """Aggregate {song: {target: {metric: value}}} → {target: {metric: value}}."""
    targets = dict.fromkeys(target for song in scores.values() for target in song)
    return {
        target: {
            metric: aggregate(
                (song[target][metric] for song in scores.values() if target in song), how
            )
            for metric in METRICS
        }
        for target in targets
    }


def read_scores(path: str | os.PathLike) -> dict:
    """Read one song's scores; museval's own files too.

    Raises:
      ValueError: not such a file.
      OSError: it cannot be read.
    """
    path = Path(path)
    try:
        song = json.loads(path.read_bytes())
        frame_values(song)
    except OSError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: not the scores of a song in museval's format; delete it and score again"
        ) from error
    return song


def score_files(folder: str | os.PathLike) -> list[Path]:
    """Score files below a folder, sorted; summaries and hidden files are none.

    Raises:
      ValueError: no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of scores")
    return [
        path
        for path in sorted(folder.rglob("*.json"), key=os.fsencode)
        if path.name != SUMMARY and not path.name.startswith(".")
    ]


def summarise_folder(folder: str | os.PathLike) -> dict:
    """Summarise all score files below a folder.

    Returns:
      As `summarise`, with "settings": what all files have in common of their settings.

    Raises:
      ValueError: no score files, a broken one, or files of different settings.
    """
    folder = Path(folder)
    songs, settings = {}, {}
    for path in score_files(folder):
        song = read_scores(path)
        name = song.get("song") or path.stem
        name = name if name not in songs else str(path.relative_to(folder).with_suffix(""))
        songs[printable(name)] = song
        settings.setdefault(json.dumps(song.get("settings"), sort_keys=True), path)
    if not songs:
        raise ValueError(f"{folder}: no score files (SONG.json) in it or below it")
    if len(settings) > 1:
        first, second = list(settings.values())[:2]
        raise ValueError(
            f"{second} and {first} were scored with different settings: keep them in two folders"
        )
    return {"settings": json.loads(next(iter(settings))), **summarise(songs)}


def printable(name: str) -> str:
    """A name that any terminal and any file of text can hold (bytes that are not UTF-8 escaped)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
