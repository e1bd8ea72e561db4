"""Speed of the input pipeline, as a ratio to what the paper-size model consumes in training.

  python -m experiments.benchmarks.pipeline [--cache DIR] [--seconds 20] [--workers 2]

Delivers batches of 12 excerpts of 8 s, mono at 32 kHz, four sources, with all augmentations on
(gain, left/right pick, polarity, level, remix of half the batch, drums that play), from a prepared
cache: the one given, or eight songs of the band prepared into the temporary folder. Then times
training steps of the paper-size model in the same process, on the device that TensorFlow uses, and
prints how many times faster excerpts come than the model takes them (target: 5 or more).
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator

from common import cli

TARGET = 5.0
RATE, LENGTH_S, BATCH = 32000, 8.0, 12


def log(text: str) -> None:
    """Print at once: each line takes a while."""
    print(text, flush=True)


@contextlib.contextmanager
def songs(cache: str | None, workers: int) -> Iterator[list]:
    """Training songs of a cache at 32 kHz; None prepares songs of the band."""
    import datasets
    from datasets.cache.prepare import CacheContents, LoadedSongs, prepare

    if cache is not None:
        yield datasets.load("cache", cache, split="train", sample_rate=RATE)
        return
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        options = {"songs": 8, "seconds": 60.0, "sample_rate": RATE}
        tracks = datasets.load("band", None, "train", **options)
        prepare(LoadedSongs("band", tracks), folder, CacheContents([RATE]), workers=workers)
        spent = time.perf_counter() - start
        log(f"band: {480 / spent:.0f} s of song per second, rendered and cached")
        yield datasets.load("cache", folder, sample_rate=RATE)


def delivered(tracks: list, seconds: float, workers: int) -> float:
    """Audio seconds (of mixture) per second that the pipeline hands over."""
    from datasets.excerpts.augmentation import Augmentation
    from datasets.excerpts.paired import PairedExcerpts
    from datasets.excerpts.shape import ExcerptShape
    from dssgan.training import pipeline

    source = PairedExcerpts(
        tracks,
        ExcerptShape(int(LENGTH_S * RATE), BATCH),
        Augmentation(polarity=0.5, remix=0.5, active_share=0.5),
    )
    log(f"reader: {pipeline.choose_reader(source)[0]}")
    iterator = iter(pipeline.dataset(source, workers=workers))
    for _ in range(2 * len(tracks)):  # levels of the songs are measured once
        next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(iterator)
        count += 1
    return count * BATCH * LENGTH_S / (time.perf_counter() - start)


def consumed(batch: int, repeat: int) -> tuple[float, str]:
    """Audio seconds (of mixture) per second that training takes, and the device."""
    from experiments.benchmarks.separator import measure

    found = measure("train", "float32", LENGTH_S, batch, repeat)
    return found["audio_s"] / found["step_s"], found["device"]


def main(argv: list[str]) -> int:
    """Measure and print; 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.pipeline")
    parser.add_argument(
        "--cache", type=cli.path, help="a prepared cache that has 32000 Hz (default: the band)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to count batches")
    parser.add_argument("--workers", type=int, default=2, help="threads of the pipeline")
    parser.add_argument(
        "--model-batch", type=int, default=1, help="excerpts per timed training step (memory!)"
    )
    parser.add_argument("--repeat", type=int, default=2, help="timed training steps")
    options = parser.parse_args(argv)
    with songs(options.cache, options.workers) as tracks:
        pipeline = delivered(tracks, options.seconds, options.workers)
    log(f"pipeline: {pipeline:.0f} audio seconds per second, {options.workers} threads")
    model, device = consumed(options.model_batch, options.repeat)
    log(f"training: {model:.2f} audio seconds per second on the {device}, batch of "
          f"{options.model_batch}")  # fmt: skip
    ratio = pipeline / model
    log(f"pipeline / training: {ratio:.0f} (target: {TARGET:.0f} or more)")
    return int(ratio < TARGET)


if __name__ == "__main__":
    cli.run(main)
