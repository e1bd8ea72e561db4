"""What the audio tracks of a file are: rate, channels, and how long they exactly are."""

import functools
import os
from collections.abc import Sequence
from dataclasses import replace

import av
import numpy as np

from common.audio_files import require_file
from datasets.audio.containers import opened
from datasets.audio.endings import cut_short
from datasets.audio.frames import AudioStream, clock, frames, positions_from_start, stamped

MOST_MP3 = 48  # samples of a byte: the slowest mp3 has 24 bytes per frame of 1152
WITH_LENGTH = (
    "asf",
    "avi",
    "flv",
    "matroska,webm",
)  # containers whose header says how long they are


def describe(path: str | os.PathLike) -> tuple[AudioStream, ...]:
    """Describe the audio tracks of a file.

    Where neither header nor index says exactly how long a track is, it is decoded once; the result
    is kept while the file stays the same.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it holds no audio that can be decoded, or none of the length that it promises.
    """
    require_file(path)
    status = os.stat(path)
    return _describe(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _describe(path: str, size: int, changed: int) -> tuple[AudioStream, ...]:
    with opened(path) as container:  # a closed container's streams must not be touched
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
        found = [_describe_stream(path, kind, stream, first[stream.index]) for stream in streams]
        header_seconds = None
        if kind in WITH_LENGTH and not container.streams.video and container.duration:
            header_seconds = container.duration / av.time_base
    if kind == "mp3" and found[0].samples > MOST_MP3 * size:
        raise ValueError(
            f"{path}: its header says {found[0].samples} samples, too many for its {size} bytes: "
            "damaged or truncated; fetch the file again"
        )
    counted = [track for track, stream in enumerate(found) if not stream.seekable]
    for track, stream in zip(counted, _counted(path, found, counted, header_seconds)):
        found[track] = stream
    gapless = kind == "mp3" and found[0].origin  # its header says how long it is
    cut = cut_short(path, "" if gapless else kind)
    if cut:
        found = [
            stream if stream.warnings else replace(stream, warnings=(cut,)) for stream in found
        ]
    return tuple(found)


def _describe_stream(path: str, kind: str, stream, frame) -> AudioStream:
    """Facts by the header, the index and the first frame; 0 samples where none says how many."""
    rate = frame.sample_rate
    numerator, denominator = clock(stream, rate)
    origin = stamped(frame, numerator, denominator)
    length = stream.codec_context.frame_size or frame.samples
    samples = round((stream.duration or 0) * stream.time_base * rate)
    seekable = kind == "mp3"
    if "mov" in kind and denominator % numerator == 0:
        step, end = _regular_packets(stream, denominator // numerator)
        seekable = step > 0 and 0 < samples <= end - origin + step
        if seekable:  # headers round up, at most to what the packets hold
            length, samples = step, min(samples, end - origin)
    if kind == "mp3" and origin == 0:  # no gapless header: the duration is a guess
        samples = _packet_samples(path)
    return AudioStream(
        sample_rate=rate,
        channels=frame.layout.nb_channels,
        samples=samples if seekable or "mov" in kind else 0,
        origin=origin,
        frame=length,
        seekable=seekable,
        codec=stream.codec_context.name,
        title=stream.metadata.get("title") or stream.metadata.get("handler_name") or "",
    )


def _regular_packets(stream, ticks: int) -> tuple[int, int]:
    """Samples from packet to packet, and where the last one ends in the container's own time.

    0 and 0 where the index does not have all packets equally far apart.

    Args:
      ticks: of the time base per sample.
    """
    stamps = np.array([entry.timestamp for entry in stream.index_entries], np.int64)
    steps = np.unique(np.diff(stamps))
    if len(steps) != 1 or steps[0] <= 0 or steps[0] % ticks or stamps[0] % ticks:
        return 0, 0
    return int(steps[0]) // ticks, int(stamps[-1] + steps[0]) // ticks


def _counted(
    path: str, found: Sequence[AudioStream], tracks: Sequence[int], header_seconds: float | None
) -> list[AudioStream]:
    """Fill in the length of tracks by decoding them.

    Args:
      found: all tracks, with the length that the header says, or 0.
      tracks: the ones to decode.
      header_seconds: seconds that the container's header says, or None.
    """
    if not tracks:
        return []
    with opened(path) as container:
        streams = [found[track] for track in tracks]
        positions = positions_from_start(container, tracks, streams)
        for _ in frames(container, path, tracks, streams, positions):
            pass
        ticks = [float(container.streams.audio[track].time_base) for track in tracks]
    longest = max(place.next / found[track].sample_rate for track, place in zip(tracks, positions))
    described = []
    for track, place, tick in zip(tracks, positions, ticks):
        stream, samples = found[track], place.next
        rate = stream.sample_rate
        warnings = [hole.described(rate) for hole in place.holes]
        slack = 2 * stream.frame + round((2 * tick + 0.1) * rate)
        wanted = stream.samples
        if round(tick * rate) < samples - wanted <= 2 * stream.frame and wanted:
            samples = wanted  # the encoder's padding
        gapless = all(hole.filled for hole in place.holes)
        if not wanted and gapless and header_seconds and header_seconds - longest > slack / rate:
            wanted = round(header_seconds * rate)
        if wanted - samples > slack:
            end, header = samples / rate, wanted / rate
            warnings.append(f"ends at {end:.2f} s, its header says {header:.2f} s: truncated")
        described.append(replace(stream, samples=samples, warnings=tuple(warnings)))
    return described


def _packet_samples(path: str) -> int:
    """Length of an mp3 by its packets: reads the file, decodes nothing."""
    with opened(path) as container:
        stream = container.streams.audio[0]
        ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        return round(ticks * stream.time_base * stream.sample_rate)
