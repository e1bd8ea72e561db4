"""From frames to songs to one number: medians as in SiSEC, and means."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from common import cli
from evaluation.metrics.bss_eval import METRICS
from evaluation.metrics.measures import KNOWN
from evaluation.protocols import PROTOCOLS, Protocol
from evaluation.reports.reading import read_scores

SUMMARY = "summary.json"
#: Ways to put scores together: {name: (over the frames of a song, over songs)}.
AGGREGATES = {
    "median": ("median", "median"),
    "mean": ("mean", "mean"),
    "mean_of_medians": ("median", "mean"),
    "deviation": ("median", "deviation"),
    "weighted_mean": ("mean", "weighted_mean"),
    "mean_power": (None, "mean_power"),
}
ALWAYS = ("median", "mean", "mean_of_medians")
Table = dict[str, dict[str, dict[str, float]]]


def metrics_of(songs: Iterable[Mapping]) -> tuple[str, ...]:
    """Metrics that songs have scores of, in the order of `KNOWN`."""
    found = dict.fromkeys(
        metric
        for song in songs
        for target in song["targets"]
        for frame in target["frames"]
        for metric in frame["metrics"]
    )
    order = {metric: place for place, metric in enumerate(KNOWN)}
    return tuple(sorted(found, key=lambda metric: order.get(metric, len(order)))) or METRICS


def frame_values(song: Mapping, metrics: Sequence[str] = METRICS) -> dict[str, np.ndarray]:
    """A song's scores as {target: (frames, metrics)} in dB."""
    return {
        target["name"]: np.array(
            [
                [frame["metrics"].get(metric, np.nan) for metric in metrics]
                for frame in target["frames"]
            ],
            float,
        ).reshape(-1, len(metrics))
        for target in song["targets"]
    }


def aggregate(values: Iterable[float], how: str, weights: Iterable[float] | None = None) -> float:
    """Put what has a score together; NaN when nothing has one.

    Args:
      values: in dB; those that are not finite do not count.
      how: "median", "mean", "deviation" (standard deviation, over all values), "weighted_mean", or
        "mean_power" (the mean of the ratios themselves, back in dB).
      weights: of the values, for "weighted_mean".
    """
    values = np.asarray(values if isinstance(values, np.ndarray) else list(values), float)
    there = np.isfinite(values)
    if not there.any():
        return float("nan")
    if how == "weighted_mean":
        return float(np.average(values[there], weights=np.asarray(list(weights))[there]))
    return float(_FUNCTIONS[how](values[there]))


_FUNCTIONS: dict[str, Callable[[np.ndarray], float]] = {
    "median": np.median,
    "mean": np.mean,
    "deviation": np.std,
    "mean_power": lambda values: 10 * np.log10(np.mean(10 ** (values / 10))),
}


def summarise(songs: Mapping[str, Mapping], reported: Sequence[str] = ("median", "mean")) -> dict:
    """Aggregate scores over frames, then over songs; NaN and infinite values do not count.

    Args:
      songs: {song: its scores in museval's format}.
      reported: of `AGGREGATES`; the first is the figure of the protocol.

    Returns:
      {"reported": those names,
      "unscored": {target: songs in which it has no score at all}, where there are any,
      "songs": {song: {target: {metric: median over frames}}},
      "median": {target: {metric: median over songs of those}} (SiSEC, museval's default),
      "mean": {target: {metric: mean over songs of the mean over frames}},
      "mean_of_medians": {target: {metric: mean over songs of the median over frames}}} and what
      else is reported, likewise; in dB. "weighted_mean" weighs songs by their length (GNSDR and
      the like), "mean_power" takes the mean over all frames of all songs of the ratios themselves
      (DeepConvSep), "deviation" is the standard deviation over songs.
    """
    metrics = metrics_of(songs.values())
    table = {name: frame_values(song, metrics) for name, song in songs.items()}
    seconds = {name: _seconds(song) for name, song in songs.items()}

    def over_frames(how: str) -> dict[str, Table]:
        return {
            name: {
                target: {metric: aggregate(row, how) for metric, row in zip(metrics, frames.T)}
                for target, frames in targets.items()
            }
            for name, targets in table.items()
        }

    per_song = {how: over_frames(how) for how in ("median", "mean")}
    found = {"reported": list(reported), "songs": per_song["median"]}
    unscored = Counter(
        target
        for song in table.values()
        for target, frames in song.items()
        if not np.isfinite(frames).any()
    )
    if unscored:
        found["unscored"] = dict(unscored)
    for name in dict.fromkeys((*ALWAYS, *reported)):
        frames_how, songs_how = AGGREGATES[name]
        if frames_how is None:
            found[name] = over_all_frames(table, metrics, songs_how)
        else:
            found[name] = over_songs(per_song[frames_how], songs_how, seconds)
    return found


def over_songs(
    scores: Mapping[str, Mapping], how: str, seconds: Mapping[str, float] | None = None
) -> Table:
    """Aggregate {song: {target: {metric: value}}} → {target: {metric: value}}."""
    result: Table = {}
    for target in dict.fromkeys(target for song in scores.values() for target in song):
        having = {name: song[target] for name, song in scores.items() if target in song}
        weights = [(seconds or {}).get(name, 1.0) for name in having]
        result[target] = {
            metric: aggregate((values[metric] for values in having.values()), how, weights)
            for metric in next(iter(having.values()))
        }
    return result


def over_all_frames(
    table: Mapping[str, Mapping[str, np.ndarray]], metrics: Sequence[str], how: str
) -> Table:
    """Aggregate the frames of all songs at once: {target: {metric: value}}."""
    targets = dict.fromkeys(target for song in table.values() for target in song)
    return {
        target: {
            metric: aggregate(column, how)
            for metric, column in zip(
                metrics,
                np.concatenate([song[target] for song in table.values() if target in song]).T,
            )
        }
        for target in targets
    }


def _seconds(song: Mapping) -> float:
    """Length of a song; 1 where its file does not say (museval's own)."""
    return song["samples"] / song["sample_rate"] if song.get("sample_rate") else 1.0


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
      As `summarise`, as the protocol reports it, with "settings": what all files have in common
      of their settings.

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
    common = next(iter(songs.values())).get("settings")
    name = (common or {}).get("name")
    reported = PROTOCOLS[name].reported if name in PROTOCOLS else Protocol.reported
    return {"settings": common, **summarise(songs, reported)}


def printable(name: str) -> str:
    """Return a name that any terminal and file can hold; what cannot be printed is escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return cli.printable(text)
