"""Tracks that FFmpeg encodes, block by block through PyAV: AAC and ALAC in mp4, Opus in Ogg."""

import os
from fractions import Fraction

import av
import numpy as np

from datasets.audio.wav import quantise

BIT_RATE = 128  # kbit/s and channel
LAYOUTS = {1: "mono", 2: "stereo"}
#: Format and depth → container, encoder, FFmpeg's format of samples, options of the encoder.
ENCODERS = {
    # Without perceptual noise substitution, so that excerpts decode to the same samples.
    "m4a": ("ipod", "aac", "fltp", {"aac_pns": "0"}),
    "opus": ("ogg", "libopus", "flt", {}),
    "alac": ("ipod", "alac", "s16p", {}),
    "alac24": ("ipod", "alac", "s32p", {}),
}


class Muxer:
    """One file with any number of tracks; memory does not grow with its length.

    Args:
      path: the file, overwritten; use a temporary one.
      sample_rate: in Hz.
      channels: of each track, 1 or 2.
      encoder: a key of ENCODERS.
      titles: of each track, or none.
      bit_rate: kbit/s of each track; None: `BIT_RATE` per channel. Lossless ones have none.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        channels: list[int],
        encoder: str = "m4a",
        titles: list[str] | None = None,
        bit_rate: int | None = None,
    ):
        container, codec, self._samples, options = ENCODERS[encoder]
        # A Python file, because PyAV takes no names that are not UTF-8; and the clock of the whole
        # file at the sample rate, because edit lists count in it: by default they cut to 1 ms.
        self._file = open(path, "wb")  # noqa: SIM115
        clock = {"movie_timescale": str(sample_rate)} if container == "ipod" else {}
        self._container = av.open(self._file, "w", format=container, options=clock)
        self._streams = []
        self._rate = sample_rate
        self._positions = [0] * len(channels)
        for place, count in enumerate(channels):
            stream = self._container.add_stream(
                codec, rate=sample_rate, layout=LAYOUTS[count], options=dict(options)
            )
            stream.format = self._samples
            if not self._samples.startswith("s"):
                stream.bit_rate = 1000 * (bit_rate or BIT_RATE * count)
            if titles:
                stream.metadata["handler_name"] = titles[place]
                stream.metadata["title"] = titles[place]
            self._streams.append(stream)

    def write(self, track: int, audio: np.ndarray) -> None:
        """Append float32 (samples, channels) to a track; keep the tracks about level."""
        stream = self._streams[track]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(self._arranged(audio)),
            format=self._samples,
            layout=stream.codec_context.layout.name,
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._positions[track]
        self._positions[track] += len(audio)
        self._container.mux(stream.encode(frame))

    def _arranged(self, audio: np.ndarray) -> np.ndarray:
        """Samples in the encoder's numbers and order."""
        if self._samples == "s16p":
            audio = quantise(audio, 16).astype(np.int16)
        elif self._samples == "s32p":
            audio = quantise(audio, 24) << 8
        return audio.T if self._samples.endswith("p") else audio.reshape(1, -1)

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
