"""The best run per protocol and source: python -m experiments.leaderboard [RUNS…] [--mongo URL]

  RUNS           folders of runs (default: runs)
  --mongo URL    runs of a MongoDB: mongodb://host:port/database; in place of RUNS, or beside them
  --markdown     the same as Markdown

Runs compete where the settings of the protocol and the names of the test songs are the same; the
four letters of a contest follow from both. The first metric decides, as the protocol reports it.
"""

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.cli import HelpFormatter, one_line
from common.cli import run as run_command
from common.digests import content_digest
from evaluation.protocols import PROTOCOLS
from evaluation.reports.tables import HEADS, WIDTH, number, shown, table
from experiments.compare.curves import Log
from experiments.compare.database import runs_in_database
from experiments.compare.run import configuration, find, scores
from experiments.sweep.table import shortened
from experiments.tracking import records

RUN, CONFIGURATION = 24, 20  # letters of their columns on a terminal at most


@dataclass(frozen=True)
class Entry:
    """A run's summary of scores, wherever it was found.

    Attributes:
      uid: the run's in all its records.
      run: its name. date: of its end. configuration: what it trained.
      summary: as `evaluation.reports.summary.summarise` gives it, with "settings".
    """

    uid: str
    run: str
    date: str
    configuration: str
    summary: Mapping[str, Any]


def main(argv: list[str]) -> int:
    """Print the boards; 1 when a run could not be read."""
    options = parse(argv)
    notes: list[str] = []

    def log(line: str) -> None:
        notes.append(line)
        print(f"warning: {line}", file=sys.stderr)

    roots = options.runs or ([] if options.mongo else [Path("runs")])
    entries = [entry for root in roots for entry in from_files(root, log)]
    if options.mongo:
        for found in runs_in_database(options.mongo, log):
            found["configuration"] = named(found.pop("config"), found["run"])
            entries.append(Entry(**found))
    boards = contests(entries)
    if boards:
        print("\n\n".join(board(found, options.markdown) for found in boards))
    else:
        log("no run with scores")
    return 1 if notes else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.leaderboard",
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("runs", nargs="*", type=cli.path, metavar="RUNS")
    parser.add_argument("--mongo", metavar="URL")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args(argv)


def from_files(root: Path, log: Log) -> Iterator[Entry]:
    """The runs of a folder that have scores; runs without are passed over in silence."""
    for folder in find([root], log):
        try:
            record = records.read_record(folder)
            config = configuration(folder, lambda line: None)
        except (ValueError, OSError) as error:
            log(f"{one_line(error)}; {folder} is left out")
            continue
        for summary in scores(folder, log).values():
            yield Entry(
                records.identity(folder, record),
                folder.resolve().name,
                str(record.get("stop_time") or record["start_time"])[:10],
                named(config, folder.resolve().name),
                summary,
            )


def named(config: Mapping[str, Any], run: str) -> str:
    """The configuration of a run, in short: its name, or else separator and phases."""
    if config.get("name") not in (None, "", run):
        return str(config["name"])
    model = config.get("model")
    name = model.get("name", "") if isinstance(model, Mapping) else ""
    phases = config.get("phases")
    told = phases if isinstance(phases, list | tuple) else ()
    return "+".join(map(str, [name, *(p for p in told if p not in ("supervised", "test"))]))


@dataclass
class Contest:
    """Runs that were scored with the same songs in the same way.

    Attributes:
      settings: of the protocol. songs: names. digest: four letters that differ between contests.
      best: {source: (score, entry)}; a source is named with its company where that matters.
      metric: the one that decides. reported: how it is put together.
      runs: that took part.
    """

    settings: Mapping[str, Any]
    songs: tuple[str, ...]
    digest: str
    metric: str
    reported: str
    best: dict[str, tuple[float, Entry]]
    runs: int = 0


def contests(entries: list[Entry]) -> list[Contest]:
    """Sort runs by what they were scored with; a run that is recorded twice counts once."""
    found: dict[tuple, Contest] = {}
    seen = set()
    for entry in entries:
        summary = entry.summary
        songs = tuple(sorted(summary["songs"]))
        how = summary["reported"][0]
        tables = [values for values in summary[how].values() if values]
        key = (json.dumps(summary["settings"], sort_keys=True), songs)
        if not songs or not tables or (entry.uid, key) in seen:
            continue
        seen.add((entry.uid, key))
        digest = content_digest(repr(key))[:4]
        metric = shown(tables[0])[0]
        contest = found.setdefault(
            key, Contest(summary["settings"], songs, digest, metric, how, {})
        )
        contest.runs += 1
        for source, values in summary[how].items():
            score = values.get(contest.metric, math.nan)
            label = company(source, list(summary[how]))
            if math.isfinite(score) and score > contest.best.get(label, (-math.inf,))[0]:
                contest.best[label] = (score, entry)
    boards = [contest for contest in found.values() if contest.best]
    return sorted(boards, key=lambda c: (c.settings["name"], -len(c.songs), c.digest))


def company(source: str, sources: list[str]) -> str:
    """A source's name; the accompaniment is something else beside vocals than beside drums."""
    others = [name for name in sources if name != source]
    if source != "accompaniment" or "vocals" in others:
        return source
    return f"all but {', '.join(others)}" if others else source


def board(contest: Contest, markdown: bool) -> str:
    """One contest's table, at most 80 columns wide on a terminal."""
    version = str(contest.settings.get("version", ""))
    kind = f", BSS Eval {version}" if version.startswith("v") else ""
    old = "" if contest.settings == _today(contest.settings["name"]) else ", older settings"
    runs = "1 run" if contest.runs == 1 else f"{contest.runs} runs"
    songs = "1 song" if len(contest.songs) == 1 else f"{len(contest.songs)} songs"
    head = (
        f"{contest.settings['name']}{kind}{old}, {songs} [{contest.digest}], {runs}; "
        f"{contest.metric} in dB, {HEADS.get(contest.reported, contest.reported)}"
    )
    rows = []
    for source, (score, entry) in contest.best.items():
        run, settings = entry.run, entry.configuration
        if not markdown:
            run, settings = shortened(run, RUN), shortened(settings, CONFIGURATION)
        rows.append([source, number(score), run, settings, entry.date])
    names = ["source", contest.metric, "run", "configuration", "date"]
    if markdown:
        return f"### {head}\n\n{table(names, rows, markdown=True, width=None)}"
    return f"{textwrap.fill(head, WIDTH)}\n\n{table(names, rows)}"


def _today(name: str) -> Mapping[str, Any] | None:
    """The settings of a protocol as it is now, as a file of scores holds them."""
    protocol = PROTOCOLS.get(name)
    return None if protocol is None else json.loads(json.dumps(protocol.settings()))


if __name__ == "__main__":
    run_command(main)
