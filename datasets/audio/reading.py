"""Audio files of any kind: probe, read whole or an excerpt, read in blocks, resample.

Audio is float32 (samples, channels), full scale ±1. libsndfile reads wav, flac, ogg, opus, aiff and
others; PyAV reads all else, and mp3 (libsndfile's excerpts and lengths of mp3 are not exact). What
counts as audio by its name is listed in `common.audio_files`.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from common.audio_files import AUDIO_EXTENSIONS, is_audio, require_file, resampled_length
from datasets.audio import pyav
from datasets.audio.endings import cut_short
from datasets.track import bounds

__all__ = ["EXTENSIONS", "Info", "blocks", "is_audio", "probe", "read", "resample"]

EXTENSIONS = AUDIO_EXTENSIONS
PYAV_FIRST = (".mp3", ".m4a", ".mp4", ".aac")
USUAL = 16  # samples of all channels per byte; a file of more is looked at before it is believed
OPUS_FRAMES = 50  # per second: its usual ones last 20 ms
OGG_PAGE = 65307  # bytes at most
UNKNOWN = 2**62  # samples; what libsndfile says of a stream whose header leaves its length open
RUN_UP = {"VORBIS": 16384, "OPUS": 96000}  # samples; others need none


@dataclass(frozen=True)
class Info:
    """Facts on an audio file that need no decoding.

    Attributes:
      path: the file.
      sample_rate: in Hz.
      channels: how many.
      samples: length per channel.
      format: "wav", "flac", "vorbis", "aac", … in small letters.
      warnings: what is wrong with the file, one line each, without its name.
    """

    path: str
    sample_rate: int
    channels: int
    samples: int
    format: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


def probe(path: str | os.PathLike) -> Info:
    """Describe an audio file; of a container with several tracks, the first.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it holds no audio that can be decoded.
    """
    path = os.fspath(path)
    if _by_pyav(path):
        stream = pyav.describe(path)[0]
        codec = stream.codec.removesuffix("float")
        facts = (stream.sample_rate, stream.channels, stream.samples, codec, stream.warnings)
        return Info(path, *facts)
    with _sound_file(path) as file:
        kind = file.subtype if file.format == "OGG" else file.format
        cut = re.search(r"data : (\d+) \(should be (\d+)\)", file.extra_info)
        warnings = ()
        if cut and 0 < int(cut[1]) < 0xFFFF0000:  # programs that write to a pipe leave a maximum
            warnings = (f"holds {cut[2]} of the {cut[1]} bytes that its header says: truncated",)
        elif file.format not in ("WAV", "WAVEX") and (said := cut_short(path)):
            warnings = (said,)
        return Info(path, file.samplerate, file.channels, file.frames, kind.lower(), warnings)


def is_counted(path: str | os.PathLike) -> bool:
    """Whether the positions of a file's samples are counted, not read from its time stamps."""
    path = os.fspath(path)
    return _by_pyav(path) and not all(stream.seekable for stream in pyav.describe(path))


def read(
    path: str | os.PathLike, start: int = 0, stop: int | None = None
) -> tuple[np.ndarray, int]:
    """Read a file or an excerpt of it: exactly that part of the whole, in any format.

    Args:
      path: an audio file; of a container with several tracks, the first is read.
      start: first sample, 0 ≤ start ≤ samples.
      stop: one past the last; None or a number beyond the end means the end.

    Returns:
      float32 (samples, channels), full scale ±1, and the sample rate in Hz.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is damaged or truncated, holds a number that is not finite, or no audio.
    """
    path = os.fspath(path)
    if _by_pyav(path):
        stream = pyav.describe(path)[0]
        start, stop = bounds(start, stop, stream.samples, path)
        audio, rate = pyav.read(path, [0], start, stop)[0], stream.sample_rate
    else:
        with _sound_file(path) as file:
            rate = file.samplerate
            start, stop = bounds(start, stop, file.frames, path)
            _go_to(file, path, start)
            audio = _read_frames(file, path, stop - start)
    check_finite(audio, path, start, rate)
    return audio, rate


def blocks(
    path: str | os.PathLike, block: int = 65536, start: int = 0, stop: int | None = None
) -> Iterator[np.ndarray]:
    """Read a file, or an excerpt of it, in constant memory.

    Args:
      path: as of `read`.
      block: samples.
      start, stop: as of `read`.

    Yields:
      float32 (block, channels); the last may be shorter. Together they equal `read(path, …)`.

    Raises:
      OSError, ValueError: as `read`, when the place is reached.
    """
    path = os.fspath(path)
    info = probe(path)
    start, stop = bounds(start, stop, info.samples, path)
    position = start
    for audio in _blocks(path, block, start, stop):
        check_finite(audio, path, position, info.sample_rate)
        position += len(audio)
        yield audio


def _blocks(path: str, block: int, start: int, stop: int) -> Iterator[np.ndarray]:
    if _by_pyav(path):
        yield from pyav.blocks(path, 0, block, start, stop)
        return
    with _sound_file(path) as file:
        _go_to(file, path, start, block)
        for place in range(start, stop, block):
            yield _read_frames(file, path, min(block, stop - place))


