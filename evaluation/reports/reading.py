"""Scores and summaries out of files, checked before anything is made of them."""

import math
import os
from typing import Any

from common.files import check_name
from common.json_files import check_type, read_json

Null = type(None)
NUMBER = (int, float, Null)
HIGHEST = 1e6  # dB of a score that is not infinite
HIGHEST_RATE = 1e7  # Hz
ADVICE = "delete it and score again"
SETTINGS = {
    "name?": str,
    "version?": str,
    "window_s?": float,
    "hop_s?": float,
    "filter_length?": int,
    "sample_rate?": float,
}
#: One song's scores; museval's own files have "targets" alone.
SONG = {
    "targets": [{"name": str, "frames": [{"metrics": {str: NUMBER}}]}],
    "song?": str,
    "identity?": str,
    "samples?": int,
    "sample_rate?": float,
    "settings?": SETTINGS,
}
TABLE = {str: {str: NUMBER}}  # target → metric → dB
SUMMARY_OF = {
    "settings?": SETTINGS,
    "songs?": {str: TABLE},
    "reported?": [str],
    "failed?": {str: str},
    "unscored?": {str: int},
}


def read_scores(path: str | os.PathLike) -> dict[str, Any]:
    """Read one song's scores; museval's own files too.

    Raises:
      ValueError: not such a file.
      OSError: it cannot be read.
    """
    try:
        song = read_json(path)
        check_type(song, SONG, str(path), ADVICE)
        _check_values(song, path)
    except ValueError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: not the scores of a song in museval's format: {text}") from None
    return song


def _check_values(song: dict[str, Any], path: str | os.PathLike) -> None:
    """Check names and ranges of one song's scores (ValueError)."""
    names = [check_name(target["name"], f"{path}: targets") for target in song["targets"]]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: the target {name!r} stands in it twice: {ADVICE}")
    for target in song["targets"]:
        for frame in target["frames"]:
            for metric, value in frame["metrics"].items():
                check_score(value, f"{path}: {target['name']} {metric[:100]}")
    rate, samples = song.get("sample_rate"), song.get("samples")
    if rate and not (0 < rate < HIGHEST_RATE and samples is not None and samples > 0):
        raise ValueError(f"{path}: samples, sample_rate: expected a length and a rate: {ADVICE}")


def check_score(value: float | None, where: str) -> None:
    """Refuse numbers that are no score in dB (ValueError); infinity, NaN and null are fine."""
    if value is not None and math.isfinite(value) and abs(value) > HIGHEST:
        raise ValueError(f"{where}: {value:g} dB; expected {HIGHEST:g} at most: {ADVICE}")


def read_summary(path: str | os.PathLike, *needed: str) -> dict[str, Any]:
    """Read a summary of scores; as `checked_summary`. OSError: it cannot be read."""
    return checked_summary(read_json(path), path, *needed)


def checked_summary(summary: Any, where: str | os.PathLike, *needed: str) -> dict[str, Any]:
    """A summary as it is, with "reported" filled in.

    Args:
      where: what it was read from, the beginning of messages.
      needed: keys that must be there; "reported" for the table that the protocol reports.

    Raises:
      ValueError: a key that is missing, or a value that no summary has.
    """
    try:
        check_type(summary, SUMMARY_OF, str(where), ADVICE)
        summary = dict(summary, reported=summary.get("reported") or ["median"])
        names = (*needed, summary["reported"][0]) if "reported" in needed else needed
        for name in names:
            if summary.get(name) is None:
                raise ValueError(f"{where}: no {name[:100]} in it: {ADVICE}")
        tables = [summary[how] for how in summary["reported"] if summary.get(how) is not None]
        for table in tables:
            check_type(table, TABLE, f"{where}: reported", ADVICE)
        for table in (*(summary.get("songs") or {}).values(), *tables):
            for target, scores in table.items():
                check_name(target, f"{where}: targets")
                for metric, value in scores.items():
                    check_score(value, f"{where}: {target} {metric[:100]}")
    except ValueError as error:
        text = str(error).removeprefix(f"{where}: ")
        raise ValueError(f"{where}: not the summary of scores: {text}") from None
    return summary
