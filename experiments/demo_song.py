"""A real song into drums and the rest: `make demo`, or `python -m experiments.demo_song`.

Separates twenty seconds of a song that the shipped separator never learnt from, and makes a page
to listen to it. Any other song: `python -m dssgan.separate SONG -o stems`.
"""

import argparse
import html
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from common import cli
from common.files import write_text
from datasets import audio
from dssgan.exports import SHIPPED, pretrained

EXAMPLE = pretrained()[SHIPPED] / "example.opus"
CREDIT = "Francium by Everything Is Free (ichbinsoftware), CC0 1.0"
KBPS = 96  # of the sound in the page
STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 sans-serif;max-width:48em;margin:2em auto;padding:0 1em}
figure{margin:1.5em 0}img{width:100%;display:block}audio{width:100%}
"""


def main(argv: list[str]) -> int:
    """Separate, and write the page; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.demo_song",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    add = parser.add_argument
    add("song", nargs="?", type=cli.path, default=EXAMPLE, help="default: the one that is shipped")
    add("--out", type=cli.path, default=Path("demo"), help="folder for all results")
    options = parser.parse_args(argv)
    start = time.monotonic()
    stems = options.out / "stems"
    code = run_command("dssgan.separate", str(options.song), "-o", str(stems), "--model", SHIPPED)
    if code:
        return code
    files = sorted((stems / options.song.stem).glob("*.wav"), key=lambda path: path.stem != "drums")
    page = options.out / "index.html"
    write_text(page, page_of(options.song, files))
    print(f"done in {time.monotonic() - start:.0f} s")
    for what, place in (("stems", stems / options.song.stem), ("listen", page)):
        print(f"  {what:8} {place}")
    print("your own: python -m dssgan.separate SONG -o stems")
    return 0


def run_command(module: str, *words: str) -> int:
    """Run a command of the project in a process of its own, its output shown as it comes.

    Returns:
      its exit code; after Ctrl-C it raises KeyboardInterrupt.
    """
    done = subprocess.run([sys.executable, "-m", module, *words], check=False)
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    return done.returncode


def page_of(song: Path, stems: list[Path]) -> str:
    """One page of HTML that needs nothing else: each file's sound and its spectrogram."""
    from experiments.compare.report import clips

    takes = {"the song": audio.read(song)} | {path.stem: audio.read(path) for path in stems}
    levels = {name: clips.spectrogram(take, rate) for name, (take, rate) in takes.items()}
    top = float(np.max([shown.max() for shown in levels.values()]))
    figures = []
    for name, (take, rate) in takes.items():
        sound = clips.uri(clips.opus(take, rate, KBPS), "audio/ogg")
        image = clips.uri(clips.picture(levels[name], top), "image/webp")
        label = html.escape(name)
        figures.append(
            f'<figure><figcaption>{label}</figcaption><img alt="spectrogram: {label}" '
            f'src="{image}"><audio controls preload="none" aria-label="{label}" src="{sound}">'
            "</audio></figure>"
        )
    title = html.escape(f"{song.stem}: drums and the rest")
    credit = f"<p>{CREDIT}</p>" if song == EXAMPLE else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style><body><h1>{title}</h1>{credit}{''.join(figures)}</body></html>\n"
    )


if __name__ == "__main__":
    cli.run(main)
