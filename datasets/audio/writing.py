"""Audio files written block by block, whole or absent."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from common.files import atomic_path
from datasets.audio.aac import AacMuxer
from datasets.audio.wav import WavFile, quantise

FORMATS = ("wav", "flac", "mp3", "ogg", "m4a")
BITS = (16, 24, "32f")
BLOCK = 65536  # samples
CHUNK = 4096  # samples
MOST_CHANNELS = {"wav": 65535, "flac": 8, "mp3": 2, "ogg": 255, "m4a": 2}
RATES = {  # what the encoders accept, in Hz
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "m4a": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}


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
      format: "wav", "flac", "mp3", "ogg" or "m4a"; None: by the name.
      bits: 16, 24 or "32f" (wav alone); lossy formats ignore it.

    Attributes:
      samples: written so far.
      peak: largest magnitude so far. Beyond 1.0 whole-number formats clip.

    Raises:
      ValueError: a format, depth, rate or number of channels that the format cannot hold.
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
    ):
        self.path = os.fspath(path)
        format = (format or Path(self.path).suffix[1:]).lower()
        check_format(self.path, format, sample_rate, channels, bits)
        self.sample_rate = sample_rate
        self.channels = channels
        self.samples = 0
        self.peak = 0.0
        self._format = format
        self._stack = contextlib.ExitStack()
        temporary = self._stack.enter_context(atomic_path(self.path, f".{format}"))
        try:
            encoder = {"wav": WavFile, "m4a": _M4a}.get(format, _LibSndFile)
            with naming(self.path):
                self._encoder = encoder(temporary, sample_rate, channels, format, bits)
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
            if not self.samples and self._format not in ("wav", "ogg"):
                raise ValueError(f"{self.path}: {self._format} cannot hold a song of no samples")
            with naming(self.path):
                self._encoder.close()
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
    if bits not in BITS:
        raise ValueError(f"{path}: {bits!r} bits are none of 16, 24, 32f")
    if bits == "32f" and format == "flac":
        raise ValueError(f"{path}: flac holds 16 or 24 bits; choose those, or wav for 32f")
    if sample_rate not in RATES.get(format, (sample_rate,)):
        raise ValueError(f"{path}: {format} cannot hold {sample_rate} Hz; choose wav or flac")
    most = MOST_CHANNELS[format]
    if not 1 <= channels <= most:
        raise ValueError(f"{path}: {format} holds 1 to {most} channels, not {channels}")


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


class _LibSndFile:
    """flac, ogg (Vorbis, quality 8) and mp3 (320 kbit/s, with the header that hides its delay)."""

    def __init__(self, path: Path, sample_rate: int, channels: int, format: str, bits: int | str):
        options = {
            "flac": {"subtype": f"PCM_{bits}"},
            "ogg": {"subtype": "VORBIS", "compression_level": 0.2},
            "mp3": {
                "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.0
            },
        }[format]  # fmt: skip
        self.bits = bits if format == "flac" else None
        self.pending = np.zeros((0, channels), np.float32)
        self.file = soundfile.SoundFile(
            os.fsencode(path), "w", sample_rate, channels, format=format.upper(), **options
        )

    def write(self, audio: np.ndarray) -> None:
        """Pass on blocks of one size: libsndfile crashes on long Vorbis blocks, and what Vorbis
        makes of the same audio depends on how it is cut."""
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


class _M4a:
    def __init__(self, path: Path, sample_rate: int, channels: int, format: str, bits: int | str):
        self.muxer = AacMuxer(path, sample_rate, [channels])

    def write(self, audio: np.ndarray) -> None:
        self.muxer.write(0, audio)

    def close(self) -> None:
        self.muxer.close()
