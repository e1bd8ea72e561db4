"""What a separator's training songs are like: python -m experiments.style SEPARATOR [SONG …]

    python -m experiments.style SEPARATOR with RECIPE [KEY=VALUE …]

Writes the mean and the deviation of a few figures of the songs' sound into SEPARATOR/config.json,
and a table of them into its MODEL_CARD.md where it has one. `python -m dssgan.separate --models A,B
--by-style` chooses by them. SONG is an audio file or a folder of them, whole songs and no stems;
without one, the songs are those with stems that the separator was trained on, as its own
configuration or that behind `with` names them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from common import cli
from common.audio_files import is_audio
from common.files import write_text
from common.json_files import read_json, write_json
from datasets import audio
from dssgan.config.schema import Config
from dssgan.exports import ADVICE, CONFIG, find_export
from dssgan.postprocessing.style import HEARD_S, Style, figures, over_songs
from dssgan.separation.inputs import find_songs
from experiments.run.configuration import configure, exported_configuration
from experiments.songs.entries import entries, readable, select

CARD, TITLE = "MODEL_CARD.md", "## Style of its training songs"
WITH = "with"


def main(argv: list[str]) -> int:
    """Hear the songs and write the style; 1 when some could not be read."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.style", description=__doc__, formatter_class=cli.HelpFormatter
    )
    parser.add_argument("separator", type=cli.path, metavar="SEPARATOR", help="folder or name")
    parser.add_argument(
        "songs", nargs="*", metavar="SONG", help="file or folder, or: with RECIPE …"
    )
    parser.add_argument(
        "--most", type=int, default=50, metavar="N", help="songs to hear; default: %(default)s"
    )
    options = parser.parse_args(argv)
    if options.most < 1:
        raise cli.UsageError(f"--most {options.most}: expected at least 1")
    try:
        folder = find_export(options.separator)
        if options.songs and options.songs[0] != WITH:
            heard, failed = of_files(list(map(cli.path, options.songs)), options.most)
        else:
            named = options.songs[1:]
            config = configure(named)[0] if named else exported_configuration(folder)
            heard, failed = of_training(config, options.most), []
        style = over_songs(list(heard))
    except (ValueError, OSError) as error:
        raise cli.UsageError(cli.one_line(error)) from error
    for line in failed:
        cli.say(f"error: {line}")
    write(folder, style)
    cli.say(f"{folder}: the style of {style.songs} songs")
    return 1 if failed else 0


def of_training(config: Config, most: int) -> Iterator[dict[str, float]]:
    """Figures of the songs with stems that a configuration trains on, spread over all.

    Recordings of a single stem, such as drums alone, are no songs, unless there are no others.

    Raises:
      ValueError: songs are not there. OSError: they cannot be read.
    """
    tracks = []
    for where, entry in entries(config):
        if entry.weight:
            tracks += select(readable(where, entry), entry, "train", where)
    tracks = [track for track in tracks if len(track.stems) > 1] or tracks
    for track in cli.progress(spread(tracks, most), unit="song", leave=False):
        stop = min(track.samples, int(HEARD_S * track.sample_rate))
        yield figures(track.read("mixture", 0, stop), track.sample_rate)


def of_files(places: list[Path], most: int) -> tuple[list[dict[str, float]], list[str]]:
    """Figures of songs, spread over all, and a line for each that cannot be read."""
    songs, failed, _ = find_songs(places, is_audio)
    found = []
    for song in cli.progress(spread(songs, most), unit="song", leave=False):
        try:
            info = audio.probe(song.path)
            heard, rate = audio.read(song.path, 0, int(HEARD_S * info.sample_rate))
            found.append(figures(heard, rate))
        except (ValueError, OSError) as error:
            failed.append(cli.one_line(error))
    return found, failed


def spread(every: list, most: int) -> list:
    """At most so many of a list, spread evenly over it."""
    if len(every) <= most:
        return every
    return [every[number * len(every) // most] for number in range(most)]


def write(folder: Path, style: Style) -> None:
    """Put a style into the configuration and the card of an exported separator."""
    path = folder / CONFIG
    write_json(path, read_json(path, None, ADVICE) | {"style": style.as_json()})
    card = folder / CARD
    if card.is_file():
        text = card.read_text("utf-8")
        before, title, after = text.partition(f"\n{TITLE}\n")
        end = after.find("\n## ") if title else -1
        rest = after[end:] if end >= 0 else ""
        write_text(card, f"{before.rstrip()}\n\n{TITLE}\n\n{table(style)}{rest}")


def table(style: Style) -> str:
    """A style in Markdown."""
    lines = [
        f"Mean and deviation over {style.songs} songs, each heard for {HEARD_S:g} s "
        "(`python -m experiments.style`);",
        "what the figures are stands in `dssgan/postprocessing/style.py`.",
        "",
        "| figure | mean | deviation |",
        "|---|---:|---:|",
    ]
    for name, (mean, deviation) in style.figures.items():
        lines.append(f"| {name} | {mean:.2f} | {deviation:.2f} |".replace("-", "−"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cli.run(main)
