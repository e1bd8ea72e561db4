"""AAC tracks in an mp4 file, written block by block through PyAV."""

import os
from fractions import Fraction

import av
import numpy as np

BIT_RATE = 128_000  # bits per second and channel
LAYOUTS = {1: "mono", 2: "stereo"}


class AacMuxer:
    """One mp4 (m4a) file with any number of AAC tracks; memory does not grow with its length.

    Args:
      path: the file, overwritten; use a temporary one.
      sample_rate: in Hz.
      channels: of each track, 1 or 2.
      titles: of each track, or none.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        channels: list[int],
        titles: list[str] | None = None,
    ):
        # A Python file, because PyAV takes no names that are not UTF-8; and the clock of the whole
        # file at the sample rate, because edit lists count in it: by default they cut to 1 ms.
        self._file = open(path, "wb")  # noqa: SIM115
        options = {"movie_timescale": str(sample_rate)}
        self._container = av.open(self._file, "w", format="ipod", options=options)
        self._streams = []
        self._rate = sample_rate
        self._positions = [0] * len(channels)
        for place, count in enumerate(channels):
            # Without perceptual noise substitution, so that excerpts decode to the same samples.
            stream = self._container.add_stream(
                "aac", rate=sample_rate, layout=LAYOUTS[count], options={"aac_pns": "0"}
            )
            stream.bit_rate = BIT_RATE * count
            if titles:
                stream.metadata["handler_name"] = titles[place]
                stream.metadata["title"] = titles[place]
            self._streams.append(stream)

    def write(self, track: int, audio: np.ndarray) -> None:
        """Append float32 (samples, channels) to a track; keep the tracks about level."""
        stream = self._streams[track]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(audio.T), format="fltp", layout=stream.codec_context.layout.name
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._positions[track]
        self._positions[track] += len(audio)
        self._container.mux(stream.encode(frame))

    def close(self) -> None:
        """Flush the encoders and finish the file."""
        if self._file.closed:
            return
        with self._file:
            try:
                for position, stream in zip(self._positions, self._streams):
                    if not position:  # an encoder that saw nothing cannot be flushed
                        stream.codec_context.open(strict=False)
                    self._container.mux(stream.encode(None))
            finally:
                self._container.close()
