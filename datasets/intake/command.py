"""The command line of an intake: `python -m datasets intake SOURCE … --out DIR`."""

import argparse
import os
import sys
from pathlib import Path

from common import cli
from datasets.intake import limits, naming
from datasets.intake.report import REPORT
from datasets.intake.run import Options, Outcome, intake
from datasets.intake.sources import contributions
from datasets.intake.terms import Terms
from datasets.song_files import metadata

EPILOG = """\
A song is a folder with audio files, or a zip file. Its song.yaml says whose it is:

    name: My Song
    licence: CC-BY-4.0
    credit: Some One, example.org

Files are stems by their names (kick, OH, gtr, BV, Bass DI, mix …); several files of a stem are
added up. --names shows what is taken for what, and a mapping changes it:

    "*take 2*": ignore
    "Default preset*": other

REPORT.md in DIR says what was refused and why; nothing else of it is kept."""


def add_parser(commands) -> None:
    """Add the command to the others."""
    command = commands.add_parser(
        "intake",
        help="check contributed multitracks of any naming, and write them as songs",
        description="Check contributed multitracks, and write those that pass as folders of songs.",
        epilog=EPILOG,
        formatter_class=cli.HelpFormatter,
    )
    command.set_defaults(command=run)
    command.add_argument(
        "sources", nargs="+", type=cli.path, metavar="SOURCE", help="folder or zip file"
    )
    command.add_argument("--out", type=cli.path, metavar="DIR", help="folder of the songs")
    command.add_argument("--names", action="store_true", help="show what files are, and end")
    command.add_argument(
        "--mapping", type=cli.path, metavar="FILE", help="YAML: pattern of file names → stem"
    )
    command.add_argument(
        "--licence", default="", metavar="SPDX", help="of songs that name none, such as CC0-1.0"
    )
    command.add_argument("--credit", default="", metavar="TEXT", help="of songs that name none")
    command.add_argument(
        "--allow",
        nargs="+",
        default=[],
        metavar="SPDX",
        help="accept these licences too, such as CC-BY-NC-4.0",
    )
    command.add_argument(
        "--test-songs",
        nargs="+",
        default=[],
        metavar="PATH",
        help="refuse these songs: a folder, a file, or DATASET:PATH",
    )
    defaults = ", ".join(f"{key}={value:g}" for key, value in vars(limits.Limits()).items())
    command.add_argument(
        "--limits", nargs="+", default=[], metavar="KEY=NUMBER", help=f"default: {defaults}"
    )
    command.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Take songs in, or show names; returns the exit code: 1 where no song is there in the end."""
    mapping = {}
    if arguments.mapping:
        found = metadata.read(arguments.mapping)
        mapping = naming.check_mapping(found, str(arguments.mapping))
    if arguments.names:
        return _show_names(arguments.sources, mapping)
    if arguments.out is None:
        raise cli.UsageError("--out DIR is missing: the folder of the songs")
    try:
        held = limits.changed(arguments.limits)
    except ValueError as error:
        raise cli.UsageError(str(error)) from None
    options = Options(
        terms=Terms(
            "",
            licence=arguments.licence,
            credit=" ".join(arguments.credit.split()),
            stems=tuple(mapping.items()),
        ),
        allowed=tuple(arguments.allow),
        limits=held,
        test_songs=tuple(arguments.test_songs),
    )
    outcome = intake(
        arguments.sources,
        arguments.out,
        options,
        workers=arguments.workers,
        watch=lambda results, total: cli.progress(results, total=total, unit="song"),
    )
    return _told(outcome, arguments.out)


def _told(outcome: Outcome, out: Path) -> int:
    for one in outcome.refused:
        for reason in one.reasons:
            cli.say(f"{one.name}: refused: {reason}", sys.stderr)
    taken = set(outcome.taken)
    for song in outcome.songs:
        if song["name"] in taken:
            lacks = [f"has no {', '.join(song['missing'])}"] if song["missing"] else []
            for note in (*lacks, *song["notes"]):
                cli.say(f"{song['name']}: {note}")
    hours = sum(song["samples"] / song["sample_rate"] for song in outcome.songs) / 3600
    cli.say(
        f"{len(outcome.songs)} songs, {hours:.2f} h, {len(taken)} of them taken now, "
        f"{len(outcome.refused)} refused: {out / REPORT}"
    )
    return 0 if outcome.songs else 1


def _show_names(sources: list[Path], mapping: dict[str, str]) -> int:
    songs, refused = contributions(sources)
    for song in songs:
        cli.say(f"{song.name}:")
        own = naming.check_mapping(song.said().get("stems") or {}, song.label)
        found, problems = naming.assign(song.files, song.name, {**own, **mapping})
        for meaning, paths in found.items():
            for path in paths:
                cli.say(f"  {meaning}: {path}")
        for problem in problems:
            cli.say(f"{song.name}: {problem}", sys.stderr)
    for one in refused:
        cli.say(f"{one.name}: refused: {one.reasons[0]}", sys.stderr)
    return 0 if songs and not refused else 1
