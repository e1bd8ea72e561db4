"""Which files are audio, where they lie, what can be written, how long audio is at other rates."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Every extension of audio files that is looked for, read and scored; of several files of one name
#: the first in this order is read: without loss, then lossy, then containers of many kinds.
AUDIO_EXTENSIONS = (
    ".wav", ".wave", ".flac", ".aiff", ".aif", ".aifc", ".w64", ".rf64", ".bwf", ".caf", ".au",
    ".snd", ".wv", ".tta", ".ape", ".tak",
    ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2", ".mpga", ".m4a", ".m4b", ".m4r", ".aac",
    ".ac3", ".eac3", ".ec3", ".dts", ".wma", ".amr", ".mpc",
    ".mka", ".weba", ".webm", ".mkv", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".asf", ".wmv",
    ".flv", ".avi", ".ogv", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".nut",
)  # fmt: skip
#: Folders that systems make for themselves; what lies in them is not the user's.
SYSTEM_FOLDERS = (
    "__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",
    "@eadir", "#recycle",
)  # fmt: skip


@dataclass(frozen=True)
class OutputFormat:
    """What a format that is written holds.

    Attributes:
      extension: of its files, without the dot.
      channels: at most.
      bits: depths to choose from, the first is usual; () where there is loss.
      rates: in Hz; () is any.
      bitrates: lowest and highest kbit/s that any of its rates allows; () where none is chosen.
    """

    extension: str
    channels: int
    bits: tuple[int | str, ...] = ()
    rates: tuple[int, ...] = ()
    bitrates: tuple[int, ...] = ()


_MPEG = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
#: The formats that are written, by their names on the command line.
OUTPUT_FORMATS = {
    "wav": OutputFormat("wav", 65535, (16, 24, "32f")),
    "flac": OutputFormat("flac", 8, (16, 24)),
    "aiff": OutputFormat("aiff", 1024, (16, 24, "32f")),
    "alac": OutputFormat("m4a", 2, (16, 24)),
    "mp3": OutputFormat("mp3", 2, rates=_MPEG, bitrates=(8, 320)),
    "ogg": OutputFormat("ogg", 255, bitrates=(14, 2**16)),
    "opus": OutputFormat("opus", 2, rates=(48000,), bitrates=(12, 512)),
    "m4a": OutputFormat("m4a", 2, rates=(*_MPEG, 64000, 88200, 96000), bitrates=(16, 512)),
}
STEM_FORMAT = "stem.mp4"  # AAC tracks in one file; `bitrates` of m4a for each of them


def is_audio(path: str | os.PathLike) -> bool:
    """Whether a file is audio by its name (hidden files are not)."""
    name = os.path.basename(os.fspath(path))
    return name.lower().endswith(AUDIO_EXTENSIONS) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def some(names: Iterable[str], most: int = 3) -> str:
    """Return the first of some names, and how many more there are: "a, b, c and 4 more"."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def files_below(top: str | os.PathLike, skipped: Counter | None = None) -> Iterator[Path]:
    """List the files below a folder in a fixed order, each folder once.

    Hidden files, hidden folders and those of the system are left out. Linked folders are walked as
    well, after the others; a folder that was walked already is not walked again.

    Args:
      top: the folder.
      skipped: counts what is left out, by what it is called in messages.

    Raises:
      OSError: `top` cannot be read; a folder below that cannot be read is left out and counted.
    """
    skipped = Counter() if skipped is None else skipped
    with os.scandir(top):
        pass
    waiting, seen = [Path(top)], set()
    linked: list[Path] = []
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError:
            skipped["folders that cannot be read"] += 1
            continue
        if (status.st_dev, status.st_ino) in seen:
            skipped["links to folders that were searched already"] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        below = []
        for entry in entries:
            if entry.is_dir():
                if is_hidden(entry.name):
                    skipped["hidden or system folders"] += 1
                else:
                    (linked if entry.is_symlink() else below).append(Path(entry.path))
            elif is_hidden(entry.name):
                skipped["hidden audio files"] += entry.name.lower().endswith(AUDIO_EXTENSIONS)
            else:
                yield Path(entry.path)
        waiting += reversed(below)


def require_file(path: str | os.PathLike) -> None:
    """Raise unless a path leads to a plain file: opening a pipe would wait, a device never end.

    Raises:
      OSError: nothing is there, or a folder.
      ValueError: a pipe, a socket or a device.
    """
    path = os.fspath(path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
        kind = next((kind for test, kind in kinds if test(mode)), "a device")
        raise ValueError(f"{path}: is {kind}, expected a file; save what it gives and name that")


def resampled_length(samples: int, from_rate: int, to_rate: int) -> int:
    """Length after resampling: ceil(samples · to_rate / from_rate).

    Rounded up both ways, a round trip is never shorter than it began.

    Args:
      samples: length at `from_rate`.
      from_rate, to_rate: in Hz.
    """
    return -(-samples * to_rate // from_rate)
