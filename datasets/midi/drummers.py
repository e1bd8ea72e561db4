"""Drummers of MIDI files on kits of recorded hits: performances with a stem per kind of drum.

The drum channel of every .mid and .midi file below a folder, or of the performances of the Groove
MIDI Dataset where its table is in the folder, is played on a kit (see `datasets.kits.opening`).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from common.digests import content_digest, facts_digest
from common.files import inside, read_limited
from datasets.kits.kit import Kit
from datasets.kits.opening import open_kit
from datasets.kits.pieces import STEMS
from datasets.kits.playing import Hit, Playing, hash_of, render
from datasets.midi import groove, notes
from datasets.midi.file import LARGEST, read
from datasets.midi.songs import LONGEST, check, draw, midi_files, refuse, split_of
from datasets.midi.track import FADE, TAIL, length, normalise
from datasets.render_cache import TrackCache
from datasets.song_files.opening import assign, root_folder
from datasets.track import NOT_AUDIO, SPLITS, AudioShape, Track

RECIPE = 1  # part of a track's fingerprint: raise it when songs come to sound different
SHARES = {"test": 0.1, "valid": 0.1}  # of files without splits of their own
#: Option → its lowest and highest value.
LIMITS = {"mix": (0, 1), "tuning": (0, 12), "levels": (0, 12), "timing": (0, 0.1)}


@dataclass(frozen=True)
class KitOptions:
    """How performances are played.

    Attributes:
      kits: folders or files of kits; each performance draws one.
      mapping: name of an instrument → piece, for all kits.
      pieces: a stem per kind of drum (kick, snare, toms, hats, cymbals, percussion), and drums as
        their sum; else one stem, drums.
      sample_rate, level: as of `datasets.midi.songs.MidiOptions`.
      mix: the share of stems that another kit plays, 0 to 1.
      tuning: each stem is tuned up or down by at most so many semitones.
      levels: standard deviation of the stems' levels, dB.
      timing: standard deviation of the hits' times, seconds.
      without: performances that are left out, by their names or by those of folders (drummers).
      shortest, seconds: performances of less music are left out, longer ones are cut, in seconds.
      seed: of all draws.
    """

    kits: Sequence[str | os.PathLike] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    pieces: bool = False
    sample_rate: int = 44100
    level: float = -18.0
    mix: float = 0.0
    tuning: float = 0.0
    levels: float = 0.0
    timing: float = 0.0
    without: Sequence[str] = ()
    shortest: float = 1.0
    seconds: float = LONGEST
    seed: int = 0

    def checked(self) -> "KitOptions":
        """Return these options with `kits` as a list; ValueError for one out of its range."""
        check(self.sample_rate, self.level)
        for name, (lowest, highest) in LIMITS.items():
            if not lowest <= getattr(self, name) <= highest:
                raise ValueError(f"{name}={getattr(self, name)}: expected {lowest} to {highest}")
        if not 1.0 <= self.seconds <= LONGEST:
            raise ValueError(f"seconds={self.seconds}: expected 1 to {LONGEST:.0f}")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: expected 0 or more")
        kits = [self.kits] if isinstance(self.kits, str | os.PathLike) else list(self.kits)
        if not kits:
            raise ValueError("kits: expected folders or files of drum kits, such as kits=[FOLDER]")
        without = [self.without] if isinstance(self.without, str) else list(self.without)
        return replace(self, kits=kits, without=without)


def left_out(name: str, without: Sequence[str]) -> bool:
    """Whether a performance has one of the names, or lies in a folder that has."""
    return any(name == one or name.startswith(f"{one}/") for one in without)


DEFAULTS = KitOptions()
_RECENT = TrackCache()


def load(
    root: str | os.PathLike | None,
    *,
    songs: Sequence[str] | None = None,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    options: KitOptions = DEFAULTS,
    broken: list[str] | None = None,
) -> list[Track]:
    """List the performances; they are played when they are first read.

    Args:
      root: a folder of MIDI files, or of the Groove MIDI Dataset.
      songs: names of the performances to keep; None keeps all.
      valid, test: names to put into these splits instead of their own. Groove has splits; of other
        files a tenth each is drawn by their notes.
      options: see `KitOptions`; each field is an option of the dataset.
      broken: None, or a list that gathers what is wrong with files that cannot be read.

    Returns:
      Stereo tracks sorted by split and name.

    Raises:
      OSError, ValueError: no such folder, nothing to play, a file or kit that cannot be read, an
        option out of its range.
    """
    root = root_folder(root)
    options = options.checked()
    kits = [open_kit(kit, options.mapping) for kit in options.kits]
    found = _files(root)
    for name in options.without:
        if not any(left_out(one, [name]) for one in found):
            raise ValueError(f"without: there is no performance and no folder {name!r} in {root}")
    kept, moved = assign(found, songs=songs, valid=valid, test=test)
    tracks = []
    for name in sorted(kept):
        if left_out(name, options.without):
            continue
        path, split, keys = found[name]
        try:
            data = read_limited(path, LARGEST)
            played = drum_notes(data)
            if not played:
                raise ValueError("has no notes on the drum channel")
        except (OSError, ValueError) as error:
            refuse(path, error, broken)
            continue
        stop, cut = length(played, options.seconds)
        if stop < options.shortest:
            continue
        composition = notes.composition(played)
        split = moved.get(name) or split or split_of(composition, SHARES)
        seconds = stop + TAIL
        shape = AudioShape(options.sample_rate, 2, round(seconds * options.sample_rate))
        track = DrummerTrack(name, split, shape, kits, options, cut)
        tracks.append(track.of_file(path, data, keys, composition))
    if not tracks:
        raise ValueError(f"{root}: no drums to play; expected MIDI files with notes on channel 10")
    return sorted(tracks, key=lambda track: (SPLITS.index(track.split), track.name))


def _files(root: Path) -> dict[str, tuple[Path, str | None, dict[int, int]]]:
    """Name → file, split (None: by its notes) and keys that mean others."""
    table = root / groove.TABLE
    if table.is_file():
        return {
            row["id"]: (
                inside(root, row["midi_filename"], table),
                groove.SPLIT_NAMES[row["split"]],
                groove.KEYS,
            )
            for row in groove.table(table)
        }
    found = {}
    for path in midi_files(root):
        name = os.fspath(path.relative_to(root).with_suffix(""))
        if name in found:
            raise ValueError(f"two songs are called {name!r}; rename one")
        found[name] = (path, None, {})
    return found


def drum_notes(data: bytes) -> list[notes.Note]:
    """Return the notes of the drum channel of a file; errors as of `datasets.midi.file.read`."""
    return [note for note in notes.notes(read(data)) if note.channel == notes.DRUMS]


class DrummerTrack(Track):
    """A performance on a kit.

    Attributes:
      composition: digest of the notes, see `datasets.midi.notes.composition`.
      kit_digest: of the kit and those of which single stems are.
    """

    def __init__(
        self,
        name: str,
        split: str,
        shape: AudioShape,
        kits: Sequence[Kit],
        options: KitOptions,
        warnings: Sequence[str] = (),
    ):
        stems = STEMS if options.pieces else ("drums",)
        sums = {"drums": STEMS} if options.pieces else None
        super().__init__(name, split, shape, stems, standard=stems, sums=sums, warnings=warnings)
        self.recipe, self.level = RECIPE, options.level
        self.seconds = options.seconds
        self._kit, self._playing = drawn(kits, options, name)
        parts = sorted((stem, kit.digest) for stem, kit in self._playing.parts.items())
        self.kit_digest = facts_digest(self._kit.digest, parts)

    def of_file(
        self, path: Path, data: bytes, keys: Mapping[int, int], composition: str
    ) -> "DrummerTrack":
        """Set the MIDI file: where it lies, its bytes, keys that mean others, the notes' digest."""
        self.path, self.file_digest = os.fspath(path), content_digest(data)
        self.keys, self.composition = dict(keys), composition
        return self

    def fingerprint(self) -> str:
        """By the bytes of the MIDI file and the kits, wherever they lie."""
        places = (*NOT_AUDIO, "path", "_kit", "_playing")
        facts = {key: value for key, value in vars(self).items() if key not in places}
        facts["playing"] = facts_digest(
            *(value for key, value in sorted(vars(self._playing).items()) if key != "parts")
        )
        return facts_digest(type(self).__name__, sorted(facts.items()))

    def render(self) -> np.ndarray:
        """Play all stems → float32 (stems, samples, 2), full scale ±1, in the order of `stems`.

        Raises:
          OSError: a file cannot be read. ValueError: it has changed since the songs were listed.
        """
        data = read_limited(self.path, LARGEST)
        if content_digest(data) != self.file_digest:
            raise ValueError(f"{self.path}: has changed since the songs were listed; list again")
        hits = [
            Hit(note.start, self.keys.get(note.key, note.key), note.velocity)
            for note in drum_notes(data)
            if note.start < self.seconds
        ]
        audio = render(self._kit, hits, self.samples, self._playing)
        fade = min(round(FADE * self.sample_rate), self.samples)
        audio[:, self.samples - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
        if self.stems == ("drums",):
            audio = audio.sum(axis=0, keepdims=True)
        return normalise(audio, self.sample_rate, self.level)

    def _read(self, stem: str, start: int, stop: int) -> np.ndarray:
        return _RECENT.read(self, stem, start, stop)


def drawn(kits: Sequence[Kit], options: KitOptions, name: str) -> tuple[Kit, Playing]:
    """Draw the kit of a performance and how it is played, by the seed and its name."""
    kit = draw(kits, options.seed, f"kit of {name}")
    seed = int(facts_digest(options.seed, name)[:15], 16)
    tuning, levels, parts = {}, {}, {}
    for stem in STEMS:
        rng = np.random.default_rng([seed, hash_of(stem)])
        place, chance = rng.integers(len(kits)), rng.random()
        semitones, level = rng.uniform(-1, 1), np.clip(rng.standard_normal(), -3, 3)
        if chance < options.mix:
            parts[stem] = kits[place]
        if options.tuning:
            tuning[stem] = round(float(semitones * options.tuning), 1)
        if options.levels:
            levels[stem] = float(level * options.levels)
    playing = Playing(options.sample_rate, seed, tuning, levels, options.timing, parts, vary=True)
    return kit, playing
