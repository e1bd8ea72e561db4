"""Bit rates in kbit/s: what each encoder takes, and how libsndfile is told."""

import functools
import io
import struct

import numpy as np
import soundfile

QUALITY = 0.8  # of Vorbis without a bit rate
#: Lowest sample rate → the bit rates of MPEG-1, MPEG-2 and MPEG-2.5 layer III.
MP3 = {
    32000: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    16000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    0: (8, 16, 24, 32, 40, 48, 56, 64),
}
OPUS = (6, 256)  # per channel
AAC_LOWEST, AAC_FRAME = 8, 6.144  # per channel; and at most so many bits per sample and channel


def check(path: str, format: str, sample_rate: int, channels: int, bitrate: int) -> None:
    """Check a bit rate against what the encoder takes at this sample rate.

    Raises:
      ValueError: a format without bit rates, or one out of its range, which is named.
    """
    where = f"{format} of {channels} channels at {sample_rate} Hz"
    if format == "mp3":
        known = _mp3_rates(sample_rate)
        if bitrate not in known:
            rates = ", ".join(map(str, known))
            raise ValueError(f"{path}: {bitrate} kbit/s; mp3 at {sample_rate} Hz has {rates}")
        return
    if format == "ogg":
        low, high = (_nominal(sample_rate, channels, quality) for quality in (0.0, 1.0))
        if low <= 0:
            raise ValueError(f"{path}: {where} has no bit rate to choose; leave --bitrate out")
    elif format == "opus":
        low, high = (each * channels for each in OPUS)
    elif format == "m4a":
        low, high = AAC_LOWEST * channels, AAC_FRAME * sample_rate * channels / 1000
        high = min(high, 256 * channels)
    else:
        raise ValueError(f"{path}: {format} has no bit rate; leave it out")
    if not low <= bitrate <= high:
        raise ValueError(
            f"{path}: {bitrate} kbit/s; {where} has {-(-low // 1):.0f} to {high // 1:.0f}"
        )


def compression_level(format: str, sample_rate: int, channels: int, bitrate: int | None) -> float:
    """Return libsndfile's compression level for mp3 or Vorbis; None: a high bit rate."""
    if format == "mp3":
        known = _mp3_rates(sample_rate)
        level = (known[-1] - (bitrate or known[-1])) / (known[-1] - known[0])
        return min(level, 0.999)  # 1.0 is refused
    if bitrate is None:
        return 1 - QUALITY
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        if _nominal(sample_rate, channels, middle) < bitrate:
            low = middle
        else:
            high = middle
    return 1 - high


def _mp3_rates(sample_rate: int) -> tuple[int, ...]:
    return next(rates for lowest, rates in MP3.items() if sample_rate >= lowest)


@functools.lru_cache(maxsize=256)
def _nominal(sample_rate: int, channels: int, quality: float) -> float:
    """The bit rate in the header of a Vorbis file of this quality; ≤ 0 where it has none."""
    memory = io.BytesIO()
    with soundfile.SoundFile(
        memory, "w", sample_rate, channels,
        format="OGG", subtype="VORBIS", compression_level=1 - quality,
    ) as file:  # fmt: skip
        file.write(np.zeros((0, channels), np.float32))
    data = memory.getvalue()
    return struct.unpack_from("<i", data, data.index(b"\x01vorbis") + 20)[0] / 1000
