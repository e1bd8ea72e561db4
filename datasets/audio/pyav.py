"""What libsndfile cannot decode (m4a, mp4) or not sample by sample (mp3), through PyAV.

An excerpt of a lossy file must be the very samples that decoding the whole file gives. A decoder
remembers: overlapping windows, the bit reservoir of mp3, in AAC even the state of the random
generator behind perceptual noise substitution, which no run-up restores. So an excerpt is decoded
twice in one decoder, with run-ups of different lengths; what comes out the same does not depend on
what came before. Otherwise decoding starts at the beginning of the file (and stops with the
excerpt).
"""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np

RUN_UPS = (24, 33)  # frames; the bit reservoir of the slowest mp3 reaches back over 20


@dataclass(frozen=True)
class AudioStream:
    """One audio track of a container.

    Attributes:
      sample_rate: in Hz.
      channels: how many.
      samples: length per channel without encoder delay and padding.
      origin: position of the first audible sample in the container's own time, in samples.
      frame: samples per decoded frame.
      seekable: whether packets carry exact positions.
      codec: name of the codec, such as "aac".
      title: the track's name in the file, or "".
    """

    sample_rate: int
    channels: int
    samples: int
    origin: int
    frame: int
    seekable: bool
    codec: str
    title: str


def describe(path: str | os.PathLike) -> tuple[AudioStream, ...]:
    """Describe the audio tracks of a file without decoding more than their first frames.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it holds no audio that can be decoded.
    """
    status = os.stat(path)
    return _describe(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _describe(path: str, size: int, changed: int) -> tuple[AudioStream, ...]:
    with _opened(path) as container:  # a closed container's streams must not be touched
        streams = list(container.streams.audio)
        first: dict[int, av.AudioFrame] = {}
        if streams:
            for packet in container.demux(streams):
                for frame in packet.decode():
                    first.setdefault(packet.stream.index, frame)
                if len(first) == len(streams):
                    break
        if not streams or len(first) < len(streams):
            raise ValueError(f"{path}: not audio that can be decoded (no audio track in it)")
        kind = container.format.name
        return tuple(
            _describe_stream(path, kind, track, stream, first[stream.index])
            for track, stream in enumerate(streams)
        )


def _describe_stream(path: str, kind: str, track: int, stream, frame) -> AudioStream:
    rate = frame.sample_rate
    origin = _position(frame, *_clock(stream, rate))
    seekable = "mov" in kind or kind == "mp3"
    samples = round((stream.duration or 0) * stream.time_base * rate)
    if kind == "mp3" and origin == 0:  # no gapless header: the duration is a guess
        samples = _packet_samples(path)
    elif not seekable or samples <= 0:
        samples = _decoded_samples(path, track)
    return AudioStream(
        sample_rate=rate,
        channels=frame.layout.nb_channels,
        samples=samples,
        origin=origin,
        frame=stream.codec_context.frame_size or frame.samples,
        seekable=seekable,
        codec=stream.codec_context.name,
        title=stream.metadata.get("title") or stream.metadata.get("handler_name") or "",
    )


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
        with _opened(path) as container:
            once, again = (
                _excerpt(container, path, tracks, start, stop, start - run_up * frame)
                for run_up in RUN_UPS
            )
        if once is not None and again is not None and np.array_equal(once, again):
            return once
    with _opened(path) as container:
        return _excerpt(container, path, tracks, start, stop)


def blocks(path: str | os.PathLike, track: int, block: int) -> Iterator[np.ndarray]:
    """Decode a track from beginning to end in constant memory.

    Yields:
      float32 (block, channels); the last may be shorter.
    """
    path = os.fspath(path)
    stream = describe(path)[track]
    pending, filled, position = np.zeros((block, stream.channels), np.float32), 0, 0
    with _opened(path) as container:
        for _, at, audio in _frames(container, path, [track]):
            if at > position:  # a hole in the file's time is silence
                audio = np.concatenate([np.zeros((at - position, stream.channels), "f4"), audio])
            else:
                audio = audio[position - at :]
            audio = audio[: stream.samples - position]
            position += len(audio)
            while len(audio):
                part = audio[: block - filled]
                pending[filled : filled + len(part)] = part
                filled, audio = filled + len(part), audio[len(part) :]
                if filled == block:
                    yield pending
                    pending, filled = np.zeros_like(pending), 0
            if position >= stream.samples:
                break
    _check_end(path, stream, position, stream.samples)
    filled += stream.samples - position
    if filled:
        yield pending[:filled]


def _excerpt(
    container, path: str, tracks: Sequence[int], start: int, stop: int, seek: int | None = None
) -> np.ndarray | None:
    """Decode [start, stop) after moving to `seek`; None where moving there is not exact."""
    chosen = [describe(path)[track] for track in tracks]
    if seek is not None:
        stream, wanted = container.streams.audio[tracks[0]], chosen[0]
        seconds = (seek + wanted.origin) / wanted.sample_rate
        container.seek(int(seconds / stream.time_base), stream=stream)
    audio = np.zeros((len(chosen), stop - start, chosen[0].channels), np.float32)
    reached = dict.fromkeys(range(len(tracks)), 0)
    waiting = set(reached)
    lenient = seek is not None
    for which, position, frame in _frames(container, path, tracks, lenient):
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


def _frames(
    container, path: str, tracks: Sequence[int], lenient: bool = False
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Decode on from where the container stands.

    A broken packet is an error; with `lenient` only once a frame has come out, because the first
    packets after a seek may lack what they refer to.

    Yields:
      (place in `tracks`, position of the first sample, float32 (samples, channels)).
    """
    described = describe(path)
    streams = [container.streams.audio[track] for track in tracks]
    places = {stream.index: place for place, stream in enumerate(streams)}
    rates = [described[track].sample_rate for track in tracks]
    clocks = [_clock(stream, rate) for stream, rate in zip(streams, rates)]
    for packet in container.demux(streams):
        place = places[packet.stream.index]
        stream = described[tracks[place]]
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if not lenient:
                at = float((packet.pts or 0) * packet.time_base)
                raise ValueError(f"{path}: damaged at {at:.2f} s; fetch the file again") from None
            continue
        for frame in frames:
            lenient = False
            audio = _samples(frame)
            if (frame.sample_rate, audio.shape[1]) != (stream.sample_rate, stream.channels):
                raise ValueError(f"{path}: changes its rate or channels in the middle; convert it")
            yield place, _position(frame, *clocks[place]) - stream.origin, audio


def _clock(stream, rate: int) -> tuple[int, int]:
    """Samples per tick of a stream as numerator and denominator."""
    return stream.time_base.numerator * rate, stream.time_base.denominator


def _position(frame: av.AudioFrame, numerator: int, denominator: int) -> int:
    """Where a frame begins in its stream's time, in samples."""
    return ((frame.pts or 0) * numerator + denominator // 2) // denominator


def _samples(frame: av.AudioFrame) -> np.ndarray:
    """The samples of a decoded frame as float32 (samples, channels), full scale ±1."""
    if frame.format.name == "fltp":  # what mp3 and AAC give; several times faster this way
        audio = np.empty((frame.samples, frame.layout.nb_channels), np.float32)
        for channel, plane in enumerate(frame.planes):
            audio[:, channel] = np.frombuffer(plane, np.float32, frame.samples)
        return audio
    audio = frame.to_ndarray()
    if frame.format.is_packed:
        audio = audio.reshape(-1, frame.layout.nb_channels)
    else:
        audio = audio.T
    if audio.dtype == np.uint8:
        return (audio.astype(np.float32) - 128) / 128
    if audio.dtype.kind == "i":
        return (audio / -float(np.iinfo(audio.dtype).min)).astype(np.float32)
    return audio.astype(np.float32, copy=False)


def _check_end(path: str, stream: AudioStream, reached: int, wanted: int) -> None:
    """Headers round lengths up to a millisecond or a frame; more missing is a truncated file."""
    if wanted - reached > stream.frame:
        raise ValueError(
            f"{path}: ends after {max(reached, 0) / stream.sample_rate:.2f} s, its header says "
            f"{stream.samples / stream.sample_rate:.2f} s: truncated; fetch the file again"
        )


def _packet_samples(path: str) -> int:
    """Length of an mp3 by its packets: reads the file, decodes nothing."""
    with _opened(path) as container:
        stream = container.streams.audio[0]
        ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        return round(ticks * stream.time_base * stream.sample_rate)


def _decoded_samples(path: str, track: int) -> int:
    with _opened(path) as container:
        return sum(frame.samples for frame in container.decode(audio=track))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[av.container.InputContainer]:
    """Open with errors in one line; names that are not UTF-8 go through a Python file."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))  # says plainly why it cannot be opened
        try:
            os.fspath(path).encode()
            file = path
        except UnicodeEncodeError:
            pass
        try:
            yield stack.enter_context(av.open(file, metadata_errors="replace"))
        except av.FFmpegError as error:
            raise ValueError(
                f"{path}: not audio that can be decoded ({error.strerror or error}); "
                "is it complete, and really what its name says?"
            ) from None
