"""FluidSynth as a program of its own: sound fonts found, MIDI bytes rendered to audio.

The same bytes, font and rate give the same samples, bit for bit (measured with 2.3.1, as long as
`synth.dynamic-sample-loading` is off: with it, renderings differ from those without it).
"""

import functools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.audio_files import require_file
from common.digests import file_digest

FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/soundfonts")  # Debian's, and Fedora's and Arch's
PACKAGES = {"FluidR3_GM": "fluid-soundfont-gm", "TimGM6mb": "timgm6mb-soundfont"}
INSTALL = "apt-get install fluidsynth fluid-soundfont-gm timgm6mb-soundfont"
GAIN = 0.2  # FluidSynth's usual one; the samples are floating-point, so they are never clipped
# What a configuration file of the machine could change is set here or is the program's default.
SETTINGS = {
    "synth.cpu-cores": "1",
    "synth.dynamic-sample-loading": "0",
    "synth.lock-memory": "0",
    "synth.polyphony": "1024",
    "synth.reverb.active": "1",
    "synth.chorus.active": "1",
    "synth.midi-bank-select": "gs",
}
RATES = (8000, 96000)  # what FluidSynth renders, in Hz


class Font(NamedTuple):
    """A sound font.

    Attributes:
      path: its file.
      name: the file's name without its extension.
      bytes: its size.
      digest: SHA-256 of the file, in hexadecimal.
    """

    path: str
    name: str
    bytes: int
    digest: str


def program() -> str:
    """The path of FluidSynth; ValueError with the command that installs it."""
    found = shutil.which("fluidsynth")
    if found is None:
        raise ValueError(f"FluidSynth is not installed; {INSTALL}")
    return found


def fonts(names: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Font]:
    """Find sound fonts.

    Args:
      names: one or several: the name of a font in `FOLDERS` ("FluidR3_GM", "TimGM6mb") or the path
        of a .sf2 or .sf3 file.

    Raises:
      ValueError: a font that is not there, or a file that is no sound font.
      OSError: it cannot be read.
    """
    names = [names] if isinstance(names, str | os.PathLike) else list(names)
    if not names:
        raise ValueError("soundfont: names no sound font; expected one or more")
    return [_font(os.fspath(name)) for name in names]


def _font(name: str) -> Font:
    known = [Path(folder) / f"{name}.{end}" for folder in FOLDERS for end in ("sf2", "sf3")]
    for path in (Path(name).expanduser(), *known):
        if path.is_file():
            found = path.stat()
            return _identified(str(path.resolve()), found.st_size, found.st_mtime_ns)
    if name in PACKAGES:
        raise ValueError(
            f"the sound font {name} is not installed; apt-get install {PACKAGES[name]}"
        )
    raise ValueError(
        f"there is no sound font {name!r}; expected the path of a .sf2 file or a name in "
        f"{FOLDERS[0]}, such as {' or '.join(PACKAGES)}"
    )


@functools.lru_cache(maxsize=64)
def _identified(path: str, size: int, changed: int) -> Font:
    del changed  # part of the key: a font that was replaced is read again
    require_file(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"sfbk":
            raise ValueError(f"{path}: is no sound font (.sf2 or .sf3)")
        promised = 8 + int.from_bytes(head[4:8], "little")
        if promised > size:
            raise ValueError(
                f"{path}: promises {promised} bytes and has {size}: get the whole sound font"
            )
    return Font(path, Path(path).stem, size, file_digest(path))


def render(midi: bytes, font: str, sample_rate: int, samples: int) -> np.ndarray:
    """Render a MIDI file.

    Args:
      midi: its bytes.
      font: path of a sound font.
      sample_rate: in Hz, 8000 to 96000.
      samples: how many; the song must last that long.

    Returns:
      float32 (samples, 2), not normalised: songs lie at −50 to −20 dBFS.

    Raises:
      ValueError: FluidSynth is not installed.
      OSError: it ended before the song did.
    """
    command = [program(), "-ni", "-q", "-f", os.devnull, "-r", str(sample_rate), "-g", str(GAIN)]
    command += ["-T", "raw", "-O", "float", "-E", "little", "-F", "-"]
    for key, value in SETTINGS.items():
        command += ["-o", f"{key}={value}"]
    wanted = samples * 2 * 4
    with tempfile.TemporaryDirectory(prefix="dssgan-midi-") as folder:
        path = Path(folder) / "stem.mid"
        path.write_bytes(midi)
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [*command, font, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            # Far longer than any machine takes; a program that hangs must not hang the training.
            limit = threading.Timer(120 + 10 * samples / sample_rate, process.kill)
            limit.daemon = True
            limit.start()
            try:
                audio = process.stdout.read(wanted)
                if len(audio) == wanted:  # what it renders beyond the end is not wanted
                    process.kill()
                code = process.wait()
            except BaseException:
                process.kill()
                raise
            finally:
                limit.cancel()
            if len(audio) < wanted:
                errors.seek(0)
                raise OSError(_reason(code, errors.read(), len(audio) / wanted))
    return np.frombuffer(audio, "<f4").astype(np.float32).reshape(samples, 2)


def _reason(code: int, errors: bytes, share: float) -> str:
    """Why a rendering is not whole, in one line."""
    lines = errors.decode("utf-8", "backslashreplace").strip().splitlines()
    if code < 0:
        why = f"was ended by signal {-code}, perhaps for lack of memory; run the command again"
    else:
        why = f"ended with code {code}: {lines[-1] if lines else 'it said nothing'}"
    return f"FluidSynth {why} ({share:.0%} of the song was rendered)"
