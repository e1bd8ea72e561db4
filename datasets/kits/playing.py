"""Performances played on kits: hits in, stems out, sample by sample the same for a seed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from datasets.kits.kit import Instrument, Kit, Zone
from datasets.kits.pieces import KEYS, PIECES, STEMS
from datasets.kits.samples import sample

FADE = 0.005  # seconds in which a sample that is ended fades out


class Hit(NamedTuple):
    """A hit.

    Attributes:
      time: in seconds.
      piece: a key of PIECES, or a General MIDI key. Keys without a piece are not played.
      velocity: 1 to 127.
    """

    time: float
    piece: str | int
    velocity: int


@dataclass(frozen=True)
class Playing:
    """How a performance is played.

    Attributes:
      sample_rate: in Hz.
      seed: of every draw; a draw depends on it and on the hit, not on other hits.
      tuning: piece or stem → semitones, −24 to 24.
      levels: piece or stem → dB.
      timing: standard deviation of the hits' times in seconds, cut at three of them.
      parts: piece or stem → the kit that plays it.
      vary: draw among several instruments of one piece, for the whole performance; else the first.
    """

    sample_rate: int = 44100
    seed: int = 0
    tuning: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    timing: float = 0.0
    parts: Mapping[str, Kit] = field(default_factory=dict)
    vary: bool = False


class _Voice(NamedTuple):
    start: int
    stem: int
    zone: Zone
    piece: str
    amplitude: float


def render(kit: Kit, hits: Iterable[Hit], samples: int, playing: Playing) -> np.ndarray:
    """Play a performance → float32 (stems, samples, 2), in the order of STEMS.

    Args:
      kit: the kit.
      hits: in any order.
      samples: length; what sounds longer is cut off.
      playing: see `Playing`.

    Raises:
      ValueError: a name in tuning, levels or parts that is no piece and no stem; a damaged sample.
      OSError: a sample cannot be read.
    """
    for name in (*playing.tuning, *playing.levels, *playing.parts):
        if name not in PIECES and name not in STEMS:
            raise ValueError(f"{name!r} is no piece and no stem: {', '.join((*STEMS, *PIECES))}")
    voices = _voices(kit, hits, playing)
    rate = playing.sample_rate
    audio = np.zeros((len(STEMS), 2 * samples), np.float32)  # left and right by turns
    fade = max(1, round(FADE * rate))
    slope = np.repeat(np.linspace(1, 0, fade, endpoint=False, dtype=np.float32), 2)
    scratch = np.empty(0, np.float32)
    for voice, end in zip(voices, _ends(voices, samples), strict=True):
        zone = voice.zone
        semitones = zone.semitones + _of(playing.tuning, voice.piece, 0.0)
        found = sample(zone.sample, rate, semitones, zone.offset, zone.gains).reshape(-1)
        gain = voice.amplitude * 10.0 ** (_of(playing.levels, voice.piece, 0.0) / 20)
        skipped = 2 * max(0, -voice.start)
        stop = min(len(found), 2 * (min(end + fade, samples) - voice.start))
        if stop <= skipped:
            continue
        if len(scratch) < stop - skipped:
            scratch = np.empty(stop - skipped, np.float32)
        part = scratch[: stop - skipped]
        np.multiply(found[skipped:stop], np.float32(gain), out=part)
        ended = max(0, 2 * (end - voice.start) - skipped)  # where the fade begins
        if ended < len(part):
            part[ended:] *= slope[: len(part) - ended]
        audio[voice.stem, 2 * voice.start + skipped : 2 * voice.start + stop] += part
    return audio.reshape(len(STEMS), samples, 2)


def _voices(kit: Kit, hits: Iterable[Hit], playing: Playing) -> list[_Voice]:
    """What sounds when, by time."""
    voices: list[_Voice] = []
    counts: Counter = Counter()
    known: dict[str | int, tuple[str, Instrument | None]] = {}
    for hit in sorted(hits, key=lambda hit: (hit.time, str(hit.piece), hit.velocity)):
        if hit.piece not in known:
            known[hit.piece] = _instrument(kit, hit.piece, playing)
        piece, instrument = known[hit.piece]
        if instrument is None:
            continue
        facts = (round(hit.time * 1e6), hash_of(str(hit.piece)), hit.velocity)
        draw = np.random.default_rng([playing.seed, *map(abs, facts)])
        chance, shift = draw.random(), np.clip(draw.standard_normal(), -3, 3) * playing.timing
        start = round((hit.time + shift) * playing.sample_rate)
        place = counts[id(instrument)]
        counts[id(instrument)] += 1
        for zone in instrument.sounding(hit.velocity, place, chance):
            voices.append(
                _Voice(start, STEMS.index(PIECES[piece]), zone, piece, zone.amplitude(hit.velocity))
            )
    return sorted(voices, key=lambda voice: voice.start)


def _instrument(kit: Kit, name: str | int, playing: Playing) -> tuple[str, Instrument | None]:
    """The piece of a hit, and the instrument that plays it."""
    key = name if isinstance(name, int) else None
    piece = KEYS.get(name) if isinstance(name, int) else name
    if piece is None:
        return "percussion", None
    if piece not in PIECES:
        raise ValueError(f"{piece!r} is no piece: expected one of {', '.join(PIECES)}")
    found = _of(playing.parts, piece, kit).of_piece(piece, key)
    if not found:
        return piece, None
    if not playing.vary:
        return piece, found[0]
    draw = np.random.default_rng([playing.seed, hash_of(piece)])
    return piece, found[draw.integers(len(found))]


def _ends(voices: list[_Voice], samples: int) -> list[int]:
    """At which sample each voice is ended: by the next hit of the group that ends it."""
    starts: dict[int, np.ndarray] = {}
    for group in {voice.zone.group for voice in voices if voice.zone.group}:
        starts[group] = np.array([one.start for one in voices if one.zone.group == group])
    ends = []
    for voice in voices:
        ends.append(samples)
        group = starts.get(voice.zone.off_by)
        if voice.zone.off_by and group is not None:
            later = np.searchsorted(group, voice.start, "right")
            if later < len(group):
                ends[-1] = int(group[later])
    return ends


def _of(values: Mapping, piece: str, usual):
    """The value of a piece, else of its stem."""
    return values.get(piece, values.get(PIECES[piece], usual))


def hash_of(text: str) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(text.encode()[:16].ljust(1, b"\0"))
