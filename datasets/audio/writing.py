"""Audio files written block by block, whole or absent."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from common.audio_files import OUTPUT_FORMATS
from common.files import atomic_path
from datasets.audio import bit_rates
from datasets.audio.encoders import Muxer
from datasets.audio.tags import Tags, write_tags
from datasets.audio.wav import WavFile, quantise

FORMATS = tuple(OUTPUT_FORMATS)
BITS = (16, 24, "32f")
BLOCK = 65536  # samples
CHUNK = 4096  # samples
EMPTY = ("wav", "ogg", "aiff")  # formats that hold songs of no samples
AIFF_LIMIT = 2**31  # bytes of audio; its sizes are 32 bits, which some programs take for signed


class Writer:
    """An audio file that grows block by block in constant memory.

    with Writer("drums.wav", 44100, 2) as file:
        for block in blocks:
            file.write(block)

    The file appears under its name when the block ends well; after an error there is none (or the
    older one).

    Args:
      path: the file; missing folders are made.
      sample_rate: in Hz.
      channels: how many.
      format: of FORMATS; None: by the name, where m4a is AAC.
      bits: 16, 24 or "32f" (wav and aiff alone); lossy formats ignore it.
      bitrate: kbit/s of lossy formats; None takes a high one.
      tags: written into the file.

    Attributes:
      samples: written so far.
      peak: largest magnitude so far. Beyond 1.0 whole-number formats clip.
      warnings: once closed: what became of the tags, one line each, without the file's name.

    Raises:
      ValueError: a depth, rate, bit rate or number of channels that the format cannot hold.
      OSError: the disk is full, the folder cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        channels: int,
        *,
        format: str | None = None,
        bits: int | str = 16,
        bitrate: int | None = None,
        tags: Tags | None = None,
    ):
        self.path = os.fspath(path)
        format = (format or Path(self.path).suffix[1:]).lower()
        check_format(self.path, format, sample_rate, channels, bits)
        if bitrate is not None:
            bit_rates.check(self.path, format, sample_rate, channels, bitrate)
        self.sample_rate = sample_rate
        self.channels = channels
        self.samples = 0
        self.peak = 0.0
        self.warnings: list[str] = []
        self._format, self._tags = format, tags
        self._stack = contextlib.ExitStack()
        suffix = f".{OUTPUT_FORMATS[format].extension}"
        self._temporary = self._stack.enter_context(atomic_path(self.path, suffix))
        try:
            with naming(self.path):
                self._encoder = _encoder(
                    self._temporary, sample_rate, channels, format, bits, bitrate
                )
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def write(self, audio: np.ndarray) -> None:
        """Append (samples, channels)."""
        audio = np.asarray(audio, np.float32)
        if audio.ndim != 2 or audio.shape[1] != self.channels:
            raise ValueError(
                f"{self.path}: got audio of shape {audio.shape}, "
                f"expected (samples, {self.channels})"
            )
        if not len(audio):
            return
        peak = float(np.abs(audio).max())
        if not np.isfinite(peak):  # LAME would end the whole process
            raise ValueError(f"{self.path}: the audio to write is not finite")
        self.peak = max(self.peak, peak)
        with naming(self.path):
            self._encoder.write(audio)
        self.samples += len(audio)

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            if not self.samples and self._format not in EMPTY:
                raise ValueError(f"{self.path}: {self._format} cannot hold a song of no samples")
            with naming(self.path):
                self._encoder.close()
                if self._tags:
                    self.warnings += write_tags(self._temporary, self._format, self._tags)
        except BaseException as error:
            self.abort(error)
            raise
        self._stack.close()

    def abort(self, error: BaseException | None = None) -> None:
        """Give up: no file, or the older one, stays under the name."""
        with contextlib.suppress(Exception):
            self._encoder.close()
        error = error or _Aborted()
        with contextlib.suppress(type(error)):
            self._stack.__exit__(type(error), error, error.__traceback__)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            self.close()
        else:
            self.abort(error)


class _Aborted(Exception):
    pass


def write(
    path: str | os.PathLike,
    audio: np.ndarray,
    sample_rate: int,
    *,
    format: str | None = None,
    bits: int | str = 16,
) -> None:
    """Write a whole file; arguments and errors as of `Writer`, `audio` (samples, channels)."""
    audio = np.asarray(audio, np.float32)
    if audio.ndim == 1:
        audio = audio[:, None]
    with Writer(path, sample_rate, audio.shape[1], format=format, bits=bits) as file:
        for start in range(0, len(audio), BLOCK):
            file.write(audio[start : start + BLOCK])


