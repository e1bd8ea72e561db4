"""Files that are not as they should be: damaged bytes, JSON with wrong values, strange sound."""

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ODD = (None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x", "../../victim.wav")
ODD += ("/etc/passwd", [], {}, [[]], [None], {"a": None}, "\x00", "ä" * 5000, [1] * 5)
DEPTH = 100_000  # of brackets within brackets


def damaged(data: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """(what was done, bytes) of a file."""
    size = len(data)
    yield "empty", b""
    yield "one byte", data[:1]
    yield "head alone", data[:44]
    yield "text", b"this is no such file\n" * 20
    yield "zeros", bytes(size)
    yield "all ones", b"\xff" * size
    yield "garbage first", chance.randbytes(100) + data
    yield "garbage last", data + chance.randbytes(1000)
    yield "twice", data + data
    for share in (0.1, 0.5, 0.9):
        yield f"{share:.0%} of it", data[: int(share * size)]
    yield "without its end", data[:-3]
    for number in (1, 16, size // 20):
        found = bytearray(data)
        for _ in range(number):
            found[chance.randrange(size)] = chance.randrange(256)
        yield f"{number} bytes changed", bytes(found)
    for _ in range(3):
        found = bytearray(data)
        for place in range(min(64, size)):
            if chance.random() < 0.3:
                found[place] = chance.randrange(256)
        yield "head changed", bytes(found)
    start = chance.randrange(size)
    yield "a hole", data[:start] + data[start + size // 10 :]
    yield "a block of zeros", data[:start] + bytes(size // 10) + data[start + size // 10 :]


def odd_json(value: Any, chance: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """(what was done, bytes) of a JSON value, one thing changed in each, at any depth."""
    for _ in range(count):
        place, changed = _place(value, chance), copy.deepcopy(value)
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        name = ".".join(map(str, place))
        if chance.random() < 0.2:
            del holder[place[-1]]
            yield f"without {name}", json.dumps(changed).encode()
        else:
            holder[place[-1]] = odd = chance.choice(ODD)
            yield f"{name}={str(odd)[:20]!r}", json.dumps(changed).encode()
    yield "deep", b"[" * DEPTH
    yield "deep object", b'{"a":' * DEPTH
    for odd in (None, 3, "x", [], {}):
        yield f"{odd!r} in its place", json.dumps(odd).encode()
    yield "no UTF-8", b'{"\xff\xfe": 1}'
    yield "a large number", b'{"format": ' + b"9" * 10_000 + b"}"


def _place(value: Any, chance: random.Random) -> tuple:
    """Keys and indices that lead to a value within a value."""
    place: tuple = ()
    while isinstance(value, dict | list) and value and (not place or chance.random() < 0.7):
        key = (
            chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        )
        place, value = (*place, key), value[key]
    return place


def odd_sound(folder: Path, rng: np.random.Generator) -> None:
    """Write WAV files that are in order and yet not what a song is."""
    noise = rng.uniform(-0.5, 0.5, (8000, 2)).astype(np.float32)
    spoiled = noise.copy()
    spoiled[3000:3010] = np.nan
    sounds = {
        "nan": (spoiled, 8000, "FLOAT"),
        "infinite": (np.where(np.abs(noise) > 0.49, np.inf, noise), 8000, "FLOAT"),
        "silent": (np.zeros((8000, 2)), 8000, "PCM_16"),
        "one sample": (noise[:1], 8000, "PCM_16"),
        "no sample": (noise[:0], 8000, "PCM_16"),
        "96 kHz mono": (noise[:, :1], 96000, "PCM_24"),
        "1 Hz": (noise[:50], 1, "PCM_16"),
        "twelve channels": (np.tile(noise[:2000], 6), 8000, "PCM_16"),
        "clipped": (np.clip(20 * noise, -1, 1), 8000, "PCM_16"),
        "loud": (1e30 * noise, 8000, "FLOAT"),
        "tiny": (1e-30 * noise, 8000, "FLOAT"),
        "eight bits": (noise, 8000, "PCM_U8"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (audio, rate, subtype) in sounds.items():
        soundfile.write(folder / f"{name}.wav", audio, rate, subtype=subtype)


def strange_files(folder: Path, good: Path) -> None:
    """Put what is no regular file, or hardly has a name, in place of sound."""
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()
    (folder / "nowhere.wav").symlink_to("/nowhere/at/all.wav")
    (folder / "itself.wav").symlink_to("itself.wav")
    (folder / "zero.wav").symlink_to("/dev/zero")
    (folder / "null.wav").symlink_to("/dev/null")
    data = good.read_bytes()
    for name in (b"not \xff utf8.wav", b"new\nline.wav", b"\x1b[31mred.wav", b"-o.wav", b"~.wav"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(data)
    (folder / ("long" * 60 + ".wav")).write_bytes(data)
    (folder / "secret.wav").write_bytes(data)
    (folder / "playlist.wav").write_text("ffconcat version 1.0\nfile secret.wav\n")
    (folder / "stream.wav").write_text("#EXTM3U\n#EXTINF:1,\nsecret.wav\n")
