"""What libsndfile cannot decode (m4a, mkv, wma, …) or not sample by sample (mp3), through PyAV.

An excerpt must be the very samples that decoding the whole file gives, and they must be those that
the decoder gives, one after the other (`datasets.audio.positions`). Where time stamps are exact and
without gaps, in mp4 and mp3, decoding may start in the middle. But a decoder remembers: overlapping
windows, the bit reservoir of mp3, in AAC even the state of the random generator behind perceptual
noise substitution, which no run-up restores. So an excerpt is decoded twice in one decoder, with
run-ups of different lengths; what comes out the same does not depend on what came before.
Otherwise decoding starts at the beginning of the file (and stops with the excerpt).
"""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from datasets.audio.containers import opened
from datasets.audio.frames import frames, positions_from_start
from datasets.audio.streams import AudioStream, describe

RUN_UPS = (24, 33)  # frames; the bit reservoir of the slowest mp3 reaches back over 20

__all__ = ["AudioStream", "blocks", "describe", "read"]


def read(path: str | os.PathLike, tracks: Sequence[int], start: int, stop: int) -> np.ndarray:
    """Decode the same excerpt of one or more tracks in one pass.

    Args:
      path: any file that FFmpeg decodes.
      tracks: numbers of audio tracks, from 0; equal in rate and channels.
      start: first sample; stop: one past the last, within every track.

    Returns:
      float32 (tracks, samples, channels).

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is damaged, or shorter than its header says; the tracks differ.
    """
    path = os.fspath(path)
    described = describe(path)
    chosen = [described[track] for track in tracks]
    if len({(stream.sample_rate, stream.channels) for stream in chosen}) > 1:
        raise ValueError(f"{path}: its tracks differ in rate or channels; read them one by one")
    if stop <= start:
        return np.zeros((len(chosen), 0, chosen[0].channels), np.float32)
    frame = max(stream.frame for stream in chosen)
    if all(stream.seekable for stream in chosen) and start > 3 * max(RUN_UPS) * frame:
        with opened(path) as container:
            once, again = (
                _excerpt(container, path, tracks, start, stop, start - run_up * frame)
                for run_up in RUN_UPS
            )
        if once is not None and again is not None and np.array_equal(once, again):
            return once
    with opened(path) as container:
        return _excerpt(container, path, tracks, start, stop)


def blocks(
    path: str | os.PathLike, track: int, block: int, start: int = 0, stop: int | None = None
) -> Iterator[np.ndarray]:
    """Decode a track, or an excerpt of it, in constant memory, from the beginning of the file.

    Args:
      path, track: as of `read`.
      block: samples.
      start, stop: first sample, and one past the last (None: the end).

    Yields:
      float32 (block, channels); the last may be shorter.
    """
    path = os.fspath(path)
    stream = describe(path)[track]
    stop = stream.samples if stop is None else stop
    pending, filled, position = np.zeros((block, stream.channels), np.float32), 0, 0
    with opened(path) as container:
        positions = positions_from_start(container, [track], [stream])
        for _, at, audio in frames(container, path, [track], [stream], positions):
            if at > position:  # a hole in the file's time is silence
                audio = np.concatenate([np.zeros((at - position, stream.channels), "f4"), audio])
            audio = audio[: stop - position]
            skipped = min(len(audio), max(0, start - position))
            position += len(audio)
            audio = audio[skipped:]
            while len(audio):
                part = audio[: block - filled]
                pending[filled : filled + len(part)] = part
                filled, audio = filled + len(part), audio[len(part) :]
                if filled == block:
                    yield pending
                    pending, filled = np.zeros_like(pending), 0
            if position >= stop:
                break
    _check_end(path, stream, position, stop)
    missing = np.zeros((stop - max(position, start), stream.channels), np.float32)
    rest = np.concatenate([pending[:filled], missing])
    for at in range(0, len(rest), block):
        yield rest[at : at + block]


def _excerpt(
    container, path: str, tracks: Sequence[int], start: int, stop: int, seek: int | None = None
) -> np.ndarray | None:
    """Decode [start, stop) after moving to `seek`; None where moving there is not exact."""
    described = describe(path)
    chosen = [described[track] for track in tracks]
    if seek is None:
        positions = positions_from_start(container, tracks, chosen)
    else:
        positions = [None] * len(chosen)
        stream, wanted = container.streams.audio[tracks[0]], chosen[0]
        seconds = (seek + wanted.origin) / wanted.sample_rate
        container.seek(int(seconds / stream.time_base), stream=stream)
    audio = np.zeros((len(chosen), stop - start, chosen[0].channels), np.float32)
    reached = dict.fromkeys(range(len(tracks)), 0)
    waiting = set(reached)
    for which, position, frame in frames(container, path, tracks, chosen, positions):
        if seek is not None and not reached[which] and position > start - chosen[which].frame:
            return None
        reached[which] = position + len(frame)
        low, high = max(position, start), min(position + len(frame), stop)
        if low < high:
            audio[which, low - start : high - start] = frame[low - position : high - position]
        if reached[which] >= stop:
            waiting.discard(which)
            if not waiting:
                break
    for which, stream in enumerate(chosen):
        _check_end(path, stream, reached[which], stop)
    return audio


def _check_end(path: str, stream: AudioStream, reached: int, wanted: int) -> None:
    """Headers round lengths up to a millisecond or a frame; more missing is a truncated file."""
    if wanted - reached > stream.frame:
        raise ValueError(
            f"{path}: ends after {max(reached, 0) / stream.sample_rate:.2f} s, its header says "
            f"{stream.samples / stream.sample_rate:.2f} s: truncated; fetch the file again"
        )