def check_format(path: str, format: str, sample_rate: int, channels: int, bits: int | str) -> None:
    """Raise ValueError for what a format cannot hold, before anything is written."""
    if format not in FORMATS:
        raise ValueError(f"{path}: cannot write {format!r}, only {', '.join(FORMATS)}")
    facts = OUTPUT_FORMATS[format]
    if bits not in BITS:
        raise ValueError(f"{path}: {bits!r} bits are none of 16, 24, 32f")
    if facts.bits and bits not in facts.bits:
        raise ValueError(f"{path}: {format} holds 16 or 24 bits; choose those, or wav for 32f")
    if facts.rates and sample_rate not in facts.rates:
        raise ValueError(f"{path}: {format} cannot hold {sample_rate} Hz; choose wav or flac")
    if not 1 <= channels <= facts.channels:
        raise ValueError(f"{path}: {format} holds 1 to {facts.channels} channels, not {channels}")


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Turn what encoders raise when the disk is full into an OSError that names the file."""
    path = os.fspath(path)
    try:
        yield
    except soundfile.LibsndfileError as error:
        free = shutil.disk_usage(Path(path).parent).free
        number = errno.ENOSPC if free < 2**20 else errno.EIO
        text = os.strerror(number) if number == errno.ENOSPC else f"cannot be written ({error})"
        raise OSError(number, text, path) from None
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), path) from None


def _encoder(
    path: Path,
    sample_rate: int,
    channels: int,
    format: str,
    bits: int | str,
    bitrate: int | None,
):
    """What encodes a format: it has `write` and `close`."""
    if format == "wav":
        return WavFile(path, sample_rate, channels, format, bits)
    if format in ("m4a", "opus", "alac"):
        return _OneTrack(path, sample_rate, channels, format, bits, bitrate)
    return _LibSndFile(path, sample_rate, channels, format, bits, bitrate)


class _LibSndFile:
    """flac, aiff, ogg (Vorbis) and mp3 (constant rate, with the header that hides its delay).

    Without a bit rate, Vorbis has quality 8 and mp3 the most that there is at its sample rate.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        format: str,
        bits: int | str,
        bitrate: int | None,
    ):
        subtype = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(format, f"PCM_{bits}")
        options = {"subtype": "FLOAT" if subtype == "PCM_32f" else subtype}
        if format in ("ogg", "mp3"):
            options["compression_level"] = bit_rates.compression_level(
                format, sample_rate, channels, bitrate
            )
        if format == "mp3":
            options["bitrate_mode"] = "CONSTANT"
        self.bits = bits if format in ("flac", "aiff") else None
        self.room = AIFF_LIMIT if format == "aiff" else None
        self.width = channels * (2 if bits == 16 else 3 if bits == 24 else 4)
        self.pending = np.zeros((0, channels), np.float32)
        self.file = soundfile.SoundFile(
            os.fsencode(path), "w", sample_rate, channels, format=format.upper(), **options
        )

    def write(self, audio: np.ndarray) -> None:
        """Pass on blocks of one size: libsndfile crashes on long Vorbis blocks, and what Vorbis
        makes of the same audio depends on how it is cut."""
        if self.room is not None:
            self.room -= len(audio) * self.width
            if self.room < 0:
                raise OSError(errno.EFBIG, "aiff holds 2 GiB at most; choose wav or flac")
        audio = np.concatenate([self.pending, audio])
        for start in range(0, len(audio) - CHUNK + 1, CHUNK):
            self._write(audio[start : start + CHUNK])
        self.pending = audio[len(audio) - len(audio) % CHUNK :].copy()

    def _write(self, audio: np.ndarray) -> None:
        if self.bits == 16:
            audio = quantise(audio, 16).astype(np.int16)
        elif self.bits == 24:
            audio = quantise(audio, 24) << 8
        self.file.write(audio)

    def close(self) -> None:
        if self.file.closed:
            return
        with self.file:
            self._write(self.pending)


class _OneTrack:
    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        format: str,
        bits: int | str,
        bitrate: int | None,
    ):
        encoder = "alac24" if (format, bits) == ("alac", 24) else format
        self.muxer = Muxer(path, sample_rate, [channels], encoder, bit_rate=bitrate)

    def write(self, audio: np.ndarray) -> None:
        self.muxer.write(0, audio)

    def close(self) -> None:
        self.muxer.close()
