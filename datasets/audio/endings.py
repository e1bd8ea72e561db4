"""Whether a file is cut short: what its header promises, or how its last frame or page ends.

Decoders play what is there. Headers of most containers say how many bytes there should be; formats
without such a header are made of frames or pages that say how long each one is.
"""

import os
from collections.abc import Callable

from datasets.audio.containers import opened

AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
LAYER_2_KBPS = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
LAYER_3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
SELF_FRAMED = ("aac", "ac3", "eac3", "mp3", "mpeg", "mpegts")  # by FFmpeg's names of formats
HEAD = 1 << 16  # bytes of a header that are looked at
UNKNOWN = 0xFFFF0000  # sizes from here on are left by programs that write to a pipe
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # the object with a file's facts
TS_PACKET = 188  # bytes


def cut_short(path: str | os.PathLike, kind: str = "") -> str:
    """What tells that a file goes on elsewhere: a warning; "" where nothing does.

    Args:
      kind: FFmpeg's name of the format; "" looks at the bytes alone.

    Raises:
      OSError: it cannot be read.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        head = file.read(HEAD)
        if head.startswith(b"OggS"):
            file.seek(max(0, size - HEAD))
            return "" if _ends_ogg(file.read(HEAD)) else "has no last page: truncated"
    for magic, promised in PROMISES:
        if head.startswith(magic):
            wanted = promised(head)
            if size < wanted:
                return f"holds {size} of the {wanted} bytes that its header says: truncated"
    if kind == "mpegts" and head[:1] == b"G" and size % TS_PACKET:
        return "ends within a packet: truncated"
    if kind in SELF_FRAMED:
        with opened(path) as container:
            stream, last = container.streams.audio[0], b""
            for packet in container.demux(stream):
                last = bytes(packet) if packet.size else last
            if 0 < len(last) < frame_bytes(stream.codec_context.name, last):
                return "ends within a frame: truncated"
    return ""


def frame_bytes(codec: str, head: bytes) -> int:
    """How many bytes a frame says that it has; 0 where it does not.

    Args:
      codec: by the decoder's name. head: the beginning of the frame.
    """
    if len(head) < 7:
        return 7
    if codec == "aac" and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ADTS
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if codec == "eac3" and head[:2] == b"\x0b\x77":
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    if codec == "ac3" and head[:2] == b"\x0b\x77":
        rate, place = head[4] >> 6, head[4] & 63
        if rate < 3 and place // 2 < len(AC3_KBPS):
            words = AC3_KBPS[place // 2] * 1536 * 1000 // ((48000, 44100, 32000)[rate] * 16)
            return 2 * (words + (place & 1 if rate == 1 else 0))
    if codec.startswith(("mp2", "mp3")) and head[0] == 0xFF and head[1] & 0xF8 == 0xF8:  # MPEG-1
        layer, place, rate = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
        table = {1: LAYER_3_KBPS, 2: LAYER_2_KBPS}.get(layer, ())
        if rate < 3 and 0 < place < len(table):
            return 144_000 * table[place] // (44100, 48000, 32000)[rate] + (head[2] >> 1 & 1)
    return 0


def _riff(head: bytes) -> int:
    size = int.from_bytes(head[4:8], "little")
    return size + 8 if size < UNKNOWN else 0


def _aiff(head: bytes) -> int:
    size = int.from_bytes(head[4:8], "big")
    return size + 8 if size < UNKNOWN else 0


def _wave64(head: bytes) -> int:
    return int.from_bytes(head[16:24], "little")


def _au(head: bytes) -> int:
    size = int.from_bytes(head[8:12], "big")
    return int.from_bytes(head[4:8], "big") + size if size < UNKNOWN else 0


def _caf(head: bytes) -> int:
    """Where the chunk of sound ends; chunks have a name of four letters and a size."""
    place = 8
    while place + 12 <= len(head):
        name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 12], "big")
        if name == b"data":
            return place + 12 + size if size < 1 << 62 else 0
        place += 12 + size
    return 0


def _matroska(head: bytes) -> int:
    """Where the segment ends: an EBML element with an id of four bytes and a size of 1 to 8."""
    place = head.find(b"\x18\x53\x80\x67")
    if place < 0 or place + 12 > len(head) or not head[place + 4]:
        return 0
    length = 9 - head[place + 4].bit_length()
    bits = int.from_bytes(head[place + 4 : place + 4 + length], "big") & (1 << 7 * length) - 1
    unknown = bits == (1 << 7 * length) - 1
    return 0 if unknown else place + 4 + length + bits


def _asf(head: bytes) -> int:
    place = head.find(ASF_FILE)
    return int.from_bytes(head[place + 40 : place + 48], "little") if place >= 0 else 0


#: (how a file begins, its beginning → how many bytes it should have; 0 where that is not said).
PROMISES: tuple[tuple[bytes, Callable[[bytes], int]], ...] = (
    (b"RIFF", _riff),
    (b"FORM", _aiff),
    (b"riff\x2e\x91\xcf\x11", _wave64),
    (b".snd", _au),
    (b"caff", _caf),
    (b"\x1a\x45\xdf\xa3", _matroska),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _asf),
)


def _ends_ogg(tail: bytes) -> bool:
    """Whether the last page is whole and says that it is the last one."""
    place = tail.rfind(b"OggS")
    if place < 0 or place + 27 > len(tail):
        return False
    segments = tail[place + 26]
    size = 27 + segments + sum(tail[place + 27 : place + 27 + segments])
    return bool(tail[place + 5] & 4) and place + size <= len(tail)
