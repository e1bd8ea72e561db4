"""The drums of the band: humanised grooves, ghost notes, fills, crashes; one stereo bus."""

from dataclasses import dataclass

import numpy as np

from datasets.band import kits
from datasets.band.plan import BandSong
from datasets.band.sound import falling, pan, place

_FORCE = {"X": 1.0, "x": 0.72, "o": 0.3, "O": 0.85}


@dataclass(frozen=True)
class Stroke:
    """One hit: seconds, drum, force from 0 to 1."""

    seconds: float
    drum: str
    force: float


def render(rng: np.random.Generator, song: BandSong, sample_rate: int, samples: int) -> np.ndarray:
    """Play the drums of a song → float32 (2, samples)."""
    played = strokes(rng, song)
    family = str(rng.choice(song.style.kits))
    if rng.random() < 0.12:  # sometimes a kit that does not belong to the style
        family = str(rng.choice(["electronic", "acoustic", "dusty", "roomy", "nine"]))
    kit = kits.build(rng, family, {stroke.drum for stroke in played}, sample_rate)
    bus = np.zeros((2, samples), np.float32)
    closings = sorted(int(s.seconds * sample_rate) for s in played if s.drum in ("hat", "pedal"))
    for stroke in played:
        start = round(stroke.seconds * sample_rate)
        soft, hard = kit.hits[stroke.drum]
        layer = hard if stroke.force > 0.55 else soft
        sound = layer[int(rng.integers(len(layer)))]
        if stroke.drum == "open":
            sound = _choke(sound, start, closings, sample_rate)
        gain = kit.gains[stroke.drum] * stroke.force**1.4
        left, right = pan(kit.places[stroke.drum])
        place(bus, start, sound, gain * left, gain * right)
    return bus


def _choke(sound: np.ndarray, start: int, closings: list[int], sample_rate: int) -> np.ndarray:
    """End an open hat where the hat closes."""
    following = np.searchsorted(closings, start + sample_rate // 50)
    if following == len(closings):
        return sound
    held = closings[following] - start
    if held >= len(sound):
        return sound
    sound = sound[: held + sample_rate // 20].copy()
    sound[held:] *= falling(len(sound) - held, 0.05, sample_rate)
    return sound


def strokes(rng: np.random.Generator, song: BandSong) -> list[Stroke]:
    """Draw every hit of a song, in order of time."""
    style = song.style
    spread = float(rng.uniform(*style.jitter)) / 1000.0
    # Each drum is a little early or late throughout a song.
    lean = {drum: float(rng.normal(0.0, 0.6 * spread)) for drum in kits.DRUMS}
    loose = float(rng.uniform(0.03, 0.16)) if style.jitter[1] > 2.0 else 0.03
    variation = float(rng.uniform(0.0, 0.12))
    fills = float(rng.uniform(0.3, 1.0))
    cymbal = str(rng.choice(["hat", "ride", "open", "hat"]))
    played: list[Stroke] = []

    def hit(bar: int, step: float, drum: str, force: float) -> None:
        seconds = song.time(bar, step) + lean[drum] + spread * float(rng.standard_normal())
        force = float(np.clip(force * (1.0 + loose * rng.standard_normal()), 0.08, 1.0))
        if -0.01 < seconds < song.seconds:
            played.append(Stroke(max(seconds, 0.0), drum, force))

    for section in song.playing("drums"):
        groove = style.grooves[song.groove[section.name] % len(style.grooves)]
        timekeeper = cymbal if section.name == "chorus" else "hat"
        quiet = section.name in ("intro", "outro") and rng.random() < 0.3
        playing = _Playing(groove, section.energy, timekeeper, quiet, variation)
        last = section.first + section.bars - 1
        for bar in range(section.first, last + 1):
            fill = song.steps
            if bar == last and rng.random() < fills:
                fill = song.steps - style.steps * int(rng.integers(1, style.beats))
                _fill(rng, song, bar, fill, hit)
            _bar(rng, song, playing, bar, fill, hit)
            if bar == section.first and section.energy > 0.6 and rng.random() < 0.75:
                hit(bar, 0, "crash", 0.95)
                hit(bar, 0, "kick", 1.0)
    return sorted(played, key=lambda stroke: (stroke.seconds, stroke.drum))


@dataclass(frozen=True)
class _Playing:
    """How a section is played.

    Attributes:
      groove: drum → its pattern, a mark per step.
      energy: 0 to 1.
      timekeeper: the drum that plays the pattern of the hat.
      quiet: without kick and snare.
      variation: 0 to 1, how often strokes differ from the groove.
    """

    groove: dict[str, str]
    energy: float
    timekeeper: str
    quiet: bool
    variation: float


def _bar(
    rng: np.random.Generator, song: BandSong, playing: _Playing, bar: int, fill: int, hit
) -> None:
    """Play one bar of a groove, up to step `fill` where a fill begins."""
    style, quiet, variation = song.style, playing.quiet, playing.variation
    force = 0.65 + 0.35 * playing.energy
    drop = 0 if rng.random() > 0.03 else song.steps // 2  # now and then half a bar of silence
    for drum, pattern in playing.groove.items():
        for step in range(min(fill, len(pattern))):
            mark = pattern[step]
            if drop and step >= drop and drum != "crash":
                continue
            if mark == "." or (quiet and drum in ("kick", "snare")):
                if drum == "kick" and not quiet and step and rng.random() < 0.3 * variation:
                    hit(bar, step, "kick", 0.6 * force)
                elif drum == "snare" and step % 2 and rng.random() < 0.2 * style.ghosts:
                    hit(bar, step, "snare", 0.25)
                continue
            if rng.random() < 0.4 * variation and mark in "xo":
                continue
            if drum == "hat":
                name = "open" if mark == "O" else playing.timekeeper
                if style.name == "trap" and rng.random() < 0.08:  # a roll
                    for part in range(int(rng.integers(2, 5))):
                        hit(bar, step + part / 4.0, "hat", 0.6 * force)
                hit(bar, step, name, _FORCE[mark] * force)
            else:
                hit(bar, step, drum, _FORCE[mark] * force)
                if drum == "snare" and mark == "X" and rng.random() < 0.03:  # a flam
                    hit(bar, step - 0.12, "snare", 0.35)


def _fill(rng: np.random.Generator, song: BandSong, bar: int, start: int, hit) -> None:
    """A fill from step `start` to the end of the bar."""
    kind = str(rng.choice(["toms", "toms", "snare", "mixed", "sparse", "stop"]))
    span = song.steps - start
    density = {"sparse": 0.45, "stop": 0.0}.get(kind, 0.85)
    half = 0.5 if song.tempo < 110.0 and rng.random() < 0.25 else 1.0
    for place_ in np.arange(start, song.steps, half):
        if rng.random() > density:
            continue
        through = (place_ - start) / max(span, 1)
        if kind == "snare":
            drum = "snare"
        elif kind == "toms":
            drum = ("snare", "tom1", "tom2", "tom3")[min(3, int(4 * through))]
        else:
            drum = str(rng.choice(["snare", "tom1", "tom2", "tom3", "kick"]))
        hit(bar, float(place_), drum, 0.55 + 0.4 * through)
    hit(bar, float(start), "kick", 0.8)
