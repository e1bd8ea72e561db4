"""Whether a song that a run is judged by is also heard in training, by name and by fingerprint.

    python -m experiments.overlap with RECIPE [KEY=VALUE …] [--keep DIR] [--workers N]

A song for validation or test is compared with every recording that the configuration trains on,
with stems or without: the same song under another name, in another format, at another level, or an
excerpt of it. A run that starts compares files and notes alone, which takes no time; this listens,
15 ms per second of audio. Music that is rendered here (band, groove, kits, midi) is no recording,
and is left to the run. Returns 1 when a song is both.
"""

import argparse
import os
from pathlib import Path

from common import cli
from datasets.intake.known import fingerprints, same_as
from datasets.intake.limits import Limits
from datasets.track import Track
from dssgan.config.schema import Config
from experiments.run.configuration import configure
from experiments.songs.entries import entries, readable, select, unpaired_entries

RENDERED = ("band", "groove", "kits", "midi")  # datasets whose songs are made here


def main(argv: list[str]) -> int:
    """Print a line per song that is both; returns the exit code."""
    options = parse(argv)
    config, _, origin = configure(options.updates)
    heard, judged = recordings(config)
    if not judged:
        raise cli.UsageError(f"{origin} names no recording for validation or test")
    both = compared(heard, judged, options.keep, options.workers)
    for line in both:
        cli.say(line)
    minutes = sum(track.duration for track in heard) / 60.0
    cli.say(
        f"{origin}: {len(judged)} songs for validation and test, {len(heard)} recordings to train "
        f"on ({minutes:.0f} min): {len(both) or 'none'} in both"
    )
    return 1 if both else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.overlap", description=__doc__, formatter_class=cli.HelpFormatter
    )
    parser.add_argument("word", choices=["with"], metavar="with", help="the word `with`")
    parser.add_argument("updates", nargs="+", metavar="RECIPE|KEY=VALUE", help="as in training")
    parser.add_argument(
        "--keep",
        type=cli.path,
        default=Path("cache/fingerprints"),
        metavar="DIR",
        help="folder of fingerprints; default: %(default)s",
    )
    parser.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s"
    )
    return parser.parse_args(argv)


def recordings(config: Config) -> tuple[list[Track], list[Track]]:
    """Songs to train on, paired and unpaired, and songs for validation and test.

    Raises:
      ValueError: a song that is not there or cannot be read. OSError: a folder cannot.
    """
    heard, judged = [], []
    for where, entry in entries(config):
        if entry.name not in RENDERED:
            tracks = readable(where, entry)
            heard += select(tracks, entry, "train", where)
            judged += (
                *select(tracks, entry, "valid", where),
                *select(tracks, entry, "test", where),
            )
    for where, entry in unpaired_entries(config):
        if entry.name not in RENDERED:
            heard += select(readable(where, entry), entry, "train", where)
    return heard, judged


def compared(heard: list[Track], judged: list[Track], folder: Path, workers: int = 1) -> list[str]:
    """A line per song of `judged` that is in `heard`.

    Args:
      folder: where fingerprints are kept from one call to the next.

    Raises:
      ValueError, OSError: a song that cannot be read.
    """
    known = fingerprints([*heard, *judged], folder, workers, cli.progress)
    names = {track.name.casefold() for track in heard}
    both = []
    for name, song in known[len(heard) :]:
        said = same_as(song, known[: len(heard)], Limits().same, "the training song")
        if not said and name.casefold() in names:
            said = "a training song has the same name"
        if said:
            both.append(f"{name}: {said}")
    return both


if __name__ == "__main__":
    cli.run(main)
