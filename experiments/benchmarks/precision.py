"""What half precision costs: SDR of one separator in float32 and in bfloat16, song by song.

    python -m experiments.benchmarks.precision DIR [--precision bfloat16] [--seconds 60]

DIR is an exported separator of a training run (RUN/separator). Separates the first seconds of every
test song of that run's configuration twice, and prints each source's SDR (without filters, over the
whole excerpt) in float32, in the other precision, and the change in dB. Target: less than 0.05 dB.
"""

import argparse

import numpy as np

from common import cli
from datasets.sources import read_sources
from datasets.track import Track
from dssgan.separator import Separator
from dssgan.training.build import separation_options
from evaluation.metrics import ratios
from experiments.run import scoring
from experiments.run.configuration import exported_configuration

MOST_DB = 0.05


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.precision",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("separator", type=cli.path, metavar="DIR", help="an exported separator")
    parser.add_argument("--precision", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--seconds", type=float, default=60.0, help="of every song; default: 60")
    options = parser.parse_args(argv)
    if not options.seconds > 0:
        raise cli.UsageError(f"--seconds {options.seconds:g}: expected more than 0")
    return options


def main(argv: list[str]) -> int:
    """Measure and print; 1 if a song changes by more than the target."""
    options = parse(argv)
    config = exported_configuration(options.separator)
    songs = scoring.test_songs(config)
    if not songs:
        raise ValueError(f"{options.separator}: its configuration names no test songs")
    full, half = (
        Separator.load(options.separator, **separation_options(config), precision=name)
        for name in ("float32", options.precision)
    )
    print(f"SDR in dB, float32 → {options.precision}, first {options.seconds:g} s of each song")
    worst = 0.0
    for song in songs:
        before, after = (scores(one, song, options.seconds) for one in (full, half))
        change = after - before
        parts = [
            f"{source} {old:.3f} → {new:.3f} ({difference:+.4f})"
            for source, old, new, difference in zip(full.sources, before, after, change)
        ]
        print(f"{song.name}: {', '.join(parts)}", flush=True)
        worst = max(worst, *np.abs(change[np.isfinite(change)]), 0.0)
    print(f"largest change: {worst:.4f} dB (target: less than {MOST_DB} dB)")
    return int(worst >= MOST_DB)


def scores(separator: Separator, song: Track, seconds: float) -> np.ndarray:
    """SDR of every source over the beginning of a song: (sources,) in dB."""
    stop = min(song.samples, round(seconds * song.sample_rate))
    stems = separator.separate(song.read("mixture", 0, stop), song.sample_rate, name=song.name)
    estimates = np.stack([stems[source] for source in separator.sources])
    return ratios.sdr(read_sources(song, separator.sources, 0, stop), estimates)


if __name__ == "__main__":
    cli.run(main)
