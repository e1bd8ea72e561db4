"""python -m experiments.benchmarks.bss_eval: BSS Eval here beside museval and fast_bss_eval.

A song of four stereo stems at 44.1 kHz with estimates that leak into each other, in frames of 1 s.
Prints seconds, ratios, the largest difference of any score, and the memory that scoring takes.
`--lossy` takes everything above 16 kHz out of the stems, as codecs do: rounding then decides, and
the slower arithmetic of museval is repeated. fast_bss_eval (pip install fast_bss_eval) knows mono
"v3-sources" only, and is compared on that, with its exact solver.
"""

import argparse
import functools
import importlib
import sys
import time
import tracemalloc
import types
from collections.abc import Callable, Sequence

import numpy as np
import scipy.signal

from common import cli
from evaluation.metrics.bss_eval import METRICS, VERSIONS, bss_eval, bss_eval_all

RATE = 44100
SOURCES, CHANNELS = 4, 2
FRAMES = {"window": RATE, "hop": RATE}
MANY = 4


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.bss_eval")
    parser.add_argument("--seconds", type=float, default=180.0, help="of the song; default: 180")
    parser.add_argument("--versions", default="v4", metavar="A,B", help=", ".join(VERSIONS))
    parser.add_argument("--lossy", action="store_true", help="nothing above 16 kHz")
    parser.add_argument("--without-museval", action="store_true", help="only what is ours")
    parser.add_argument("--fast-bss-eval", action="store_true", help="mono v3-sources beside it")
    options = parser.parse_args(argv)
    if not options.seconds >= 1:
        raise cli.UsageError(f"--seconds {options.seconds}: expected at least 1")
    versions = cli.names(options.versions)
    if set(versions) - set(VERSIONS):
        raise cli.UsageError(
            f"--versions {options.versions}: expected some of {', '.join(VERSIONS)}"
        )
    references, estimates = song(options.seconds, options.lossy)
    print(f"{options.seconds:g} s, {SOURCES} stereo stems, frames of 1 s")
    for version in versions:
        beside_museval(references, estimates, version, options)
    if options.fast_bss_eval:
        beside_fast_bss_eval(references[:, :, :1], estimates[:, :, :1])
    return 0


def beside_museval(
    references: np.ndarray, estimates: np.ndarray, version: str, options: argparse.Namespace
) -> None:
    """One version of BSS Eval, all metrics and SDR alone."""
    score = functools.partial(bss_eval, references, estimates, version=version, **FRAMES)
    ours, seconds = timed(score)
    _, alone = timed(functools.partial(score, metrics=["SDR"]))
    sets = [estimates] * MANY
    _, many = timed(lambda: bss_eval_all(references, sets, version=version, **FRAMES))
    print(f"{version}\n  here          {seconds:8.2f} s")
    print(f"  SDR alone     {alone:8.2f} s")
    gain = MANY * seconds / many
    print(f"  {MANY} separators  {many:8.2f} s, {gain:.1f} times as fast as one by one")
    print(f"  memory        {peak(score) / 1e6:8.0f} MB")
    if options.lossy:
        _, own = timed(functools.partial(score, same_rounding=False))
        print(f"  as 16 bits    {own:8.2f} s (what the protocol musdb18 does)")
    if options.without_museval:
        return
    museval = reference_program()
    audio = references.astype(float), estimates.astype(float)
    kind = {"v4": (False, False), "v3-images": (True, False), "v3-sources": (True, True)}[version]
    theirs, slow = timed(lambda: museval.bss_eval(*audio, RATE, RATE, False, 512, *kind))
    print(f"  museval       {slow:8.2f} s")
    print(f"  {slow / seconds:.1f} times faster than museval (SDR alone: {slow / alone:.0f})")
    print(f"  largest difference in dB: {differences(ours[:4], theirs[:4])}")


def beside_fast_bss_eval(references: np.ndarray, estimates: np.ndarray) -> None:
    """The whole song as one frame, and frame by frame, in mono; seconds without warming up."""
    try:
        fast_bss_eval = importlib.import_module("fast_bss_eval")
    except ModuleNotFoundError as error:
        raise ValueError("fast_bss_eval is missing: pip install fast_bss_eval") from error
    starts = range(0, references.shape[1] - RATE + 1, RATE)
    for title, options, spans in (
        ("the song as one frame", {}, [slice(None)]),
        ("frames of 1 s", FRAMES, [slice(start, start + RATE) for start in starts]),
    ):
        # With the search for the order, which is all that it can do beside NumPy 2.
        options = {"version": "v3-sources", "compute_permutation": True} | options
        score = functools.partial(bss_eval, references, estimates, **options)
        ours, seconds = timed(score)

        def theirs(spans: Sequence[slice] = spans) -> np.ndarray:
            audio = (references[:, :, 0].astype(float), estimates[:, :, 0].astype(float))
            found = [
                fast_bss_eval.bss_eval_sources(*(each[:, span] for each in audio))[:3]
                for span in spans
            ]
            return np.array(found).transpose(1, 2, 0)

        expected, slow = timed(theirs)
        print(f"v3-sources, mono, {title}\n  here          {seconds:8.2f} s")
        print(f"  fast_bss_eval {slow:8.2f} s, {slow / seconds:.1f} times as long")
        found = (ours.sdr, ours.sir, ours.sar)
        print(f"  largest difference in dB: {differences(found, expected, ('SDR', 'SIR', 'SAR'))}")


def differences(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], names: Sequence[str] = METRICS
) -> str:
    """The largest difference of every metric that has values."""
    return ", ".join(
        f"{name} {np.nanmax(np.abs(mine - other)):.1e}"
        for name, mine, other in zip(names, ours, theirs)
        if not np.isnan(mine).all()
    )


def peak(function: Callable) -> int:
    """Bytes that a call takes at most, beside what was there before."""
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def song(seconds: float, lossy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Stems with spectra that fall like music's, in 16 bits; estimates with leakage and noise."""
    rng = np.random.default_rng(np.random.SeedSequence(7))
    samples = int(seconds * RATE)
    references = np.empty((SOURCES, samples, CHANNELS), np.float32)
    for index in range(SOURCES):
        noise = rng.standard_normal((samples, CHANNELS))
        loud = 0.2 + np.abs(np.sin(np.arange(samples)[:, None] * (index + 1) / RATE))
        audio = scipy.signal.lfilter([0.05], [1, -0.9 + 0.1 * index], noise * loud, axis=0)
        if lossy:
            low = scipy.signal.butter(20, 16000, fs=RATE, output="sos")
            references[index] = scipy.signal.sosfiltfilt(low, audio, axis=0)
        else:
            references[index] = np.round(audio * 32767) / 32767
    estimates = 0.8 * references + 0.1 * references.sum(axis=0)
    estimates += 0.003 * rng.standard_normal(references.shape)
    return references, estimates.astype(np.float32)


def reference_program() -> types.ModuleType:
    """museval's metrics; its musdb import needs an ffmpeg program, which scoring does not."""
    try:
        return importlib.import_module("museval.metrics")
    except RuntimeError:
        sys.modules["musdb"] = types.ModuleType("musdb")
        return importlib.import_module("museval.metrics")
    except ModuleNotFoundError as error:
        raise ValueError("museval is missing: pip install -r requirements-dev.txt") from error


def timed(function: Callable) -> tuple:
    """(result, seconds)."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    cli.run(main)
