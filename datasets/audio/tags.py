"""Tags and cover pictures: read from any file with FFmpeg, written with mutagen into what we write.

Texts go by FFmpeg's own names in small letters ("title", "album_artist", "track" as "3/12"). What
describes the very audio of the file that it was read from (loudness, length, encoder, cue sheets,
fingerprints) is left out, because it is not true of a stem.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import mutagen
from av.stream import Disposition
from mutagen import aiff, flac, id3, mp3, mp4, oggopus, oggvorbis, wave

from datasets.audio.containers import opened
from datasets.audio.wav import append_info

LARGEST_PICTURE = 20_000_000  # bytes of all pictures together
LARGEST_FLAC_PICTURE = 2**24 - 2**16  # bytes; a block of flac has a length of 24 bits
LARGEST_TEXT, MOST_TEXTS = 2**16, 256  # letters of a text, texts of a file
#: Names, and beginnings of names, of what is not true of a stem or belongs to the container.
NOT_KEPT = (
    "replaygain", "r128_", "mp3gain", "itun", "encod", "tsse", "tenc", "tlen", "length",
    "duration", "cuesheet", "cue_", "acoustid", "fingerprint", "id3v2_priv", "major_brand",
    "minor_version", "compatible_brands", "creation_time", "handler_name", "vendor_id",
    "waveformatextensible", "time_reference", "umid", "coding_history", "bandwidth", "bps",
    "number_of_", "_statistics", "loudness", "max_true_peak", "max_momentary", "max_short",
    "tool", "tsiz", "tdly", "mlle", "seek", "metadata_block_picture", "coverart", "variant_bitrate",
)  # fmt: skip
SAME = {
    "albumartist": "album_artist", "tracknumber": "track", "discnumber": "disc", "tbpm": "bpm",
    "tmpo": "bpm", "tsrc": "isrc", "tkey": "initialkey", "organization": "publisher",
    "label": "publisher", "year": "date", "description": "comment", "lyrics-eng": "lyrics",
    "lyrics-xxx": "lyrics", "unsyncedlyrics": "lyrics",
}  # fmt: skip
VORBIS = {"album_artist": "albumartist", "track": "tracknumber", "disc": "discnumber"}
ID3 = {
    "title": id3.TIT2, "artist": id3.TPE1, "album": id3.TALB, "album_artist": id3.TPE2,
    "composer": id3.TCOM, "genre": id3.TCON, "date": id3.TDRC, "track": id3.TRCK,
    "disc": id3.TPOS, "copyright": id3.TCOP, "publisher": id3.TPUB, "bpm": id3.TBPM,
    "isrc": id3.TSRC, "initialkey": id3.TKEY, "grouping": id3.TIT1, "performer": id3.TPE3,
    "language": id3.TLAN,
}  # fmt: skip
MP4 = {
    "title": "\xa9nam", "artist": "\xa9ART", "album": "\xa9alb", "album_artist": "aART",
    "composer": "\xa9wrt", "genre": "\xa9gen", "date": "\xa9day", "comment": "\xa9cmt",
    "copyright": "cprt", "grouping": "\xa9grp", "lyrics": "\xa9lyr",
}  # fmt: skip
MP4_NUMBERS = {"track": "trkn", "disc": "disk"}
NOT_UTF8 = "has tags that are not UTF-8: read as Western European text"


@dataclass(frozen=True)
class Tags:
    """What a file says of its song.

    Attributes:
      texts: {name: text}.
      pictures: encoded, such as JPEG; the first is the front cover.
      warnings: what could not be kept, one line each, without the file's name.
    """

    texts: dict[str, str]
    pictures: tuple[bytes, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.texts or self.pictures)

    def of_stem(self, source: str, song: str) -> "Tags":
        """The same with a title that names the source; `song` stands in for a missing title."""
        title = f"{self.texts.get('title') or song} ({source})"
        return replace(self, texts=self.texts | {"title": title})


def read_tags(path: str | os.PathLike) -> Tags:
    """Read what is kept of a file's tags; never an error: what cannot be read is a warning."""
    warnings: list[str] = []
    try:
        with opened(os.fspath(path), metadata_errors="surrogateescape") as container:
            found = dict(container.metadata)
            if "mov" not in container.format.name:  # there a track has no tags of the song
                for stream in container.streams.audio[:1]:
                    found = dict(stream.metadata) | found
            pictures = _pictures(container, warnings)
    except (ValueError, OSError, av.FFmpegError, LookupError) as error:
        reason = " ".join(str(error).split())[:100]
        return Tags({}, (), (f"has tags that cannot be read, stems go without ({reason})",))
    texts: dict[str, str] = {}
    for name, text in list(found.items())[:MOST_TEXTS]:
        name, text = _plain(str(name), warnings).lower().strip(), _plain(str(text), warnings)
        name = SAME.get(name, name)
        if not name or not text or name.startswith(NOT_KEPT):
            continue
        if len(text) > LARGEST_TEXT:
            warnings.append(f"has a tag of {len(text)} letters, stems go without it ({name[:40]})")
            continue
        texts[name] = text
    return Tags(texts, pictures, tuple(dict.fromkeys(warnings)))


