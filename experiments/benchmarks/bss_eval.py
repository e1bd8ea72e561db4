"""python -m experiments.benchmarks.bss_eval: BSS Eval v4 here beside museval, on one song.

Four stereo stems at 44.1 kHz with estimates that leak into each other. Prints seconds, the ratio,
and the largest difference of any score. `--lossy` takes everything above 16 kHz out of the stems,
as codecs do: rounding then decides, and the slower arithmetic of museval is repeated.
"""

import argparse
import importlib
import sys
import time
import types
from collections.abc import Callable

import numpy as np
import scipy.signal

from common import shell
from evaluation.bss_eval import METRICS, bss_eval

RATE = 44100
SOURCES, CHANNELS = 4, 2


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.bss_eval")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the song; default: 30")
    parser.add_argument("--lossy", action="store_true", help="nothing above 16 kHz")
    parser.add_argument("--without-museval", action="store_true", help="only what is ours")
    options = parser.parse_args(argv)
    if not options.seconds >= 1:
        raise shell.Misuse(f"--seconds {options.seconds}: expected at least 1")
    references, estimates = song(options.seconds, options.lossy)
    print(f"{options.seconds:g} s, {SOURCES} stereo stems, frames of 1 s, v4")
    ours, seconds = timed(lambda: bss_eval(references, estimates, window=RATE, hop=RATE))
    print(f"  here       {seconds:8.2f} s")
    _, alone = timed(
        lambda: bss_eval(references, estimates, window=RATE, hop=RATE, metrics=["SDR"])
    )
    print(f"  SDR alone  {alone:8.2f} s")
    if options.lossy:
        _, own = timed(
            lambda: bss_eval(references, estimates, window=RATE, hop=RATE, same_rounding=False)
        )
        print(f"  as 16 bits {own:8.2f} s (what the protocol musdb18 does)")
    if options.without_museval:
        return 0
    museval = reference_program()
    theirs, slow = timed(
        lambda: museval.bss_eval(
            references.astype(float), estimates.astype(float), window=RATE, hop=RATE
        )
    )
    print(f"  museval    {slow:8.2f} s")
    worst = [float(np.nanmax(np.abs(a - b))) for a, b in zip(ours[:4], theirs[:4])]
    differences = ", ".join(f"{name} {value:.1e}" for name, value in zip(METRICS, worst))
    print(f"  {slow / seconds:.1f} times faster than museval (SDR alone: {slow / alone:.0f})")
    print(f"  largest difference in dB: {differences}")
    return 0


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
    shell.run(main)
