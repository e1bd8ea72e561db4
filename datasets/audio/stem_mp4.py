"""Native Instruments stem files (`song.stem.mp4`): the mixture and its stems as tracks of one mp4.

Track 0 is the mixture, the others are stems. Their names stand as JSON in the box
`moov/udta/stem` (Stem File Specification, Native Instruments 2015); files without it (most of
MUSDB18) go by an agreed order. FFmpeg does not write that box, so it is put in afterwards.
"""

import contextlib
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from common.audio_files import OUTPUT_FORMATS, STEM_FORMAT
from common.files import atomic_path, check_name
from common.json_files import parse_json
from datasets.audio import bit_rates, pyav
from datasets.audio.encoders import LAYOUTS, Muxer
from datasets.audio.reading import check_finite, fit_length
from datasets.audio.tags import Tags, write_tags
from datasets.audio.writing import BLOCK, naming
from datasets.track import bounds

EXTENSION = ".stem.mp4"
COLORS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#0072B2", "#E69F00", "#999999")
MASTERING = {  # required by the specification; off
    "compressor": {
        "enabled": False, "input_gain": 0.0, "output_gain": 0.0, "threshold": 0.0,
        "dry_wet": 0, "attack": 0.003, "release": 0.3, "ratio": 10, "hp_cutoff": 20,
    },
    "limiter": {"enabled": False, "threshold": 0.0, "ceiling": 0.0, "release": 0.05},
}  # fmt: skip


def stem_names(path: str | os.PathLike) -> tuple[str, ...]:
    """Names of the stems by the file's own box, in the order of tracks 1, 2, …; () without one.

    Raises:
      OSError: the file cannot be opened.
      ValueError: the box cannot be understood.
    """
    with open(path, "rb") as file:
        box = _find(file, 0, os.fstat(file.fileno()).st_size, (b"moov", b"udta", b"stem"))
        if box is None:
            return ()
        start, size = box
        file.seek(start)
        data = file.read(size)
    try:
        stems = parse_json(data, path, kind={"stems": [{"name": str}]})["stems"]
        found = tuple(stem["name"] for stem in stems)
    except ValueError:
        raise ValueError(
            f"{os.fspath(path)}: the box moov/udta/stem is not the JSON it should be; "
            "write the file again or name its stems by hand"
        ) from None
    for name in found:
        check_name(name, f"{os.fspath(path)}: the stem's name")
    return found


def read_all(
    path: str | os.PathLike, start: int = 0, stop: int | None = None
) -> tuple[np.ndarray, int]:
    """Read all tracks, mixture first, in one pass.

    Args:
      path: a stem file.
      start: first sample; stop: one past the last, None for the end of the longest track.

    Returns:
      float32 (tracks, samples, channels), full scale ±1, and the sample rate in Hz. Shorter tracks
      are filled up with zeros.

    Raises:
      OSError: the file cannot be opened.
      ValueError: damaged, or its tracks differ in rate or channels.
    """
    path = os.fspath(path)
    streams = pyav.describe(path)
    longest = max(stream.samples for stream in streams)
    start, stop = bounds(start, stop, longest, path)
    if stop <= min(stream.samples for stream in streams):
        audio = pyav.read(path, range(len(streams)), start, stop)
    else:
        tracks = []
        for track, stream in enumerate(streams):
            end = max(start, min(stop, stream.samples))
            part = pyav.read(path, [track], min(start, end), end)[0]
            tracks.append(fit_length(part, stop - start))
        if len({part.shape[1] for part in tracks}) > 1:
            raise ValueError(f"{path}: its tracks differ in channels; read them one by one")
        audio = np.stack(tracks)
    check_finite(audio.reshape(-1, audio.shape[-1]), path, start, streams[0].sample_rate)
    return audio, streams[0].sample_rate


def read(
    path: str | os.PathLike, track: int = 0, start: int = 0, stop: int | None = None
) -> tuple[np.ndarray, int]:
    """Read one track (0 is the mixture) as float32 (samples, channels), and the sample rate."""
    path = os.fspath(path)
    streams = pyav.describe(path)
    if not 0 <= track < len(streams):
        raise ValueError(f"{path}: has tracks 0 to {len(streams) - 1}, no track {track}")
    stream = streams[track]
    start, stop = bounds(start, stop, stream.samples, path)
    audio = pyav.read(path, [track], start, stop)[0]
    check_finite(audio, path, start, stream.sample_rate)
    return audio, stream.sample_rate


def blocks(path: str | os.PathLike, track: int = 0, block: int = 65536) -> Iterator[np.ndarray]:
    """Read one track from beginning to end in constant memory: float32 (≤ block, channels)."""
    path = os.fspath(path)
    rate, position = pyav.describe(path)[track].sample_rate, 0
    for audio in pyav.blocks(path, track, block):
        check_finite(audio, path, position, rate)
        position += len(audio)
        yield audio


