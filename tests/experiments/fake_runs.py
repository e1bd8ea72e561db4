"""Run folders as training leaves them, made without training."""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dssgan.config.mappings import merge, to_dict
from dssgan.config.schema import from_dict
from evaluation.protocols import PROTOCOLS
from evaluation.reports.summary import summarise
from experiments.compare import comparison, run

START = datetime.datetime(2026, 1, 2, 12)
METRICS = ("SDR", "ISR", "SIR", "SAR")
SOURCES = ("drums", "accompaniment")


def song_names(count: int) -> list[str]:
    return [f"Song {place:02d}" for place in range(count)]


def scores_of(
    songs: Mapping[str, Mapping[str, Sequence[float]]], protocol: str = "musdb18"
) -> dict[str, Any]:
    """A summary from {song: {source: SDR of frames}}; each further metric is 1 dB higher."""
    chosen = PROTOCOLS[protocol]
    metrics = list(chosen.metrics)
    told = {
        song: {
            "targets": [
                {
                    "name": source,
                    "frames": [
                        {"metrics": {m: value + place for place, m in enumerate(metrics)}}
                        for value in values
                    ],
                }
                for source, values in targets.items()
            ]
        }
        for song, targets in songs.items()
    }
    return {"settings": chosen.settings(), **summarise(told, chosen.reported)}


def usual_scores(shift: float = 0.0, count: int = 8, seed: int = 0) -> dict[str, Any]:
    """Scores of `count` songs around 3 dB for drums and 7 dB for the rest, plus `shift`."""
    rng = np.random.default_rng(seed)
    return scores_of(
        {
            name: {
                source: (rng.normal(middle, 2.0) + shift + rng.normal(0, 0.1, 5)).tolist()
                for source, middle in zip(SOURCES, (3.0, 7.0))
            }
            for name in song_names(count)
        }
    )


def curve(steps: Sequence[int], values: Sequence[float], start: float = 60.0, each: float = 60.0):
    """Points of a curve, the first `start` seconds after START, one every `each` seconds."""
    times = [START + datetime.timedelta(seconds=start + each * n) for n in range(len(steps))]
    return {
        "steps": list(steps),
        "values": list(values),
        "timestamps": [time.isoformat() for time in times],
    }


def usual_curves(height: float = 0.0) -> dict[str, Any]:
    steps = list(range(100, 700, 100))
    return {
        "train/loss": curve(steps, [height + 10 / (1 + n) for n in range(6)]),
        "validation/si_sdr": curve(steps, [height + n / 2 for n in range(6)]),
        "validation/si_sdr/drums": curve(steps, [height + n / 2 - 1 for n in range(6)]),
        "validation/si_sdr/accompaniment": curve(steps, [height + n / 2 + 1 for n in range(6)]),
    }


def make_run(
    folder: Path,
    keys: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    curves: Mapping[str, Any] | None = None,
    status: str = "COMPLETED",
) -> Path:
    """Write a run folder; `keys` are those that differ from the defaults."""
    folder.mkdir(parents=True)
    base = {"name": folder.name, "sources": list(SOURCES)}
    config = to_dict(from_dict(merge(base, keys or {})))
    record = {
        "status": status,
        "experiment": {"name": "dssgan", "sources": []},
        "start_time": START.isoformat(),
        "stop_time": (START + datetime.timedelta(hours=1)).isoformat(),
        "artifacts": [],
        "result": None,
        "uid": f"uid of {folder}",
    }
    if scores is not None:
        (folder / "scores").mkdir()
        (folder / "scores" / "summary.json").write_text(json.dumps(scores))
        record["artifacts"].append("scores/summary.json")
        how = scores["reported"][0]
        record["result"] = {
            f"{metric}/{source}": value
            for source, values in scores[how].items()
            for metric, value in values.items()
        }
        (folder / "info.json").write_text(json.dumps({"scores": scores["songs"]}))
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "config.json").write_text(json.dumps(config))
    curves = usual_curves() if curves is None else curves
    (folder / "metrics.json").write_text(json.dumps(curves))
    return folder


def read(folder):
    """(run, what was told) of a run folder."""
    told = []
    return run.read(folder, told.append), told


def comparison_of(folders, baseline=0):
    """(comparison, what was told) of run folders."""
    runs = comparison.with_names([read(folder)[0] for folder in folders])
    told = []
    chosen = None if baseline is None else runs[baseline]
    return comparison.compare_scores(runs, chosen, None, None, told.append), told
