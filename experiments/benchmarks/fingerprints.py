"""Whether fingerprints know songs again: shares of bits that differ, of copies and of other songs.

    python -m experiments.benchmarks.fingerprints PATH [PATH …] [--seconds 15]

PATH is a folder or a file of songs, or DATASET:PATH. Every song is compared with copies of itself
(through mp3 at 128 kbit/s, whole and as an excerpt at half its level, also at 48 kHz; as an excerpt
at 32 kHz, 10 dB quieter) and with every other one. Copies must stay below the limit at which
`python -m datasets intake` takes two songs for one, different songs above it.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common import cli
from datasets import audio
from datasets.intake.fingerprint import Known, fingerprint_of
from datasets.intake.known import songs_of
from datasets.intake.limits import Limits
from datasets.track import Track

BLOCK = 2**18  # samples


def main(argv: list[str]) -> int:
    """Print a line per kind of copy and the nearest songs; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.fingerprints",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="songs, or DATASET:PATH")
    parser.add_argument("--seconds", type=float, default=15.0, help="of an excerpt; default: 15")
    options = parser.parse_args(argv)
    tracks = [track for path in options.paths for track in songs_of(path)]
    limit, heard = Limits().same, []
    errors: dict[str, list[float]] = {}
    start = time.perf_counter()
    for track in tracks:
        heard.append(Known(fingerprint_of(track.blocks("mixture", BLOCK), track.sample_rate)))
    seconds = sum(track.duration for track in tracks)
    spent = time.perf_counter() - start
    print(
        f"{len(tracks)} songs, {seconds / 60:.1f} min: {1000 * spent / seconds:.1f} ms per second"
    )
    for track, known in zip(cli.progress(tracks, unit="song"), heard):
        for name, copy in copies(track, options.seconds):
            errors.setdefault(name, []).append(known.agreement(copy).errors)
    for name, found in errors.items():
        print(f"{name:28} {min(found):.3f} to {max(found):.3f}")
    start = time.perf_counter()
    pairs = sorted(
        (one.agreement(two).errors, a.name, b.name)
        for (a, one), (b, two) in itertools.combinations(zip(tracks, heard), 2)
    )
    spent = 1000 * (time.perf_counter() - start) / max(len(pairs), 1)
    print(f"{len(pairs)} pairs of songs, {spent:.1f} ms each; the nearest:")
    for found, one, two in pairs[:3]:
        print(f"{found:.3f} {one} and {two}")
    missed = sum(found >= limit for each in errors.values() for found in each)
    mistaken = sum(found < limit for found, *_ in pairs)
    print(f"at the limit {limit}: {missed} copies missed, {mistaken} pairs taken for one song")
    return 1 if missed or mistaken else 0


def copies(track: Track, seconds: float) -> Iterator[tuple[str, Known]]:
    """Copies of a song, by what was done to them; the excerpt is drawn by the song's name."""
    rate, count = track.sample_rate, int(seconds * track.sample_rate)
    whole = track.read()
    whole /= max(1.0, float(np.abs(whole).max()))
    rng = np.random.default_rng(list(track.name.encode()))
    place = int(rng.integers(max(1, len(whole) - count)))
    excerpt = whole[place : place + count]
    yield "mp3, whole", through_mp3(whole, rate)
    yield "mp3, excerpt at half level", through_mp3(0.5 * excerpt, rate)
    yield "mp3, excerpt at 48 kHz", through_mp3(audio.resample(0.5 * excerpt, rate, 48000), 48000)
    yield "32 kHz, excerpt 10 dB down", _known(audio.resample(0.316 * excerpt, rate, 32000), 32000)


def through_mp3(signal: np.ndarray, rate: int) -> Known:
    """The fingerprint of a signal after mp3 at 128 kbit/s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.mp3"
        with audio.Writer(path, rate, signal.shape[1], bitrate=128) as file:
            file.write(signal)
        return _known(*audio.read(path))


def _known(signal: np.ndarray, rate: int) -> Known:
    return Known(fingerprint_of([signal], rate))


if __name__ == "__main__":
    cli.run(main)
