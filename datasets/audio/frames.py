"""The frames of audio tracks as FFmpeg decodes them, each at its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np

from datasets.audio.positions import Positions


@dataclass(frozen=True)
class AudioStream:
    """One audio track of a container.

    Attributes:
      sample_rate: in Hz.
      channels: how many.
      samples: length per channel without encoder delay and padding.
      origin: position of the first audible sample in the container's own time, in samples.
      frame: samples per decoded frame.
      seekable: whether packets carry exact positions, so that decoding may start at any of them.
      codec: name of the codec, such as "aac".
      title: the track's name in the file, or "".
      warnings: what is missing in the file, one line each, without its name.
    """

    sample_rate: int
    channels: int
    samples: int
    origin: int
    frame: int
    seekable: bool
    codec: str
    title: str
    warnings: tuple[str, ...] = ()


def positions_from_start(
    container, tracks: Sequence[int], streams: Sequence[AudioStream]
) -> list[Positions | None]:
    """Positions for `frames` where the container stands at its beginning."""
    bases = [container.streams.audio[track].time_base for track in tracks]
    return [Positions(base, stream.sample_rate) for base, stream in zip(bases, streams)]


def frames(
    container,
    path: str,
    tracks: Sequence[int],
    streams: Sequence[AudioStream],
    positions: list[Positions | None],
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Decode on from where the container stands.

    A broken packet is an error; after moving in the file only once a frame has come out, because
    the first packets may lack what they refer to.

    Args:
      container, path: as opened, and the file's name for messages.
      tracks: numbers of audio tracks.
      streams: what is known of each.
      positions: of each; None, and that of its first frame is read from its time stamp.

    Yields:
      (place in `tracks`, position of the first sample, float32 (samples, channels)).

    Raises:
      ValueError: damaged, or another rate or number of channels in the middle.
    """
    found = [container.streams.audio[track] for track in tracks]
    places = {stream.index: place for place, stream in enumerate(found)}
    lenient = None in positions
    for packet in container.demux(found):
        place = places[packet.stream.index]
        stream = streams[place]
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
            if not lenient:
                at = float((packet.pts or 0) * packet.time_base)
                raise ValueError(f"{path}: damaged at {at:.2f} s; fetch the file again") from None
            continue
        for frame in decoded:
            lenient = False
            audio = samples_of(frame)
            if (frame.sample_rate, audio.shape[1]) != (stream.sample_rate, stream.channels):
                raise ValueError(f"{path}: changes its rate or channels in the middle; convert it")
            if positions[place] is None:
                start = stamped(frame, *clock(found[place], stream.sample_rate)) - stream.origin
                positions[place] = Positions(found[place].time_base, stream.sample_rate, start)
            yield place, positions[place].place(frame), audio


def clock(stream, rate: int) -> tuple[int, int]:
    """Samples per tick of a stream as numerator and denominator."""
    return stream.time_base.numerator * rate, stream.time_base.denominator


def stamped(frame: av.AudioFrame, numerator: int, denominator: int) -> int:
    """Where a frame begins by its time stamp, in samples of its stream's time."""
    return ((frame.pts or 0) * numerator + denominator // 2) // denominator


def samples_of(frame: av.AudioFrame) -> np.ndarray:
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