def _plain(text: str, warnings: list[str]) -> str:
    """Text without zeros; bytes that are not UTF-8 are taken for Windows' Western European."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
        warnings.append(NOT_UTF8)
    return text.replace("\0", "").strip()


def _pictures(container, warnings: list[str]) -> tuple[bytes, ...]:
    """The attached pictures, front cover first as they stand, up to `LARGEST_PICTURE` together."""
    found, room = [], LARGEST_PICTURE
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            continue
        packet = next(container.demux(stream), None)
        data = bytes(packet) if packet is not None and packet.size else b""
        if len(data) > room:
            size = len(data) / 1e6
            warnings.append(f"has pictures of more than 20 MB, stems go without ({size:.0f} MB)")
        elif data:
            found.append(data)
            room -= len(data)
    return tuple(found)


def write_tags(path: Path, format: str, tags: Tags) -> list[str]:
    """Write tags into a file that is complete otherwise; its audio stays as it is.

    Args:
      path: the file. format: of OUTPUT_FORMATS, or "stem.mp4".

    Returns:
      Warnings, one line each, without the file's name.

    Raises:
      OSError: the disk is full.
      ValueError: the file was damaged by an attempt that failed.
    """
    before = os.path.getsize(path)
    warnings: list[str] = []
    try:
        WRITERS[format](path, tags, warnings)
    except OSError:
        raise
    except Exception as error:  # mutagen raises many kinds for what it cannot hold
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OSError):
            raise cause from None
        if os.path.getsize(path) != before:
            raise ValueError(f"{path}: damaged while its tags were written ({error})") from error
        warnings.append(f"has tags that {format} cannot hold ({' '.join(str(error).split())[:80]})")
    return warnings


def _write_vorbis(kind: Callable[[Path], mutagen.FileType]) -> Callable:
    def write(path: Path, tags: Tags, warnings: list[str]) -> None:
        file = kind(path)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.texts.items():
            name = VORBIS.get(name, name)
            if all(" " <= sign <= "}" and sign != "=" for sign in name):
                file.tags[name] = [text]
        for data in tags.pictures:
            if len(data) > LARGEST_FLAC_PICTURE:
                warnings.append("has a picture of more than 16 MB, too large for the format")
                continue
            picture = flac.Picture()
            picture.type, picture.mime, picture.data = 3, _mime(data), data
            if isinstance(file, flac.FLAC):
                file.add_picture(picture)
            else:
                text = base64.b64encode(picture.write()).decode("ascii")
                file.tags["metadata_block_picture"] = [
                    *file.tags.get("metadata_block_picture", ()), text
                ]  # fmt: skip
        file.save()

    return write


def _write_id3(kind: Callable[[Path], mutagen.FileType]) -> Callable:
    def write(path: Path, tags: Tags, warnings: list[str]) -> None:
        del warnings
        file = kind(path)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.texts.items():
            if name in ID3:
                file.tags.add(ID3[name](encoding=3, text=[text]))
            elif name == "comment":
                file.tags.add(id3.COMM(encoding=3, lang="XXX", desc="", text=[text]))
            elif name == "lyrics":
                file.tags.add(id3.USLT(encoding=3, lang="XXX", desc="", text=text))
            else:
                file.tags.add(id3.TXXX(encoding=3, desc=name, text=[text]))
        for place, data in enumerate(tags.pictures):
            kind_of = 3 if place == 0 else 0
            file.tags.add(
                id3.APIC(
                    encoding=3, mime=_mime(data), type=kind_of, desc=str(place or ""), data=data
                )
            )
        file.save()

    return write


def _write_wav(path: Path, tags: Tags, warnings: list[str]) -> None:
    if _is_rf64(path):
        warnings.append("has tags that wav files of more than 4 GB cannot hold")
        return
    append_info(path, tags.texts)
    _write_id3(wave.WAVE)(path, tags, warnings)


def _is_rf64(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) != b"RIFF"


def _write_mp4(path: Path, tags: Tags, warnings: list[str]) -> None:
    del warnings
    file = mp4.MP4(path)
    if file.tags is None:
        file.add_tags()
    for name, text in tags.texts.items():
        numbers = [int(part) for part in text.split("/") if part.strip().isdecimal()][:2]
        if name in MP4:
            file.tags[MP4[name]] = [text]
        elif name in MP4_NUMBERS and numbers and max(numbers) < 2**16:
            file.tags[MP4_NUMBERS[name]] = [(*numbers, 0)[:2]]
        elif name == "bpm" and text.isdecimal() and int(text) < 2**16:
            file.tags["tmpo"] = [int(text)]
        else:
            file.tags[f"----:com.apple.iTunes:{name.replace(':', ' ')}"] = [text.encode()]
    png, jpeg = mp4.MP4Cover.FORMAT_PNG, mp4.MP4Cover.FORMAT_JPEG
    covers = [(data, png if _mime(data) == "image/png" else jpeg) for data in tags.pictures]
    if covers:
        file.tags["covr"] = [mp4.MP4Cover(data, imageformat=kind) for data, kind in covers]
    file.save()


def _mime(data: bytes) -> str:
    """The kind of a picture by its first bytes."""
    for start, name in ((b"\x89PNG", "png"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"RIFF", "webp")):
        if data.startswith(start):
            return f"image/{name}"
    return "image/jpeg"


WRITERS: dict[str, Callable[[Path, Tags, list[str]], None]] = {
    "wav": _write_wav,
    "flac": _write_vorbis(flac.FLAC),
    "ogg": _write_vorbis(oggvorbis.OggVorbis),
    "opus": _write_vorbis(oggopus.OggOpus),
    "mp3": _write_id3(mp3.MP3),
    "aiff": _write_id3(aiff.AIFF),
    "m4a": _write_mp4,
    "alac": _write_mp4,
    "stem.mp4": _write_mp4,
}