def _go_to(file: soundfile.SoundFile, path: str, start: int, block: int = 65536) -> None:
    """Let a file that was just opened stand at a sample, so that it gives what lies there exactly.

    What a decoder needs before that place is read and dropped.
    """
    first = max(0, start - RUN_UP.get(file.subtype, 0))
    if file.subtype == "VORBIS":
        first = min(first, _last_exact_place(path, file.frames) if first else 0)
    if first:  # one seek in a fresh decoder: libsndfile's second one may go astray
        file.seek(first)
    for place in range(first, start, block):
        _read_frames(file, path, min(block, start - place))


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Change the sample rate with soxr (high quality).

    Args:
      audio: (samples, channels) or (samples,).
      from_rate, to_rate: in Hz.

    Returns:
      float32 of exactly ceil(samples · to_rate / from_rate) samples.
    """
    audio = np.asarray(audio, np.float32)
    if from_rate == to_rate:
        return audio
    wanted = resampled_length(len(audio), from_rate, to_rate)
    if not len(audio):
        return np.zeros((wanted, *audio.shape[1:]), np.float32)
    return fit_length(soxr.resample(audio, from_rate, to_rate, quality="HQ"), wanted)


def fit_length(audio: np.ndarray, samples: int) -> np.ndarray:
    """Cut (samples, …) or fill it up with zeros at the end."""
    if len(audio) >= samples:
        return audio[:samples]
    rest = np.zeros((samples - len(audio), *audio.shape[1:]), audio.dtype)
    return np.concatenate([audio, rest])


def check_finite(audio: np.ndarray, path: str, start: int, rate: int) -> None:
    """Raise ValueError where a sample is NaN or infinite."""
    flat = audio.reshape(-1)
    with np.errstate(over="ignore"):
        sound = np.isfinite(np.dot(flat, flat))  # fast
    if not sound and not np.isfinite(audio).all():
        at = start + int(np.flatnonzero(~np.isfinite(audio).all(1))[0])
        raise ValueError(
            f"{path}: sample {at} ({at / rate:.3f} s) is not a finite number; "
            "export the file again or leave it out"
        )


def _last_exact_place(path: str, frames: int) -> int:
    """The last sample that libvorbis finds exactly: the end of the last page but one.

    In the last page it counts back from an end that may be cut. 0 where pages are not as expected.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * OGG_PAGE))
        tail = file.read()
    heads = (match.start() for match in re.finditer(rb"OggS\0", tail))
    ends = {int.from_bytes(tail[at + 6 : at + 14], "little", signed=True) for at in heads}
    *before, last = sorted(ends - {-1}) or [0]
    return max(0, before[-1] - 1) if before and last == frames else 0


def _read_frames(file: soundfile.SoundFile, path: str, frames: int) -> np.ndarray:
    """Read exactly `frames` from where the file stands."""
    at, rate = file.tell(), file.samplerate
    try:
        audio = file.read(frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = str(error).split(":")[-1].strip(" .")
        raise ValueError(f"{path}: damaged or truncated ({reason}); fetch the file again") from None
    missing = frames - len(audio)
    if missing and file.subtype == "OPUS" and missing * OPUS_FRAMES <= rate:
        return np.pad(audio, ((0, missing), (0, 0)))  # the header rounds up to a frame
    if missing:
        raise ValueError(
            f"{path}: ends after {(at + len(audio)) / rate:.2f} s, its header says "
            f"{file.frames / rate:.2f} s: truncated; fetch the file again"
        )
    return audio


def _by_pyav(path: str) -> bool:
    status = os.stat(path)
    return _needs_pyav(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _needs_pyav(path: str, size: int, changed: int) -> bool:
    """Whether a file is for PyAV: by its name, or because libsndfile does not know it."""
    require_file(path)
    with open(path, "rb"):
        pass  # raises the error that says why: absent, not permitted
    if not size:
        raise ValueError(f"{path}: is empty (0 bytes); fetch the file again")
    if path.lower().endswith(PYAV_FIRST):
        return True
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            mp3 = "MPEG" in (file.format, *file.subtype.split("_")) or file.format == "MP3"
            if mp3 or file.frames >= UNKNOWN:  # of mp3 in wav, too, the length is a guess
                return True
            _check_last_sample(file, path, size)
    except soundfile.LibsndfileError:
        return True
    return False


def _check_last_sample(file: soundfile.SoundFile, path: str, size: int) -> None:
    """Raise ValueError where a header promises far more than a file holds, before it is believed.

    Long silence may be as small as that; then its last sample can be read.
    """
    if file.frames * file.channels <= USUAL * size:
        return
    try:
        file.seek(file.frames - 1)
        there = len(file.read(1)) == 1
    except soundfile.LibsndfileError:
        there = False
    if not there:
        raise ValueError(
            f"{path}: its header says {file.frames} samples ({file.frames / file.samplerate:.0f} "
            f"s), which its {size} bytes do not hold: damaged or truncated; fetch the file again"
        )


@contextlib.contextmanager
def _sound_file(path: str) -> Iterator[soundfile.SoundFile]:
    with soundfile.SoundFile(os.fsencode(path)) as file:
        yield file
