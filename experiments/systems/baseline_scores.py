"""python -m experiments.compare baselines: separators beside methods that need no training.

  --data NAME:PATH[:SONG,SONG…]   a dataset, its folder, endings of the songs' names; repeatable
  --separator [LABEL=]DIR         an exported separator; repeatable
  --latency S [--speed X]         the separators live as well, S seconds behind, on a machine that
                                  does X times real time; repeatable
  --step wiener|transients|hpss   the separators with a step after or before them; repeatable
  --blend time|spectrum           the separators' stems averaged; repeatable
  --by-style                      for each song one of the separators, by its style
  --out DIR                       METHOD/SPLIT/SONG.json, scores.json and table.md

Prints a Markdown table: for every song and in the median SDR / SIR / SAR of the first source (BSS
Eval v4 as in museval). What was scored before is not scored again.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

import datasets
from common import cli
from common.files import write_text
from common.json_files import write_json
from datasets.sources import read_sources
from datasets.track import Track
from dssgan.steps import AFTER, BEFORE, DOMAINS
from evaluation import protocols
from evaluation.reports import bootstrap
from evaluation.reports.tables import METRICS, number, shown
from evaluation.scoring import runner, tasks
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import map_estimates
from experiments.systems.baselines import BASELINES
from experiments.systems.methods import (
    Method,
    baseline_method,
    blended_method,
    live_method,
    processed_method,
    routed_method,
    separator_method,
)

#: Above this a ratio is rounding noise: nothing of the kind is in the estimate.
ENDLESS = 100


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `experiments.compare baselines`."""
    add = parser.add_argument
    add("--data", action="append", required=True, metavar="NAME:PATH[:SONGS]")
    add("--separator", action="append", default=[], metavar="[LABEL=]DIR")
    add("--latency", action="append", type=float, default=[], metavar="S")
    add("--speed", type=float, default=3.0, metavar="X", help="default: %(default)g")
    add("--step", action="append", default=[], choices=(*AFTER, *BEFORE))
    add("--blend", action="append", default=[], choices=DOMAINS)
    add("--by-style", action="store_true")
    add("--sources", default="drums,accompaniment", metavar="A,B", help="default: %(default)s")
    add("--methods", default=",".join(BASELINES), metavar="A,B", help="default: %(default)s")
    add("--protocol", default="musdb18", help="default: %(default)s")
    add("--out", required=True, type=cli.path, metavar="DIR")
    add("--workers", type=int, default=1, metavar="N", help="songs scored at once")


def compare(options: argparse.Namespace) -> int:
    """Score every method and print the table; 1 when a song failed with some method."""
    sources = cli.names(options.sources)
    protocol = protocols.find(options.protocol)
    methods = chosen_methods(options)
    tracks = [track for text in options.data for track in find_tracks(text)]
    results, failed = {}, 0
    for method in methods:
        songs = [song(track, method, sources) for track in tracks]
        results[method.key] = runner.run(
            songs,
            protocol,
            options.out / method.key,
            workers=options.workers,
            report=partial(complain, method.baseline.label),
        )
        failed += len(results[method.key]["failed"])
    scores = {
        "settings": protocol.settings(),
        "reported": protocol.reported[0],
        "sources": list(sources),
        "methods": {
            method.key: {
                "label": method.baseline.label,
                "description": method.baseline.description,
                "over": method.over,
                **{
                    key: results[method.key][key]
                    for key in ("songs", "median", "mean", protocol.reported[0], "failed")
                },
            }
            for method in methods
        },
    }
    write_json(options.out / "scores.json", scores)
    text = markdown(scores, sources[0])
    write_text(options.out / "table.md", text)
    print(text, end="")
    return 1 if failed else 0


def chosen_methods(options: argparse.Namespace) -> list[Method]:
    """The columns of the table, in order.

    Raises:
      UsageError: two of one name, or one that is none.
    """
    methods = [baseline_method(key) for key in cli.names(options.methods)]
    separators = [separator_method(text) for text in options.separator]
    separators += [
        live_method(text, latency, options.speed)
        for text in options.separator
        for latency in options.latency
    ]
    pairs = itertools.product(options.separator, options.step)
    separators += [processed_method(*pair) for pair in pairs]
    separators += [blended_method(options.separator, domain) for domain in options.blend]
    separators += [routed_method(options.separator)] if options.by_style else []
    # The oracle stands last: what comes before it can be reached.
    methods = (
        [m for m in methods if m.key != "irm"] + separators + [m for m in methods if m.key == "irm"]
    )
    if len({method.key for method in methods}) < len(methods):
        raise cli.UsageError(
            "two methods of one name: give separators labels, --separator LABEL=DIR"
        )
    return methods


