"""General MIDI songs, rendered by FluidSynth into four stems.

Every .mid and .midi file below a folder that has drums and other notes is a song: drums are
channel 10, bass the General MIDI basses, "vocals" a lead part if there is one, other the rest (see
`datasets.midi.stems`). Songs are rendered when they are read; `python -m datasets prepare midi`
does that once. Which split a song belongs to follows from its notes alone.
"""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.cli import one_line
from common.digests import facts_digest
from common.files import read_limited
from datasets.kits.opening import open_kit
from datasets.midi import fluidsynth, notes
from datasets.midi.file import LARGEST, read
from datasets.midi.stems import STEMS, lead_channel, stem_of
from datasets.midi.track import MidiFile, MidiTrack, Rendering, length
from datasets.song_files.opening import assign, root_folder
from datasets.track import SPLITS, Track

SUFFIXES = (".mid", ".midi")
FEWEST = 16  # notes of drums, and notes of other instruments, that make a song
LONGEST = 900.0  # seconds; four stems in memory: about 1 MB per second at 32 kHz
LEVELS = (-60.0, 0.0)  # dBFS
KIT_BALANCE = (-9.0, 3.0)  # dB; kits are recorded at any level


@dataclass(frozen=True)
class MidiOptions:
    """How songs are rendered.

    Attributes:
      soundfont: "FluidR3_GM", "TimGM6mb", the path of a .sf2 file, or several: then each song draws
        one by `seed` and its name.
      sample_rate: at which songs are rendered, in Hz, 8000 to 96000. FluidSynth does not filter
        what lies above half the rate, it folds back: rendered at 16000, drums are up to 2 dB off
        in parts of their spectrum, at 32000 and resampled by `prepare` 0.4 dB (one song measured).
      lead: whether a lead part is a stem of its own, "vocals".
      seconds: songs that last longer are cut there, 1 to 900.
      level: loudness of each mixture in dBFS, see `datasets.midi.track.normalise`.
      balance: lowest and highest loudness of the drums relative to the rest in dB, such as
        (-9, 3); None keeps what the song has.
      kits: folders or files of drum kits (see `datasets.kits.opening`); each song draws one, which
        plays its drums in place of the sound font. `balance` is (-9, 3) then, unless it is given.
      seed: of the draws of sound fonts and kits, 0 or more.
    """

    soundfont: str | os.PathLike | Sequence[str | os.PathLike] = "FluidR3_GM"
    sample_rate: int = 32000
    lead: bool = True
    seconds: float = LONGEST
    level: float = -18.0
    balance: tuple[float, float] | None = None
    kits: Sequence[str | os.PathLike] = ()
    seed: int = 0

    def checked(self) -> "MidiOptions":
        """Return these options with `balance` as floats; ValueError for one out of its range."""
        check(self.sample_rate, self.level)
        if not 1.0 <= self.seconds <= LONGEST:
            raise ValueError(f"seconds={self.seconds}: expected 1 to {LONGEST:.0f}")
        if self.seed < 0 and self.kits:
            raise ValueError(f"seed={self.seed}: expected 0 or more")
        if self.balance is None and not self.kits:
            return self
        balance = tuple(map(float, self.balance or KIT_BALANCE))
        if len(balance) != 2 or not -60.0 <= balance[0] <= balance[1] <= 60.0:
            raise ValueError(f"balance={balance}: expected lowest and highest, −60 to 60 dB")
        kits = [self.kits] if isinstance(self.kits, str | os.PathLike) else list(self.kits)
        return replace(self, balance=balance, kits=kits)


DEFAULTS = MidiOptions()


