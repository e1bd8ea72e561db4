"""What song and which stem a file holds, by its name: ours, and those of other programs."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from os import stat_result
from pathlib import Path

import numpy as np

from evaluation.protocols import ACCOMPANIMENT

STANDARD = ("drums", "bass", "other", "vocals")
MIXTURE = "mixture"
#: What stands behind the name of the song in flat folders: of iKala's and of Bach10's scripts.
BEHIND = ("voice", "music", "bassoon", "clarinet", "saxophone", "saxphone", "violin")
#: What other programs call a target (SiSEC's scripts, Demucs, DeepConvSep, the original DSSGAN,
#: Ultimate Vocal Remover).
ALIASES = {"others": "other", "voice": "vocals", "saxphone": "saxophone", "mix": MIXTURE}
ALIASES |= dict.fromkeys(("acc", "music", "no_vocals", "instrumental"), ACCOMPANIMENT)
ALIASES |= {f"no_{stem}": ACCOMPANIMENT for stem in STANDARD}
ALIASES |= {f"no {stem}": ACCOMPANIMENT for stem in STANDARD}

FOLDER, DASH = "SONG/STEM", "SONG-STEM"
_TARGETS = "|".join(
    map(re.escape, sorted({*STANDARD, ACCOMPANIMENT, *BEHIND, *ALIASES}, key=lambda n: -len(n)))
)
#: How other programs name their files; the first rule that fits and leads to a known song counts.
RULES = {
    "SONG_(STEM)": re.compile(rf"(?P<song>.+)_\((?P<stem>{_TARGETS})\)(?:_.+)?", re.IGNORECASE),
    "SONG (STEM)": re.compile(rf"(?P<song>.+) \((?P<stem>{_TARGETS})\)", re.IGNORECASE),
    "SONG_STEM": re.compile(rf"(?P<song>.+)_(?P<stem>{_TARGETS})", re.IGNORECASE),
}


@dataclass(frozen=True)
class StemTrack:
    """One stem in a container, in the place of a file of its own.

    Attributes:
      path: the container. track: number of the stem's track. reader: (path, track) → audio, rate.
    """

    path: Path
    track: int
    reader: Callable[[Path, int], tuple[np.ndarray, int]]

    @property
    def name(self) -> str:
        return f"{self.path.name} track {self.track}"

    @property
    def parent(self) -> Path:
        return self.path.parent

    def stat(self) -> stat_result:
        return self.path.stat()

    def read(self) -> tuple[np.ndarray, int]:
        """Audio (samples, channels) and its rate in Hz."""
        return self.reader(self.path, self.track)


@dataclass(frozen=True)
class Containers:
    """How containers of stems are read; both functions can be pickled.

    Attributes:
      names: path → names of the stems, in tracks 1, 2, …; () where it does not say them.
      read: (path, track) → float32 (samples, channels) and the rate in Hz.
    """

    names: Callable[[Path], Sequence[str]]
    read: Callable[[Path, int], tuple[np.ndarray, int]]


def stem_name(file: str) -> str:
    """Return the stem that a file holds, by its name: "mixture_others.wav" → "other"."""
    name = Path(file).stem.lower()
    name = name.removeprefix("mixture_") or name
    return ALIASES.get(name, name)


def song_and_stem(file: Path, known: Collection[str] = ()) -> tuple[Path, str, str]:
    """Return what song a file belongs to, which stem it holds, and the rule that says so.

    SONG/drums.wav, SONG-voice.wav and SONG/SONG-violin.wav all belong to SONG. Names of other
    programs, such as 1_SONG_(Vocals)_MODEL.wav, count where SONG is known.

    Args:
      file: its path.
      known: names of songs. A song called "mixture" is the one that the folder is called after.
    """
    for rule, expression in RULES.items():
        match = expression.fullmatch(file.stem)
        if match is None or not known:
            continue
        song, stem = match["song"], stem_name(match["stem"])
        plain = re.sub(r"^\d+_", "", song)
        if file.parent.name in known and plain.lower() == MIXTURE and rule != "SONG_STEM":
            return file.parent, stem, rule
        for name in (song, plain):
            if name in known:
                place = file.parent if file.parent.name == name else file.parent / name
                return place, stem, rule
    song, _, stem = file.stem.rpartition("-")
    if not song or stem.lower() not in BEHIND:
        return file.parent, stem_name(file.name), FOLDER
    place = file.parent if file.parent.name == song else file.parent / song
    return place, stem_name(stem), DASH
