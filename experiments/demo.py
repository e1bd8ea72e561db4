"""The whole way in a few minutes: `make demo-train`, or `python -m experiments.demo [--out demo]`.

Trains the small separator of the recipe demo on the embedded band, scores it on songs that it
never learnt from, separates one of them into stems, and says where everything is.
"""

import argparse
import shlex
import time
from pathlib import Path

from common import cli
from datasets import load
from datasets.audio.writing import write
from experiments.demo_song import run_command

SONG_SECONDS = 20.0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.demo", description=__doc__)
    parser.add_argument("--out", type=cli.path, default=Path("demo"), help="folder for all results")
    parser.add_argument(
        "changes", nargs="*", metavar="KEY=VALUE", help="changes of experiments/recipes/demo.yaml"
    )
    options = parser.parse_args(argv)
    start = time.monotonic()
    run = free_name(options.out)

    log("1/3  training and scoring: experiments/recipes/demo.yaml")
    where = [f"name={run.name}", f"tracking.folder={options.out}", f"data.cache={run}/cache"]
    call("dssgan.train", "with", "experiments/recipes/demo.yaml", *where, *options.changes)

    log("2/3  separating a song it never learnt from")
    song = run / "song.wav"
    track = load("band", None, split="test", songs=10, seconds=SONG_SECONDS, sample_rate=44100)[0]
    write(song, track.read("mixture"), track.sample_rate)
    stems = run / "stems"
    call("dssgan.separate", str(song), "-o", str(stems), "--model", str(run / "separator"))

    log("3/3  the report")
    call("evaluation", "summary", str(run / "scores"))

    log(f"done in {time.monotonic() - start:.0f} s")
    for what, path in (
        ("stems", stems / song.stem),
        ("report", run / "scores" / "report.html"),
        ("separator", run / "separator"),
        ("curves", f"tensorboard --logdir {shlex.quote(str(run / 'tensorboard'))}"),
    ):
        print(f"  {what:10} {path}")
    return 0


def free_name(out: Path) -> Path:
    """The first folder `out/demo-N` that is not there yet."""
    number = 1
    while (out / f"demo-{number}").exists():
        number += 1
    return out / f"demo-{number}"


def call(module: str, *arguments: str) -> None:
    """Run a command of the project; RuntimeError where it fails."""
    code = run_command(module, *arguments)
    if code:
        raise RuntimeError(f"python -m {module} ended with exit code {code}")


def log(line: str) -> None:
    print(f"\n== {line}", flush=True)


if __name__ == "__main__":
    cli.run(main)