def load(
    root: str | os.PathLike | None,
    *,
    songs: Sequence[str] | None = None,
    valid: float | Sequence[str] = 0.1,
    test: float | Sequence[str] = 0.1,
    options: MidiOptions = DEFAULTS,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the songs below a folder; they are rendered when they are first read.

    Args:
      root: the folder.
      songs: names of the songs to keep (paths within the folder, without extension).
      valid, test: the share of the songs in these splits, or the names of the songs. A share is
        drawn by the notes of each song, whatever other files there are.
      options: see `MidiOptions`; each field is an option of the dataset.
      broken: None, or a list that gathers what is wrong with files that cannot be read.

    Returns:
      Stereo tracks sorted by split and name, each with a `composition` (see `MidiTrack`). Files
      without drums, with hardly a note, or with the same music as another one are left out; a
      warning says how many.

    Raises:
      OSError, ValueError: no such folder, no songs in it, a file that cannot be read, an option out
        of its range, FluidSynth or a sound font that is not installed.
    """
    root = root_folder(root)
    options = options.checked()
    fluidsynth.program()
    fonts = fluidsynth.fonts(options.soundfont)
    kits = [open_kit(kit) for kit in options.kits] or [None]
    shares = {"test": _share("test", test), "valid": _share("valid", valid)}
    if sum(shares.values()) > 1.0:
        raise ValueError(f"valid={valid}, test={test}: expected shares whose sum is at most 1")
    found = _songs(root, options, broken)
    kept, moved = assign(
        found,
        songs=songs,
        valid=() if isinstance(valid, int | float) else valid,
        test=() if isinstance(test, int | float) else test,
    )
    tracks = []
    for name, midi in found.items():
        if name not in kept:
            continue
        missing = [stem for stem in STEMS if stem not in midi.stems]
        font = draw(fonts, options.seed, name)
        tracks.append(
            MidiTrack(
                name,
                moved.get(name) or split_of(midi.composition, shares),
                midi,
                Rendering(
                    *(font, options.sample_rate, options.level, options.balance),
                    kit=draw(kits, options.seed, f"kit of {name}"),
                    seed=options.seed,
                ),
                warnings=(*(f"{stem} is missing: silence" for stem in missing), *midi.warnings),
            )
        )
    return sorted(tracks, key=lambda track: (SPLITS.index(track.split), track.name))


def _songs(root: Path, options: MidiOptions, broken: list[str] | None) -> dict[str, MidiFile]:
    """The songs below a folder by their names, each composition once."""
    files = midi_files(root)
    if not files:
        raise ValueError(f"{root}: no songs; expected .mid or .midi files in it or below it")
    found: dict[str, MidiFile] = {}
    compositions: set[str] = set()
    left_out: dict[str, list[str]] = {}
    for path in files:
        name = os.fspath(path.relative_to(root).with_suffix(""))
        try:
            data = read_limited(path, LARGEST)
            song = read(data)
        except (OSError, ValueError) as error:
            refuse(path, error, broken)
            continue
        played = notes.notes(song)
        counts = Counter(note.channel == notes.DRUMS for note in played)
        if counts[True] < FEWEST or counts[False] < FEWEST:
            what = "drum notes" if counts[True] < FEWEST else "notes of other instruments"
            left_out.setdefault(f"fewer than {FEWEST} {what}", []).append(name)
            continue
        composition = notes.composition(played)
        if composition in compositions:
            left_out.setdefault("the same music as another file", []).append(name)
            continue
        if name in found:
            raise ValueError(f"two songs are called {name!r}; rename one")
        compositions.add(composition)
        lead = lead_channel(song, played) if options.lead else None
        stop, cut = length(played, options.seconds)
        stems = {stem_of(note.channel, note.program, lead) for note in played if note.start < stop}
        found[name] = MidiFile(path, data, tuple(sorted(stems)), composition, stop, lead, cut)
    _warn_left_out(root, len(files), left_out)
    if not found:
        raise ValueError(f"{root}: none of its {len(files)} MIDI files is a song with drums")
    return found


def _warn_left_out(root: Path, files: int, left_out: dict[str, list[str]]) -> None:
    """Give one Python warning on the files that are no songs, by reasons."""
    if not left_out:
        return
    reasons = "; ".join(
        f"{len(names)} with {reason} ({names[0]}{', …' if len(names) > 1 else ''})"
        for reason, names in left_out.items()
    )
    count = sum(map(len, left_out.values()))
    text = one_line(ValueError(f"{root}: {count} of {files} files left out: {reasons}"))
    warnings.warn(text, stacklevel=5)


def midi_files(root: Path) -> list[Path]:
    """Return the MIDI files below a folder, hidden ones aside, sorted."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)
        and path.is_file()
    )


def refuse(path: Path, error: Exception, broken: list[str] | None) -> None:
    """Put what is wrong with a file into `broken`; ValueError where that is None."""
    line = one_line(error if isinstance(error, OSError) else ValueError(f"{path} {error}"))
    if broken is None:
        raise ValueError(line) from error
    broken.append(line)


def split_of(composition: str, shares: dict[str, float]) -> str:
    """Return the split of a composition: the same whatever other songs there are.

    Args:
      composition: its digest.
      shares: of the splits "test" and "valid"; the rest is "train".
    """
    place = _chance("split", composition)
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return "train"


def draw(choices: Sequence, seed: int, name: str) -> object:
    """Draw one of several, by seed and name."""
    return choices[int(_chance(seed, name) * len(choices))]


def check(sample_rate: int, level: float) -> None:
    """Raise ValueError for a sample rate or a level out of its range."""
    lowest, highest = fluidsynth.RATES
    if not lowest <= sample_rate <= highest:
        raise ValueError(f"sample_rate={sample_rate}: expected {lowest} to {highest} Hz")
    if not LEVELS[0] <= level <= LEVELS[1]:
        raise ValueError(f"level={level}: expected {LEVELS[0]:.0f} to {LEVELS[1]:.0f} dBFS")


def _share(name: str, value: float | Sequence[str]) -> float:
    if not isinstance(value, int | float):
        return 0.0
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}={value}: expected a share from 0 to 1, or names of songs")
    return float(value)


def _chance(*facts: object) -> float:
    """A number from 0 to below 1 that follows from some facts."""
    return int(facts_digest(*facts)[:12], 16) / 16**12
