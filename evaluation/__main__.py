"""python -m evaluation: score estimates on disk, or a separator on a dataset.

  score      --references DIR --estimates DIR…   folders SONG/drums.wav …
  separator  DIR --data NAME --root PATH         separate a dataset's songs and score them
  summary    DIR                                 tables and pictures from scores on disk

Scores are one JSON per song in museval's format, SPLIT/SONG.json, beside summary.json, report.md,
report.html and a box plot per target. A command that was interrupted goes on where it stopped.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import cli, dask_cluster, startup
from common.json_files import write_json
from evaluation.protocols import PROTOCOLS, find
from evaluation.reports import page, summary
from evaluation.reports.tables import totals
from evaluation.scoring import folders, names, runner
from evaluation.scoring.executors import Executors, on_dask


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    score = commands.add_parser("score", help="score estimates on disk")
    score.add_argument("--references", required=True, type=cli.path, metavar="DIR")
    score.add_argument(
        "--estimates",
        required=True,
        type=cli.path,
        nargs="+",
        metavar="DIR",
        help="of one separator or several, which share the work on the references",
    )
    score.add_argument(
        "--out",
        type=cli.path,
        metavar="DIR",
        help="default: ESTIMATES/scores; of several: OUT/NAME",
    )
    separator = commands.add_parser("separator", help="score an exported separator on a dataset")
    separator.add_argument(
        "separator", type=cli.path, metavar="DIR", help="of a separator, or its name"
    )
    separator.add_argument("--data", required=True, metavar="NAME", help="a dataset's name")
    separator.add_argument("--root", type=cli.path, metavar="PATH", help="the dataset's folder")
    separator.add_argument(
        "--split", default="test", help="train, valid, test or all; default: test"
    )
    separator.add_argument("--songs", metavar="A,B", help="only songs whose names end in these")
    separator.add_argument("--out", required=True, type=cli.path, metavar="DIR")
    for command in (score, separator):
        command.add_argument("--sources", metavar="A,B", help="targets; default: all estimates")
        command.add_argument("--protocol", default="musdb18", help=", ".join(PROTOCOLS))
        command.add_argument("--workers", type=int, default=1, metavar="N", help="songs at once")
        command.add_argument(
            "--cluster",
            metavar="WHERE",
            help="tcp://HOST:PORT of a Dask scheduler, slurm, pbs or sge, in place of this machine",
        )
        command.add_argument(
            "--resources", type=cli.path, metavar="YAML", help="what a job of a batch system gets"
        )
    tables = commands.add_parser("summary", help="tables and pictures from scores on disk")
    tables.add_argument("folder", type=cli.path, metavar="DIR")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run a command; 0 when every song has scores."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parse(argv)
    if options.command == "summary":
        found = summary.summarise_folder(options.folder)
        page.write_report(found, options.folder)  # made as a whole before anything is written
        write_json(options.folder / summary.SUMMARY, found)
        return show(found, options.folder, written=True)
    try:
        chosen = find(options.protocol)
    except ValueError as error:
        raise cli.UsageError(f"--protocol: {error}") from error
    if options.workers < 1:
        raise cli.UsageError(f"--workers {options.workers}: expected at least 1")
    options.sources = cli.names(options.sources)
    scorer = score if options.command == "score" else score_separator
    return scorer(options, chosen)


def score(options: argparse.Namespace, protocol) -> int:
    """Score estimates on disk."""
    several = len(options.estimates) > 1
    songs_of, notes = {}, set()
    for estimates in options.estimates:
        songs, without = folders.pair_songs(
            options.references,
            estimates,
            protocol,
            targets=options.sources,
            **readers(),
            report=notes.add,
        )
        out = options.out or estimates / "scores"
        if several and options.out:
            out /= estimates.resolve().name
        if out in songs_of:
            raise cli.UsageError(f"--estimates {estimates}: a second folder of this name")
        songs_of[out] = songs
        if without:
            where = f"{estimates}: " if several else ""
            print(f"{where}{without} reference songs have no estimates: not scored")
    for line in sorted(notes):
        print(line)
    with cluster(options, sum(map(len, songs_of.values()))) as workers:
        results = runner.run_all(songs_of, protocol, workers=workers, report=report)
    return max([show(result, out) for out, result in results.items()])


def readers() -> dict[str, Any]:
    """What reads formats that libsndfile does not know, and containers, where it is installed."""
    try:
        from datasets import audio  # here alone: no module of the room needs it
        from datasets.audio import stem_mp4
    except ImportError:
        return {}
    return {"read": audio.read, "containers": names.Containers(stem_mp4.stem_names, stem_mp4.read)}


@contextlib.contextmanager
def cluster(options: argparse.Namespace, songs: int) -> Iterator[int | Executors]:
    """The executors of the cluster of the command line; without one the number of --workers."""
    dask_cluster.check(options.cluster, options.resources)
    if options.cluster is None:
        yield options.workers
        return
    jobs = min(options.workers if options.workers > 1 else dask_cluster.JOBS, songs)
    with dask_cluster.opened(options.cluster, options.resources, jobs) as client:
        yield on_dask(client)


def score_separator(options: argparse.Namespace, protocol) -> int:
    """Separate the songs of a dataset and score the estimates."""
    import datasets  # here alone: no module of the room needs them
    from dssgan import exports

    tracks = datasets.load(options.data, options.root)
    splits = sorted({track.split for track in tracks})
    tracks = [track for track in tracks if options.split in ("all", track.split)]
    if not tracks:
        raise ValueError(
            f"{options.root}: no songs in split {options.split!r}, only in {', '.join(splits)}; "
            "choose one with --split, or --split all"
        )
    for ending in cli.names(options.songs) or ():
        if not any(track.name.endswith(ending) for track in tracks):
            raise ValueError(f"{options.root}: no song ends in {ending!r}")
    if options.songs:
        tracks = [track for track in tracks if track.name.endswith(cli.names(options.songs))]
    folder = exports.find_export(options.separator)
    with startup.stderr_hidden():
        from dssgan import loading

        identity = exports.identity(folder)
        separator = loading.load(folder)
    with cluster(options, len(tracks)) as workers:
        result = runner.evaluate(
            separator.separate,
            tracks,
            protocol,
            options.out,
            sources=options.sources,
            identity=identity,
            workers=workers,
            report=report,
        )
    return show(result, options.out)


def show(result: dict, folder: Path, written: bool = False) -> int:
    """Print tables, write the report unless it is `written`; 1 when songs failed."""
    failed = result.get("failed") or {}
    if result["songs"]:
        if not written:
            page.write_report(result, folder)
        print(totals(result))
        print(f"\n{folder}: summary.json, report.md, report.html, one JSON per song")
    if failed:
        total = len(failed) + len(result["songs"])
        print(f"{len(failed)} of {total} songs failed", file=sys.stderr)
    return 1 if failed else 0


def report(line: str) -> None:
    """Print one line about a song that failed."""
    print(f"error: {line}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main)
