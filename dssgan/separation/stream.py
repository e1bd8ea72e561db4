"""One separation from blocks in to blocks out: level, resampling, gains, consistency.

    blocks ─ check ─ tape ─ resample ─ ÷ level ─ separator ─ × level ─ estimates
    estimates ─ × gains ─ resample back ─ project onto the mixture ─ {source: block}

What needs the whole track (level, gains) waits for it on disk; see `dssgan.separation.buffers`.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from dssgan.separation.buffers import DiskBuffer, Fifo
from dssgan.separation.level_and_gains import Gains, Level, MonoLevel, as_gains, as_level
from dssgan.separation.resampling import resample_blocks

MOST_CHANNELS = 64


@dataclass
class Report:
    """What a separation found out.

    Attributes:
      samples, sample_rate, channels: of the input.
      level: standard deviation per channel at the model's rate, where the model wants it; for a
        mono level, of the channels' mean.
      gains: {source: gain per channel}, where the model leaves the scale open.
      residual_db: RMS of mixture - sum of estimates before the projection, in dBFS.
      remaining_db: the same after it (with `consistent`; else the same number).
      peaks: {source: largest magnitude}.
      distances: {separator: how unlike its training songs the input is}, where one was chosen.
    """

    samples: int = 0
    sample_rate: int = 0
    channels: int = 0
    level: np.ndarray | None = None
    gains: dict[str, np.ndarray] | None = None
    residual_db: float = -np.inf
    remaining_db: float = -np.inf
    peaks: dict[str, float] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)


def check_sample_rate(sample_rate: Any) -> None:
    """Raise a ValueError unless it is a whole number of Hz that audio can have."""
    if not 1000 <= sample_rate <= 1_536_000 or sample_rate != int(sample_rate):
        raise ValueError(
            f"sample rate {sample_rate}: expected a whole number of Hz, 1000 to 1536000"
        )


def check_audio(audio: Any, name: str) -> np.ndarray:
    """Audio as an array of (samples, channels).

    Raises:
      ValueError: a wrong type or shape; the message says which shape was expected.
    """
    audio = np.asarray(audio)
    if audio.ndim != 2:
        hint = ": a mono signal becomes audio[:, None]" if audio.ndim == 1 else ""
        raise ValueError(f"{name}: shape {audio.shape}, expected (samples, channels){hint}")
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"{name}: {audio.dtype} samples, expected floats with full scale ±1")
    if not 1 <= audio.shape[1] <= MOST_CHANNELS:
        raise ValueError(
            f"{name}: {audio.shape[1]} channels, expected 1 to {MOST_CHANNELS} "
            "(the shape is (samples, channels))"
        )
    return audio


def separated_stream(
    separator,
    blocks: Iterable[np.ndarray],
    rate: int,
    asked: tuple[str, ...],
    *,
    known: tuple[Any, Any],
    name: str,
    report: Report,
    progress: Callable[[float], object] | None,
) -> Iterator[dict[str, np.ndarray]]:
    """Do what `Separator.stream` promises; the arguments are its own.

    Args:
      known: level and gains of the track, None where they are not known.
    """
    level, gains = known
    report.__dict__.update(vars(Report()))  # one that served before starts anew
    channels, blocks = checked_song(blocks, rate, name, report)
    if not channels:
        return
    model, sources = separator.model, separator.sources
    wants_level = separator.wants_level and level is None
    wants_gains = model.scale_free and gains is None
    offset = 0.0  # the track's mean, where it is taken away
    given = level is not None and separator.wants_level
    level = as_level(level, channels) if given else np.ones(channels)
    gains = None if gains is None else as_gains(gains, sources, channels)

    with contextlib.ExitStack() as files:
        mixture = Fifo(channels)
        if wants_level or wants_gains:
            tape = files.enter_context(DiskBuffer(channels, folder=separator.temporary_folder))
            mixture = tape.reader()
            blocks = _copy(blocks, tape)
            if wants_level:
                level, offset = _measured(separator, blocks, rate, channels)
                blocks = tape.blocks()
        else:
            blocks = _copy(blocks, mixture)
        report.level = level if separator.wants_level else None

        pairs = _estimates(separator, blocks, rate, (level, offset), name, progress)
        if wants_gains:
            kept = files.enter_context(
                DiskBuffer(len(sources), channels, folder=separator.temporary_folder)
            )
            fit = Gains(len(sources), channels)
            for original, estimates in pairs:
                fit.add(original, estimates)
                kept.append(estimates)
            gains = fit.value()
            estimates = kept.blocks()
        else:
            estimates = (estimates for _, estimates in pairs)
        if gains is not None:
            report.gains = dict(zip(sources, gains))
            estimates = (block * gains.astype(np.float32) for block in estimates)
        yield from _restored(separator, estimates, mixture, rate, asked, report)


def checked_song(
    blocks: Iterable[np.ndarray], rate: int, name: str, report: Report | None = None
) -> tuple[int, Iterator[np.ndarray]]:
    """Channels, 0 of no block at all, and float32 blocks (samples, channels) of them.

    The first block is taken at once. What is not finite is reported by its position.
    """
    report = Report() if report is None else report
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        return 0, iter(())
    channels = check_audio(first, name).shape[1]
    report.sample_rate, report.channels = rate, channels
    return channels, _checked(chain([first], blocks), channels, rate, name, report)


def _checked(
    blocks: Iterable[np.ndarray], channels: int, rate: int, name: str, report: Report
) -> Iterator[np.ndarray]:
    for block in blocks:
        block = check_audio(block, name)
        if block.shape[1] != channels:
            raise ValueError(
                f"{name}: a block of {block.shape[1]} channels after blocks of {channels}"
            )
        block = block.astype(np.float32)
        finite = np.isfinite(block)
        if not finite.all():
            row, channel = np.argwhere(~finite)[0]
            place = report.samples + int(row)
            raise ValueError(
                f"{name}: {block[row, channel]} at {place / rate:.3f} s (sample {place}, channel "
                f"{channel + 1}): expected finite samples; repair or re-export the audio"
            )
        report.samples += len(block)
        if len(block):
            yield block


def _copy(blocks: Iterable[np.ndarray], store: Fifo | DiskBuffer) -> Iterator[np.ndarray]:
    for block in blocks:
        store.append(block)
        yield block


def _measured(
    separator, blocks: Iterable[np.ndarray], rate: int, channels: int
) -> tuple[np.ndarray, float]:
    """Level per channel of a track at the model's rate, and what is taken away from it."""
    meter = MonoLevel() if separator.mono_level else Level(channels)
    for block in resample_blocks(blocks, rate, separator.sample_rate, channels):
        meter.add(block)
    if separator.mono_level:
        return np.repeat(meter.value(), channels), meter.mean()
    return meter.value(), 0.0