def song(track: Track, method: Method, sources: Sequence[str]) -> tasks.ScoringTask:
    """A track as a method separates it."""

    def read() -> SongAudio:
        references = dict(zip(sources, read_sources(track, sources)))
        mixture = track.read("mixture")
        estimates = method.baseline.separate(mixture, references, track.sample_rate)
        mapped = map_estimates(estimates, sources, mixture)
        rate = track.sample_rate
        return SongAudio(references, mapped, rate, rate, mixture=mixture)

    identity = runner.track_identity(track, method.identity, sources)
    return tasks.ScoringTask(track.name, track.split, identity, read)


def find_tracks(text: str) -> list[Track]:
    """Load the songs that a `--data` names: NAME, NAME:PATH or NAME:PATH:SONG,SONG.

    Songs are named by the ends of their names, so "Britpop" finds MusicDelta_Britpop.

    Raises:
      UsageError: no such dataset, folder or song, or an ending that fits several songs.
    """
    name, _, rest = text.partition(":")
    if name not in datasets.DATASETS:
        known = ", ".join(datasets.DATASETS)
        raise cli.UsageError(f"--data {text}: no dataset {name!r}, only {known}")
    root, wanted = cli.path(rest) if rest else None, ()
    if root is not None and not os.path.exists(root):
        folder, _, songs = rest.rpartition(":")
        root = cli.path(folder) if folder else ""
        wanted = cli.names(songs)
        if not os.path.exists(root):
            raise cli.UsageError(f"--data {text}: no such folder; expected NAME:PATH[:SONG,SONG…]")
    tracks = datasets.load(name, root)
    if not wanted:
        return tracks
    found = []
    for ending in wanted:
        fitting = [track for track in tracks if track.name.endswith(ending)]
        exact = [track for track in fitting if track.name == ending]
        if len(exact or fitting) != 1:
            some = ", ".join(track.name for track in (fitting or tracks)[:8])
            count = "no song" if not fitting else "more than one song"
            raise cli.UsageError(f"--data {text}: {count} ends in {ending!r} ({some})")
        found += exact or fitting
    return found


def markdown(scores: Mapping, source: str) -> str:
    """The table of one source, with what its columns are."""
    methods = scores["methods"]
    songs = list(dict.fromkeys(name for method in methods.values() for name in method["songs"]))
    how = scores.get("reported", "median")
    over = "whole songs" if scores["settings"]["window_s"] is None else "median over frames"
    metrics = next(
        (shown(values) for method in methods.values() for values in method["median"].values()),
        METRICS,
    )
    lines = [
        f"{source}: {' / '.join(metrics)} in dB, {over} (protocol "
        f"{scores['settings']['name']}, BSS Eval {scores['settings']['version']})",
        "",
        f"| song | {' | '.join(method['label'] for method in methods.values())} |",
        f"| --- |{' ---: |' * len(methods)}",
    ]
    for name in songs:
        cells = [cell(method["songs"].get(name, {}).get(source)) for method in methods.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    cells = [f"**{cell(method[how].get(source))}**" for method in methods.values()]
    lines.append(f"| **{how.replace('_', ' ')}** | {' | '.join(cells)} |")
    lines.append("")
    for method in methods.values():
        lines.append(f"* {method['label']}: {method['description']}")
        if method.get("over") in methods:
            lines[-1] += f"; {gained(method, methods[method['over']], source)}"
    return "\n".join(lines) + "\n"


def gained(method: Mapping, over: Mapping, source: str) -> str:
    """How much better a method is than another: the mean over songs, by a paired bootstrap."""
    names = [name for name in over["songs"] if name in method["songs"]]
    both = (
        {0: np.array([each["songs"][name][source]["SDR"] for name in names])}
        for each in (method, over)
    )
    mean, low, high = bootstrap.gain(*both)
    return f"SDR {mean:+.2f} dB [{low:+.2f}, {high:+.2f}] over {over['label']}"


def cell(values: Mapping[str, float] | None) -> str:
    """SDR / SIR / SAR of one song and method."""
    if values is None:
        return "–"
    return " / ".join(
        f"> {ENDLESS}"
        if values[metric] > ENDLESS
        else number(values[metric], 1 + metric.endswith("SDR"))
        for metric in shown(values)
    )


def complain(label: str, line: str) -> None:
    """One line about a song that failed."""
    print(f"error: {label}: {line}", file=sys.stderr)
