"""`python -m datasets prepare | check | activity | list | export | intake`: songs on disk."""

import argparse
import contextlib
import json
import os
import sys

from common import cli, dask_cluster
from datasets import DATASETS, SPLITS, load, load_readable
from datasets.activity.lists import list_path, write_list
from datasets.activity.windows import VARIANTS
from datasets.cache.manifest import faults, read_manifest
from datasets.cache.prepare import RATES, CacheContents, LoadedSongs, Unreadable, prepare
from datasets.intake import command as intake
from datasets.legacy.export import LIST, SOURCES, export


def main(argv: list[str]) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    return arguments.command(arguments)


def _prepare(arguments: argparse.Namespace) -> int:
    contents = CacheContents(
        rates=arguments.rates,
        mixture=not arguments.without_mixture,
        variants=arguments.variants,
        semitones=arguments.semitones,
    )
    name = arguments.name
    dask_cluster.check(arguments.cluster, arguments.resources)
    songs = load_readable(name, arguments.path, arguments.split, **_options(arguments))
    try:
        with contextlib.ExitStack() as stack:
            workers = arguments.workers
            if arguments.cluster is not None:
                where = arguments.cluster, arguments.resources, arguments.jobs
                workers = stack.enter_context(dask_cluster.opened(*where))
            manifest = prepare(
                LoadedSongs(name, *songs),
                arguments.out,
                contents,
                workers=workers,
                skip_broken=arguments.skip_broken,
                prune=arguments.prune,
                watch=lambda results, total: cli.progress(results, total=total, unit="song"),
                report=lambda line: print(f"cannot be read: {line}", file=sys.stderr),
            )
    except Unreadable as error:
        raise ValueError(f"{error}; repair them, or leave them out with --skip-broken") from error
    for song in manifest["songs"]:
        for warning in song["warnings"]:
            cli.say(f"{song['name']}: {warning}")
    size = sum(file["bytes"] for song in manifest["songs"] for file in song["files"].values())
    hours = sum(song["seconds"] for song in manifest["songs"]) / 3600
    rates = ", ".join(map(str, manifest["rates"]))
    cli.say(
        f"{len(manifest['songs'])} songs, {hours:.2f} h, {rates} Hz, {size / 1e9:.2f} GB "
        f"in {arguments.out}"
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    found = faults(arguments.cache, lambda files: cli.progress(files, unit="file", leave=False))
    for fault in found:
        cli.say(fault, sys.stderr)
    if found:
        cli.say(f"{len(found)} faults; delete these files and prepare the cache again", sys.stderr)
        return 1
    songs = read_manifest(arguments.cache)["songs"]
    cli.say(f"{len(songs)} songs, {sum(len(song['files']) for song in songs)} files: all is well")
    return 0


def _activity(arguments: argparse.Namespace) -> int:
    for target in arguments.target:
        content = write_list(
            arguments.cache,
            target,
            lambda songs: cli.progress(songs, unit="song", leave=False),
            variant=arguments.variant,
        )
        songs = content["songs"]
        for name, song in songs.items():
            if not song["active"]:
                cli.say(f"{name}: {target} plays nowhere")
        active = sum(stop - start for song in songs.values() for start, stop in song["active"])
        whole = sum(song["seconds"] for song in songs.values())
        cli.say(
            f"{target} plays in {active / 3600:.2f} of {whole / 3600:.2f} h of {len(songs)} songs: "
            f"{list_path(arguments.cache, target)}"
        )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    name, path = os.fspath(cli.path(arguments.name)), arguments.path
    if path is None and name not in DATASETS and os.path.exists(name):
        name, path = "cache", name
    tracks, broken = load_readable(name, path, arguments.split, **_options(arguments))
    width = min(44, max((len(track.name) for track in tracks), default=4))
    for track in tracks:
        minutes, seconds = divmod(round(track.duration), 60)
        missing = f"  missing: {', '.join(track.missing)}" if track.missing else ""
        cli.say(
            f"{track.name:{width}}  {track.split:5}  {minutes:3d}:{seconds:02d}  "
            f"{track.sample_rate} Hz  {track.channels} ch{missing}"
        )
    for line in broken:
        cli.say(f"cannot be read: {line}", sys.stderr)
    hours = sum(track.duration for track in tracks) / 3600
    lacking = sum(bool(track.missing) for track in tracks)
    cli.say(f"{len(tracks)} songs, {hours:.2f} h, {lacking} with missing stems")
    return 1 if broken else 0


def _export(arguments: argparse.Namespace) -> int:
    name, path = os.fspath(cli.path(arguments.name)), arguments.path
    options = _options(arguments)
    broken: list[str] = []
    if arguments.skip_broken:
        tracks, broken = load_readable(name, path, arguments.split, **options)
    else:
        tracks = load(name, path, arguments.split, **options)
    for track in tracks:
        for warning in track.warnings:
            cli.say(f"{track.name}: {warning}")
    for line in broken:
        cli.say(f"cannot be read: {line}", sys.stderr)
    written = export(
        tracks,
        arguments.out,
        arguments.sources,
        workers=arguments.workers,
        watch=lambda results, total: cli.progress(results, total=total, unit="song"),
    )
    hours = sum(track.duration for track in tracks) / 3600
    cli.say(
        f"{len(tracks)} songs, {hours:.2f} h, {written} of them written now, and {LIST} "
        f"in {arguments.out}"
    )
    return 0


def _options(arguments: argparse.Namespace) -> dict:
    """The loader's options: --songs, --valid, --test and KEY=VALUE."""
    options = {}
    for pair in arguments.options or ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise cli.UsageError(f"option {pair!r}: expected KEY=VALUE")
        try:
            options[key] = json.loads(value)
        except (ValueError, RecursionError):
            options[key] = os.fspath(cli.path(value)) if value.startswith("~") else value
    for key in ("songs", "valid", "test"):
        if getattr(arguments, key) is not None:
            options[key] = getattr(arguments, key)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m datasets", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    songs = _songs_parser()
    every = _dataset_parser(songs)
    _add_prepare(
        commands.add_parser(
            "prepare", parents=[every], help="decode and resample songs once into a cache"
        )
    )
    command = commands.add_parser("check", help="compare every file of a cache with its checksum")
    command.set_defaults(command=_check)
    command.add_argument("cache", type=cli.path, metavar="CACHE")
    _add_activity(
        commands.add_parser(
            "activity", help="list where a source plays, for training on such stretches alone"
        )
    )
    command = commands.add_parser(
        "list", parents=[songs], help="show songs, hours and missing stems"
    )
    command.set_defaults(command=_list)
    command.add_argument(
        "name", metavar="NAME|CACHE", help=f"a cache, or one of {', '.join(DATASETS)}"
    )
    command.add_argument("path", nargs="?", type=cli.path, help="the dataset's folder")
    _add_export(
        commands.add_parser(
            "export",
            parents=[every],
            help="write songs as WAV files whose mixture is the sum of its parts, and dataset.pkl",
        )
    )
    intake.add_parser(commands)
    return parser


def _songs_parser() -> argparse.ArgumentParser:
    """Arguments of all commands that choose songs of a dataset."""
    songs = argparse.ArgumentParser(add_help=False)
    songs.add_argument("--split", choices=SPLITS, help="only this split")
    songs.add_argument("--songs", nargs="+", metavar="SONG", help="only these songs")
    songs.add_argument("--valid", nargs="+", metavar="SONG", help="validate on these songs")
    songs.add_argument("--test", nargs="+", metavar="SONG", help="test on these songs")
    songs.add_argument(
        "--options", nargs="+", metavar="KEY=VALUE", help="the dataset's own options"
    )
    return songs


def _dataset_parser(songs: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Arguments of all commands that write the songs of a dataset."""
    every = argparse.ArgumentParser(add_help=False, parents=[songs])
    every.add_argument("name", metavar="NAME", help=f"one of {', '.join(DATASETS)}")
    every.add_argument("path", nargs="?", type=cli.path, help="the dataset's folder")
    every.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s"
    )
    every.add_argument(
        "--skip-broken", action="store_true", help="leave out songs that cannot be read"
    )
    return every


def _add_prepare(command: argparse.ArgumentParser) -> None:
    command.set_defaults(command=_prepare)
    command.add_argument(
        "--out", required=True, type=cli.path, metavar="CACHE", help="folder of the cache"
    )
    command.add_argument(
        "--rates",
        nargs="+",
        type=int,
        default=list(RATES),
        metavar="HZ",
        help="default: %(default)s",
    )
    command.add_argument(
        "--without-mixture", action="store_true", help="store no mixture beside the stems"
    )
    command.add_argument("--prune", action="store_true", help="remove songs not asked for")
    command.add_argument(
        "--variants", type=int, default=0, metavar="N", help="also N varied speeds of each song"
    )
    command.add_argument(
        "--semitones", type=float, default=0.0, help="and of pitch, the drums' aside"
    )
    dask_cluster.add_options(command.add_argument)


def _add_activity(command: argparse.ArgumentParser) -> None:
    command.set_defaults(command=_activity)
    command.add_argument("cache", type=cli.path, metavar="CACHE")
    command.add_argument(
        "--target", nargs="+", required=True, metavar="STEM", help="one list for each"
    )
    command.add_argument(
        "--variant", choices=VARIANTS, default=VARIANTS[0], help="rule; default: %(default)s"
    )


def _add_export(command: argparse.ArgumentParser) -> None:
    command.set_defaults(command=_export)
    command.add_argument(
        "--out", required=True, type=cli.path, metavar="DIR", help="folder of the files"
    )
    command.add_argument(
        "--sources",
        nargs="+",
        default=list(SOURCES),
        metavar="SOURCE",
        help=f"what to write beside the mixture; default: {' '.join(SOURCES)}",
    )


if __name__ == "__main__":
    cli.run(main)