def _estimates(
    separator,
    blocks: Iterable[np.ndarray],
    rate: int,
    measured: tuple[np.ndarray, float],
    name: str,
    progress: Callable[[float], object] | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of mixture (samples, channels) and estimates (samples, sources, channels).

    Both are at the model's rate and at the level of the input.
    """
    level, offset = measured[0].astype(np.float32), np.float32(measured[1])
    channels = len(level)
    original = Fifo(channels)
    resampled = _copy(resample_blocks(blocks, rate, separator.sample_rate, channels), original)
    if offset:
        resampled = (block - offset for block in resampled)
        scaled = (block / level for block in resampled)
        found = separator.estimates(scaled, channels, float(-offset / level[0]))
    else:
        found = separator.estimates((block / level for block in resampled), channels)
    done = 0
    for estimates in found:
        if not np.isfinite(estimates).all():
            raise ValueError(
                f"{name}: the separator's output is not finite near "
                f"{done / separator.sample_rate:.1f} s: its weights are damaged, or its precision "
                "is too low (try float32)"
            )
        done += len(estimates)
        estimates = estimates * level
        if offset:  # but where nothing was heard
            estimates = np.where(estimates == 0, np.float32(0), estimates + offset)
        yield original.pop(len(estimates)), estimates
        if progress is not None:
            progress(len(estimates) / separator.sample_rate)


def _restored(
    separator,
    estimates: Iterable[np.ndarray],
    mixture: Any,
    rate: int,
    asked: tuple[str, ...],
    report: Report,
) -> Iterator[dict[str, np.ndarray]]:
    """Back to the input's rate and length; the residual shared out; what was asked for."""
    sources = separator.sources
    shape = len(sources), report.channels
    ready = Fifo(*shape)
    flat = (block.reshape(len(block), -1) for block in estimates)
    energy_before = energy_after = 0.0
    count = 0
    for block in resample_blocks(flat, separator.sample_rate, rate, shape[0] * shape[1]):
        ready.append(block.reshape(len(block), *shape))
        length = min(len(ready), len(mixture))
        if not length:
            continue
        stems, original = ready.pop(length), mixture.pop(length)
        residual = original - stems.sum(axis=1)
        energy_before += float(np.square(residual, dtype=np.float64).sum())
        if separator.consistent:
            stems = stems + residual[:, None] / np.float32(len(sources))
            residual = original - stems.sum(axis=1)
        energy_after += float(np.square(residual, dtype=np.float64).sum())
        count += original.size
        report.residual_db = _decibel(energy_before / count)
        report.remaining_db = _decibel(energy_after / count)
        pieces = {source: stems[:, sources.index(source)] for source in asked}
        for source, piece in pieces.items():
            report.peaks[source] = max(report.peaks.get(source, 0.0), float(np.abs(piece).max()))
        yield pieces


def _decibel(power: float) -> float:
    return 10 * float(np.log10(power)) if power > 0 else -np.inf
