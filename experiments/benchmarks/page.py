"""What the page costs beside the command: the same songs, in turns, in one run.

  python -m experiments.benchmarks.page [SONG] [--repeat 3]

SONG: default is the clip of the shipped separator, three times in a row. The command is a whole
process, from its start to its stems on disk. The page's time is that of a client: from sending the
song to the answer that it is done, with a server that runs and has separated a song before. Both
store 16 bits; the page stores the song beside the stems, and waveforms, spectrograms and a null
test.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from common import cli
from common.files import ROOT
from datasets import audio
from dssgan.exports import PRETRAINED, SHIPPED

ASKED = 0.05  # seconds from one question of the client to the next


def main(argv: list[str]) -> int:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.page",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("song", nargs="?", type=cli.path, help="default: 60 s of the shipped clip")
    parser.add_argument("--repeat", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        song = options.song or clip(Path(folder) / "clip.wav")
        words = ["--port", "0", "--no-browser", "--folder", f"{folder}/app"]
        command = [sys.executable, "-m", "dssgan.app", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            try:
                begun = time.perf_counter()
                url = server.stdout.readline().strip()
                print(f"the server answers after {time.perf_counter() - begun:.1f} s")
                through_page(url, song)  # the separator is loaded with the first song
                found = [
                    (by_command(song, Path(folder) / "stems"), through_page(url, song))
                    for _ in range(options.repeat)
                ]
            finally:
                server.terminate()
        seconds = audio.probe(song).duration
    commands, pages = zip(*found)
    for name, values in (("command", commands), ("page", pages)):
        middle = statistics.median(values)
        print(
            f"{name:8} {middle:6.2f} s ({min(values):.2f} to {max(values):.2f}), "
            f"{seconds / middle:.2f} x real time"
        )
    ratios = [page / command for command, page in found]
    print(
        f"page / command {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    return 0


def clip(path: Path) -> Path:
    """The clip of the shipped separator three times, as 16 bits."""
    samples, rate = audio.read(PRETRAINED / SHIPPED / "example.opus")
    audio.write(path, np.concatenate(3 * [samples]), rate)
    return path


def by_command(song: Path, out: Path) -> float:
    """Seconds of `python -m dssgan.separate`."""
    words = [str(song), "-o", str(out), "--model", str(PRETRAINED / SHIPPED), "--format", "flac"]
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dssgan.separate", *words], cwd=ROOT, check=True, capture_output=True
    )
    return time.perf_counter() - begun


def through_page(url: str, song: Path) -> float:
    """Seconds from sending a song to the page until its stems are there."""
    begun = time.perf_counter()
    query = urllib.parse.urlencode({"name": song.name, "model": SHIPPED})
    job = asked(f"{url}api/jobs?{query}", song.read_bytes())
    while job["state"] in ("queued", "running"):
        time.sleep(ASKED)
        job = asked(f"{url}api/jobs/{job['id']}")
    if job["state"] != "done":
        raise ValueError(f"{song}: {job['error']}")
    return time.perf_counter() - begun


def asked(url: str, data: bytes | None = None) -> dict:
    """The server's answer."""
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        return json.load(answer)


if __name__ == "__main__":
    cli.run(main)
