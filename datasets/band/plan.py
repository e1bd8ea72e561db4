"""The plan of a song of the band: style, tempo, form, harmony and time grid; no sound yet."""

from dataclasses import dataclass

import numpy as np

from datasets.band.styles import PROGRESSIONS, SCALES, STYLES, Style

STEMS = ("drums", "bass", "other", "vocals")

_FORMS = (
    ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro"),
    ("verse", "chorus", "verse", "chorus", "bridge", "chorus", "chorus"),
    ("intro", "verse", "verse", "chorus", "verse", "chorus", "bridge", "outro"),
    ("chorus", "verse", "chorus", "bridge", "verse", "chorus", "outro"),
    ("intro", "bridge", "chorus", "verse", "bridge", "chorus", "outro"),
)
# Chance that a stem plays: drums, bass, other, vocals.
_PLAYS = {
    "intro": (0.6, 0.55, 0.9, 0.15),
    "verse": (0.93, 0.9, 0.9, 0.92),
    "chorus": (0.99, 0.98, 0.98, 0.96),
    "bridge": (0.7, 0.75, 0.85, 0.55),
    "outro": (0.8, 0.8, 0.9, 0.4),
}
_ENERGY = {"intro": 0.45, "verse": 0.55, "chorus": 0.95, "bridge": 0.6, "outro": 0.6}


#: Beginning and length in seconds, MIDI note, force from 0 to 1.
PlayedNote = tuple[float, float, int, float]


@dataclass(frozen=True)
class Chord:
    """A root (semitones above C, 0 to 11) and intervals above it in semitones."""

    root: int
    intervals: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """A run of bars with the stems that play in it; energy from 0 to 1."""

    name: str
    first: int
    bars: int
    energy: float
    plays: frozenset[str]


@dataclass(frozen=True)
class BandSong:
    """What all stems of a song share."""

    style: Style
    tempo: float
    seconds: float
    swing: float
    mode: str
    key: int
    sections: tuple[Section, ...]
    chords: tuple[Chord, ...]  # one per bar
    beat_times: np.ndarray  # seconds; drifts a little unless played to a clock
    kicks: dict[int, str]  # groove of the kick per bar: bass and ducking follow it
    groove: dict[str, int]  # section name → index into style.grooves

    @property
    def steps(self) -> int:
        """Steps of the grid per bar."""
        return self.style.beats * self.style.steps

    def time(self, bar: int, step: float) -> float:
        """Seconds of a step of a bar (fractions of a step and more than a bar are fine)."""
        late = self.swing if self.style.steps == 4 and int(step) % 2 == 1 else 0.0
        beat = bar * self.style.beats + (step + late) / self.style.steps
        whole = min(int(beat), len(self.beat_times) - 2)
        first, second = self.beat_times[whole], self.beat_times[whole + 1]
        return float(first + (beat - whole) * (second - first))

    def scale(self) -> tuple[int, ...]:
        """Pitch classes (semitones above C) of the key."""
        return tuple((self.key + step) % 12 for step in SCALES[self.mode])

    def playing(self, stem: str):
        """Sections in which a stem plays."""
        return (section for section in self.sections if stem in section.plays)


def plan(rng: np.random.Generator, seconds: float) -> BandSong:
    """Draw a song of `seconds` seconds."""
    style = STYLES[int(rng.integers(len(STYLES)))]
    tempo = float(rng.uniform(*style.tempo))
    bars = int(np.ceil(seconds * tempo / 60.0 / style.beats)) + 1
    mode = str(rng.choice(["major", "minor", "minor", "major", "dorian", "mixolydian"]))
    key = int(rng.integers(12))
    sections = _form(rng, bars)
    groove = {name: int(rng.integers(len(style.grooves))) for name in _ENERGY}
    if rng.random() < 0.5:  # one groove all along, as often as not
        groove = dict.fromkeys(groove, groove["chorus"])
    kicks = {}
    for section in sections:
        for bar in range(section.first, section.first + section.bars):
            kicks[bar] = style.grooves[groove[section.name]]["kick"]
    drift = 0.004 * rng.standard_normal((bars + 2) * style.beats + 1)
    drift = np.clip(np.convolve(drift, np.ones(4) / 2.0, mode="same"), -0.03, 0.03)
    if style.jitter[1] < 5.0:  # played to a clock
        drift[:] = 0.0
    beat_times = np.concatenate([[0.0], np.cumsum(60.0 / tempo * (1.0 + drift))])
    return BandSong(
        style=style,
        tempo=tempo,
        seconds=seconds,
        swing=float(rng.uniform(*style.swing)),
        mode=mode,
        key=key,
        sections=sections,
        chords=_harmony(rng, style, mode, key, sections),
        beat_times=beat_times - float(rng.uniform(0.0, 60.0 / tempo)) * (rng.random() < 0.5),
        kicks=kicks,
        groove=groove,
    )


def _form(rng: np.random.Generator, bars: int) -> tuple[Section, ...]:
    unit = 8 if bars >= 56 else 4 if bars >= 18 else 2 if bars >= 6 else 1
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    sections: list[Section] = []
    first = 0
    while first < bars:
        name = form[len(sections) % len(form)]
        short = name in ("intro", "bridge", "outro") and unit > 1 and rng.random() < 0.5
        count = min(unit // 2 if short else unit, bars - first)
        draws = rng.random(len(STEMS))
        plays = {stem for stem, draw, chance in zip(STEMS, draws, _PLAYS[name]) if draw < chance}
        energy = float(np.clip(_ENERGY[name] + 0.12 * rng.standard_normal(), 0.2, 1.0))
        sections.append(Section(name, first, count, energy, frozenset(plays or {"other"})))
        first += count
    # Every stem plays somewhere: in the longest section before the last bar, when left out.
    longest = max(range(len(sections)), key=lambda place: (sections[place].bars, -place))
    for stem in STEMS:
        if not any(stem in section.plays for section in sections):
            old = sections[longest]
            sections[longest] = Section(
                old.name, old.first, old.bars, old.energy, old.plays | {stem}
            )
    return tuple(sections)


def _harmony(
    rng: np.random.Generator, style: Style, mode: str, key: int, sections: tuple[Section, ...]
) -> tuple[Chord, ...]:
    choices = PROGRESSIONS[mode]
    scale = SCALES[mode]
    hold = int(rng.choice([1, 1, 1, 2]))
    rich = rng.random() < style.sevenths
    progressions = {name: choices[int(rng.integers(len(choices)))] for name in _ENERGY}
    chords = []
    for section in sections:
        progression = progressions[section.name]
        for bar in range(section.bars):
            degree = progression[(bar // hold) % len(progression)]
            root = scale[degree]
            stack = [scale[(degree + step) % 7] - root for step in (2, 4)]
            if rich or rng.random() < 0.3 * style.sevenths:
                stack.append(scale[(degree + 6) % 7] - root)
            if rng.random() < 0.08:
                stack.append(scale[(degree + 1) % 7] - root)
            intervals = (0, *(interval % 12 for interval in stack))
            chords.append(Chord((key + root) % 12, intervals))
    return tuple(chords)
