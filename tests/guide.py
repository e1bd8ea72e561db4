"""The commands of a document, and a folder in which they find what they speak of."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets import audio
from datasets.audio import stem_mp4
from tests.datasets.conftest import noise, track_bytes

ROOT = Path(__file__).parents[1]
RATE = 44100
STEMS = ("drums", "bass", "other", "vocals")
MUSDB = ("train/Leader", "train/Actions - One Minute Smile", "test/Follower")


class Command(NamedTuple):
    """A command as it stands in a document: variables in front of it, its words."""

    text: str
    environment: dict[str, str]
    words: list[str]


def blocks(text, language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text):
    """The blocks that are indented by four blanks, one after the other."""
    lines, found = text.split("\n"), [""]
    for before, line in zip(["", *lines], lines):
        if line.startswith("    ") and (not before.strip() or found[-1]):
            found[-1] += line[4:] + "\n"
        elif found[-1]:
            found.append("")
    return [block for block in found if block]


def commands(block):
    """The commands of a block; lines that end with a backslash go on."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        environment = {}
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if words:
            yield Command(" ".join(line.split()), environment, words)


def sandbox(folder):
    """A checkout in which the guide's commands run: recipes, and songs of a few seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("experiments", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text("")
    for place, song in enumerate(("First Song", "Second Song", "Third Song")):
        for stem, sound in song_of(10 * place).items():
            audio.write(folder / "mysongs" / song / f"{stem}.wav", sound, RATE)
    given = folder / "PATH" / "TO"
    for place, song in enumerate(MUSDB):
        stems = song_of(100 + 10 * place)
        path = given / "MUSDB18" / f"{song}.stem.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        stem_mp4.write(path, sum(stems.values()), stems, RATE)
    for place, name in enumerate(("MIXTURES", "DRUMS")):
        for number in range(2):
            sound = noise(2 * RATE, 2, 200 + 10 * place + number)
            audio.write(given / name / f"{number}.wav", sound, RATE)
    (given / "MIDI").mkdir()
    (given / "MIDI" / "song.mid").write_bytes(midi_song())
    audio.write(folder / "song.wav", noise(RATE, 2, 300), RATE)
    audio.write(folder / "album" / "one.wav", noise(RATE, 2, 301), RATE)


def song_of(seed):
    return {stem: noise(3 * RATE, 2, seed + place) for place, stem in enumerate(STEMS)}


def midi_song():
    """Four seconds of drums and piano."""

    def part(channel, keys, step):
        for number in range(768 // step):
            key = keys[number % len(keys)]
            yield number * step, bytes((0x90 | channel, key, 100))
            yield number * step + step // 2, bytes((0x80 | channel, key, 64))

    tracks = [list(part(9, (36, 42, 38, 42), 24)), list(part(0, (60, 64, 67), 24))]
    header = b"".join(number.to_bytes(2) for number in (1, len(tracks), 96))
    return b"MThd\x00\x00\x00\x06" + header + b"".join(map(track_bytes, tracks))


def tail(path, lines=12):
    """The last lines of a file, for the message of a failed test."""
    text = Path(path).read_text(errors="replace") if Path(path).exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def finite(folder):
    """Whether every sound below a folder is one."""
    return all(np.isfinite(audio.read(path)[0]).all() for path in Path(folder).rglob("*.wav"))
