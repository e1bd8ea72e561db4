"""Wav files of any length, and whole-number samples."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

RIFF_LIMIT = 2**32 - 1  # bytes; beyond it a wav file is an RF64 file (EBU Tech 3306)

#: Names of texts → their chunks in a list INFO.
INFO = {
    "title": b"INAM", "artist": b"IART", "album": b"IPRD", "comment": b"ICMT", "date": b"ICRD",
    "genre": b"IGNR", "copyright": b"ICOP", "track": b"ITRK",
}  # fmt: skip


def quantise(audio: np.ndarray, bits: int) -> np.ndarray:
    """Round to whole numbers, full scale 2^(bits-1), clipping beyond.

    The inverse of how decoders scale, so that reading and writing a file again changes no bit.

    Returns:
      int32 of the shape of `audio`.
    """
    scale = 2.0 ** (bits - 1)
    return np.clip(np.rint(audio.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)


class WavFile:
    """RIFF, or RF64 when it has grown too large: a chunk of junk keeps the place for its sizes."""

    def __init__(self, path: Path, sample_rate: int, channels: int, format: str, bits: int | str):
        self.bits = bits
        self.channels = channels
        self.rate = sample_rate
        self.bytes = 0
        self.file = open(path, "wb")  # noqa: SIM115
        self.file.write(self._header())

    def write(self, audio: np.ndarray) -> None:
        data = _encoded(audio, self.bits)
        self.file.write(data)
        self.bytes += len(data)

    def close(self) -> None:
        if self.file.closed:
            return
        with self.file:
            if self.bytes % 2:
                self.file.write(b"\0")
            self.file.seek(0)
            self.file.write(self._header())

    def _header(self) -> bytes:
        return _header(self.rate, self.channels, self.bits, self.bytes)


class WavPipe:
    """A wav file of known length that goes into a pipe: every block leaves at once.

    Args:
      file: opened for writing bytes; it is not closed.
      sample_rate: in Hz.
      channels: how many.
      samples: that will be written, exactly.
      bits: 16, 24 or "32f".
    """

    def __init__(self, file, sample_rate: int, channels: int, samples: int, bits: int | str):
        self.file, self.bits, self.left = file, bits, samples
        self.bytes = samples * channels * _width(bits)
        self._send(_header(sample_rate, channels, bits, self.bytes))

    def write(self, audio: np.ndarray) -> None:
        """Append (samples, channels); ValueError beyond the length that was announced."""
        self.left -= len(audio)
        if self.left < 0:
            raise ValueError(f"got {-self.left} samples more than the length of the wav file")
        self._send(_encoded(audio, self.bits))

    def close(self) -> None:
        """End the file; ValueError when it is shorter than was announced."""
        if self.left:
            raise ValueError(f"got {self.left} samples less than the length of the wav file")
        self._send(b"\0" * (self.bytes % 2))

    def _send(self, data: bytes) -> None:
        self.file.write(data)
        self.file.flush()


def _width(bits: int | str) -> int:
    """Bytes of a number."""
    return 4 if bits == "32f" else bits // 8


def _encoded(audio: np.ndarray, bits: int | str) -> bytes:
    if bits == "32f":
        return audio.astype("<f4").tobytes()
    if bits == 16:
        return quantise(audio, 16).astype("<i2").tobytes()
    wide = np.ascontiguousarray(quantise(audio, 24).astype("<i4"))
    return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _header(rate: int, channels: int, bits: int | str, data: int) -> bytes:
    """All before the samples, which take `data` bytes."""
    width = _width(bits)
    frame = channels * width
    kind = 3 if bits == "32f" else 1
    layout = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, width * 8)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout
    if kind == 3:
        count = min(data // frame, RIFF_LIMIT)
        chunks += b"fact" + struct.pack("<II", 4, count)
    size = 4 + 36 + len(chunks) + 8 + data + data % 2
    if size <= RIFF_LIMIT:
        start = b"RIFF" + struct.pack("<I", size) + b"WAVE"
        start += b"JUNK" + struct.pack("<I", 28) + bytes(28)
        return start + chunks + b"data" + struct.pack("<I", data)
    start = b"RF64" + b"\xff" * 4 + b"WAVE" + b"ds64"
    start += struct.pack("<IQQQI", 28, size, data, data // frame, 0)
    return start + chunks + b"data" + b"\xff" * 4


def append_info(path: Path, texts: Mapping[str, str]) -> None:
    """Append a chunk LIST INFO of texts in UTF-8 to a RIFF file, where it has room for it."""
    data = b"INFO"
    for name, text in texts.items():
        if name in INFO:
            value = text.encode() + b"\0"
            data += INFO[name] + struct.pack("<I", len(value)) + value + b"\0" * (len(value) % 2)
    chunk = b"LIST" + struct.pack("<I", len(data)) + data
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        if len(data) > 4 and end + len(chunk) - 8 <= RIFF_LIMIT:
            file.write(chunk)
            file.seek(4)
            file.write(struct.pack("<I", end + len(chunk) - 8))
