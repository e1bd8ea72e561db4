"""Speed of the input pipeline, as a ratio to what the paper-size model consumes in training.

  python -m experiments.benchmarks.pipeline [--cache DIR] [--seconds 20] [--workers 2] [--effects]

Delivers batches of 12 excerpts of 8 s, mono at 32 kHz, four sources, with gain, left/right
pick, polarity, level, remix of half the batch and drums that play, from a prepared
cache: the one given, or eight songs of the band prepared into the temporary folder. Then times
training steps of the paper-size model in the same process, on the device that TensorFlow uses, and
prints how many times faster excerpts come than the model takes them (target: 5 or more).

With --effects, every family of `data.augmentation` is applied to every excerpt (silence to some),
and sources are drums and accompaniment. With --least, no model is timed, and so many audio seconds
per second are the target. The excerpts of the drum separator, of which two cores train on 2 s per
second:

  python -m experiments.benchmarks.pipeline --effects --rate 44100 --length 3 --batch 4 --least 10
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from common import cli

if TYPE_CHECKING:
    from datasets.excerpts.effects import Effects
    from datasets.excerpts.paired import PairedExcerpts

TARGET = 5.0
RATE, LENGTH_S, BATCH = 32000, 8.0, 12


def log(text: str) -> None:
    """Print at once: each line takes a while."""
    print(text, flush=True)


@contextlib.contextmanager
def songs(cache: str | None, rate: int, workers: int) -> Iterator[list]:
    """Training songs of a cache at a rate in Hz; None prepares songs of the band."""
    import datasets
    from datasets.cache.prepare import CacheContents, LoadedSongs, prepare

    if cache is not None:
        yield datasets.load("cache", cache, split="train", sample_rate=rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        options = {"songs": 8, "seconds": 60.0, "sample_rate": rate}
        tracks = datasets.load("band", None, "train", **options)
        prepare(LoadedSongs("band", tracks), folder, CacheContents([rate]), workers=workers)
        spent = time.perf_counter() - start
        log(f"band: {480 / spent:.0f} s of song per second, rendered and cached")
        yield datasets.load("cache", folder, sample_rate=rate)


def everything() -> "Effects":
    """All families in every excerpt, at their default ranges; silence in some."""
    from datasets.excerpts.effects import FAMILIES, Effects, Parts

    families = {name: kind(share=1.0) for name, kind in FAMILIES.items() if name != "parts"}
    return Effects(**families, parts=Parts((0.7, 0.35)), silence={"drums": 0.06})


def excerpts(tracks: list, options: argparse.Namespace) -> "PairedExcerpts":
    """What is drawn; options are those of the command line."""
    from datasets.excerpts.augmentation import Augmentation
    from datasets.excerpts.effects import Effects
    from datasets.excerpts.paired import PairedExcerpts
    from datasets.excerpts.shape import ExcerptShape

    sources = ("drums", "accompaniment") if options.effects else None
    return PairedExcerpts(
        tracks,
        ExcerptShape(int(options.length * options.rate), options.batch, sources=sources),
        Augmentation(
            polarity=0.5,
            remix=0.5,
            active_share=0.5,
            effects=everything() if options.effects else Effects(),
        ),
    )


def delivered(source: "PairedExcerpts", length: float, seconds: float, workers: int) -> float:
    """Audio seconds (of mixture) per second that the pipeline hands over.

    Args:
      length: of an excerpt in seconds.
      seconds: how long batches are counted.
    """
    from dssgan.training import pipeline

    log(f"reader: {pipeline.choose_reader(source)[0]}")
    iterator = iter(pipeline.dataset(source, workers=workers))
    for _ in range(2 * len(source.tracks)):  # levels of the songs are measured once
        next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(iterator)
        count += 1
    return count * source.batch_size * length / (time.perf_counter() - start)


def consumed(batch: int, repeat: int) -> tuple[float, str]:
    """Audio seconds (of mixture) per second that training takes, and the device."""
    from experiments.benchmarks.separator import measure

    found = measure("train", "float32", LENGTH_S, batch, repeat)
    return found["audio_s"] / found["step_s"], found["device"]


def main(argv: list[str]) -> int:
    """Measure and print; 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.pipeline")
    parser.add_argument(
        "--cache", type=cli.path, help="a prepared cache that has the rate (default: the band)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to count batches")
    parser.add_argument("--workers", type=int, default=2, help="threads of the pipeline")
    parser.add_argument("--rate", type=int, default=RATE, help="of the songs, in Hz")
    parser.add_argument("--length", type=float, default=LENGTH_S, help="of an excerpt, in seconds")
    parser.add_argument("--batch", type=int, default=BATCH, help="excerpts per batch")
    parser.add_argument("--effects", action="store_true", help="all families of effects")
    parser.add_argument(
        "--least", type=float, help="audio seconds per second wanted; no model is timed"
    )
    parser.add_argument(
        "--model-batch", type=int, default=1, help="excerpts per timed training step (memory!)"
    )
    parser.add_argument("--repeat", type=int, default=2, help="timed training steps")
    options = parser.parse_args(argv)
    with songs(options.cache, options.rate, options.workers) as tracks:
        source = excerpts(tracks, options)
        pipeline = delivered(source, options.length, options.seconds, options.workers)
    log(f"pipeline: {pipeline:.0f} audio seconds per second, {options.workers} threads")
    if options.least is not None:
        log(f"target: {options.least:g} audio seconds per second or more")
        return int(pipeline < options.least)
    model, device = consumed(options.model_batch, options.repeat)
    log(f"training: {model:.2f} audio seconds per second on the {device}, batch of "
          f"{options.model_batch}")  # fmt: skip
    ratio = pipeline / model
    log(f"pipeline / training: {ratio:.0f} (target: {TARGET:.0f} or more)")
    return int(ratio < TARGET)


if __name__ == "__main__":
    cli.run(main)