class StemWriter:
    """A `.stem.mp4` that grows block by block in constant memory; atomic.

    with StemWriter("song.stem.mp4", 44100, 2, ("drums", "bass", "other", "vocals")) as file:
        file.write({"mixture": …, "drums": …, "bass": …, "other": …, "vocals": …})

    Args:
      path: the file; missing folders are made.
      sample_rate: in Hz, one that AAC knows.
      channels: 1 or 2.
      stems: names, in order. Players of the format expect four.
      bitrate: kbit/s of each track; None takes a high one.
      tags: of the song, written into the file.

    Attributes:
      warnings: once closed: what became of the tags, one line each, without the file's name.

    Raises:
      ValueError: a rate or number of channels that AAC cannot hold, blocks that do not fit.
      OSError: the disk is full, the folder cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        channels: int,
        stems: Sequence[str],
        *,
        bitrate: int | None = None,
        tags: Tags | None = None,
    ):
        self.path = os.fspath(path)
        if sample_rate not in OUTPUT_FORMATS["m4a"].rates:
            raise ValueError(f"{self.path}: AAC cannot hold {sample_rate} Hz; resample to 44100")
        if channels not in LAYOUTS:
            raise ValueError(f"{self.path}: a stem file holds 1 or 2 channels, not {channels}")
        if not stems or "mixture" in stems or len(set(stems)) < len(stems):
            raise ValueError(f"{self.path}: stems must be different names beside the mixture")
        if bitrate is not None:
            bit_rates.check(self.path, "m4a", sample_rate, channels, bitrate)
        self.stems = tuple(stems)
        self.channels = channels
        self.samples = 0
        self.warnings: list[str] = []
        self._tags = tags
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_path(self.path, ".mp4"))
        try:
            titles = ["mixture", *self.stems]
            tracks = [channels] * len(titles)
            self._muxer = Muxer(self._temporary, sample_rate, tracks, "m4a", titles, bitrate)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def write(self, tracks: Mapping[str, np.ndarray]) -> None:
        """Append a block (samples, channels) of the mixture and of every stem, equally long."""
        names = ("mixture", *self.stems)
        if set(tracks) != set(names):
            raise ValueError(f"{self.path}: got {', '.join(tracks)}, expected {', '.join(names)}")
        blocks = [np.asarray(tracks[name], np.float32) for name in names]
        expected = (len(blocks[0]), self.channels)
        for name, audio in zip(names, blocks):
            if audio.shape != expected:
                raise ValueError(f"{self.path}: {name} is {audio.shape}, expected {expected}")
            if not np.isfinite(audio).all():
                raise ValueError(f"{self.path}: {name} is not finite")
        with naming(self.path):
            for start in range(0, expected[0], BLOCK):
                for place, audio in enumerate(blocks):
                    self._muxer.write(place, audio[start : start + BLOCK])
        self.samples += expected[0]

    def __enter__(self) -> "StemWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None:
            with contextlib.suppress(Exception):
                self._muxer.close()
            with contextlib.suppress(type(error)):
                self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if not self.samples:
                raise ValueError(f"{self.path}: a stem file cannot hold a song of no samples")
            with naming(self.path):
                self._muxer.close()
                _insert_stem_box(self._temporary, self.stems)
                if self._tags:
                    self.warnings += write_tags(self._temporary, STEM_FORMAT, self._tags)


def write(
    path: str | os.PathLike,
    mixture: np.ndarray,
    stems: Mapping[str, np.ndarray],
    sample_rate: int,
) -> None:
    """Write a whole stem file; audio is (samples, channels); errors as of `StemWriter`."""
    with StemWriter(path, sample_rate, mixture.shape[1], tuple(stems)) as file:
        file.write({"mixture": mixture, **stems})


def stem_box(stems: Sequence[str]) -> bytes:
    """The box `stem` with its JSON."""
    colours = [COLORS[place % len(COLORS)] for place in range(len(stems))]
    entries = [{"color": colour, "name": name} for name, colour in zip(stems, colours)]
    text = json.dumps({"mastering_dsp": MASTERING, "version": 1, "stems": entries})
    data = text.encode()
    return struct.pack(">I4s", 8 + len(data), b"stem") + data


def _insert_stem_box(path: Path, stems: Sequence[str]) -> None:
    """Put the box into moov/udta, where moov is the file's last box: no other offset moves."""
    with open(path, "r+b") as file:
        end = os.fstat(file.fileno()).st_size
        moov = _find(file, 0, end, (b"moov",))
        if moov is None or sum(moov) != end:
            raise ValueError(f"{path}: the box moov is not the last one")
        start, size = moov
        file.seek(start)
        body = file.read(size)
        box = stem_box(stems)
        udta = _find(file, start, end, (b"udta",))
        if udta is None:
            body += struct.pack(">I4s", 8 + len(box), b"udta") + box
        else:
            here = udta[0] - start
            grown = struct.pack(">I", 8 + udta[1] + len(box))
            body = body[: here - 8] + grown + body[here - 4 : here] + box + body[here:]
        file.seek(start - 8)
        file.write(struct.pack(">I", 8 + len(body)) + b"moov" + body)


def _find(file, start: int, end: int, names: Sequence[bytes]) -> tuple[int, int] | None:
    """Walk down nested boxes: (offset, size) of the content of the last of `names`, or None."""
    for at, head, size, name in _boxes(file, start, end):
        if name == names[0]:
            if len(names) == 1:
                return at + head, size - head
            return _find(file, at + head, at + size, names[1:])
    return None


def _boxes(file, at: int, end: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (offset, length of the head, size, name) of the boxes between two offsets."""
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return
        yield at, head, size, name
        at += size
