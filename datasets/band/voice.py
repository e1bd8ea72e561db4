"""The vocals of the band: phrases, vowels, consonants, breaths and vibrato through formants.

A pulse-like tone follows the melody; a short-time spectrum of it is shaped frame by frame by the
formants of the vowels, and consonants and breath are noise put into the same frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from datasets.band.plan import BandSong
from datasets.band.sound import band, child, gliding, hertz

_FORMANTS = np.array(
    [  # F1 to F4 in Hz of a, e, i, o, u, ö, er (adult male); scaled by the size of the voice
        (730, 1090, 2440, 3400), (530, 1840, 2480, 3500), (280, 2250, 2900, 3600),
        (500, 900, 2400, 3300), (320, 800, 2240, 3200), (440, 1500, 2250, 3300),
        (490, 1350, 1690, 3000),
    ],
    np.float32,
)  # fmt: skip
# Noise of consonants: band in Hz, level, length in seconds. The last is breath.
_CONSONANTS = (
    (4200.0, 9500.0, 0.5, 0.11), (2200.0, 6500.0, 0.45, 0.11), (1200.0, 11000.0, 0.14, 0.08),
    (600.0, 4500.0, 0.16, 0.06), (2500.0, 8500.0, 0.7, 0.03), (1100.0, 3200.0, 0.6, 0.035),
    (300.0, 1500.0, 0.5, 0.03), (500.0, 5500.0, 0.12, 0.3),
)  # fmt: skip


@dataclass(frozen=True)
class Syllable:
    """One sung note: seconds, length, MIDI note, force, vowels it moves between, consonant."""

    seconds: float
    length: float
    note: float
    force: float
    vowels: tuple[int, int]
    consonant: int | None


@dataclass(frozen=True)
class Voice:
    """A singer: size scales the formants (1 male, 1.25 child), the rest is manner and timbre."""

    size: float
    slope: float
    breath: float
    vibrato: float
    speed: float
    glide: float
    sibilance: float
    air: float
    shine: float
    presence: np.ndarray  # levels of the four formants


def render(rng: np.random.Generator, song: BandSong, sample_rate: int, samples: int) -> np.ndarray:
    """Sing the vocals of a song → float32 (2, samples)."""
    kind = str(rng.choice(song.style.voices))
    high = bool(rng.random() < 0.5)
    voice = Voice(
        size=float(rng.uniform(1.08, 1.28) if high else rng.uniform(0.9, 1.06)),
        slope=float({"soft": 1.5, "belt": 0.9}.get(kind, 1.15) + rng.uniform(-0.2, 0.25)),
        breath=float(rng.uniform(0.02, 0.3) if kind == "soft" else rng.uniform(0.0, 0.08)),
        vibrato=float(rng.uniform(0.0, 0.7)) * (kind != "rap"),
        speed=float(rng.uniform(4.8, 6.6)),
        glide=float(rng.uniform(0.02, 0.09)),
        sibilance=float(rng.uniform(1.0, 5.0)),
        air=float(rng.uniform(0.02, 0.2)),
        shine=float(rng.uniform(0.2, 1.3)),
        presence=10.0 ** (np.array([0, -2, -6, -8]) / 20.0 + 0.15 * rng.standard_normal(4)),
    )
    center = float(rng.uniform(60, 69) if high else rng.uniform(48, 57))
    syllables = _lyrics(rng, song, kind, center)
    bus = np.zeros((2, samples), np.float32)
    lead = _sing(rng, voice, syllables, sample_rate, samples)
    bus += lead
    if kind != "rap" and rng.random() < 0.5:  # harmonies or a double, left and right
        gain = float(rng.uniform(0.2, 0.6))
        for side, shift in ((0.25, 2), (1.75, int(rng.choice([0, -3, 4])))):
            chorus = _harmony(rng, song, syllables, shift)
            second = _sing(rng, voice, chorus, sample_rate, samples)
            bus[0] += gain * (2.0 - side) * second
            bus[1] += gain * side * second
    if rng.random() < 0.4:  # an echo in time with the song
        delay = int(60.0 / song.tempo * float(rng.choice([0.5, 0.75, 1.0])) * sample_rate)
        gain = np.float32(rng.uniform(0.08, 0.3))
        for repeat in range(1, 4):
            if repeat * delay < samples:
                part = gain**repeat * lead[: samples - repeat * delay]
                bus[repeat % 2, repeat * delay :] += part
    return bus


def _lyrics(rng: np.random.Generator, song: BandSong, kind: str, center: float) -> list[Syllable]:
    """Phrases of two bars with rests between them; the melody walks along the scale."""
    scale = song.scale()
    steps, beat = song.steps, song.style.steps
    tune = rng.integers(-2, 3, size=(2, 64))
    rhythm = rng.random((2, 4 * steps))
    syllables: list[Syllable] = []
    position = center
    for section in song.playing("vocals"):
        verse = int(section.name == "chorus")
        lift = 3.0 * verse
        for bar in range(section.first, section.first + section.bars):
            busy = {"rap": (0.95, 0.85, 0.5), "soft": (0.6, 0.3, 0.05)}.get(kind, (0.75, 0.5, 0.12))
            end = steps if bar % 2 == 0 else int(steps * (0.55 + 0.35 * rhythm[verse, bar % 4]))
            places = []
            for step in range(end):
                level = 0 if step % beat == 0 else 1 if step % max(beat // 2, 1) == 0 else 2
                if rhythm[verse, (bar % 4) * steps + step] < busy[level]:
                    places.append(step)
            ladder = [p for p in range(int(center) - 9, int(center) + 14) if p % 12 in scale]
            chord = song.chords[bar]
            tones = [p for p in ladder if (p - chord.root) % 12 in chord.intervals] or ladder
            for number, step in enumerate(places):
                move = int(tune[verse, ((bar % 4) * 16 + number) % 64])
                here = int(np.argmin([abs(p - position) for p in ladder]))
                position = float(ladder[int(np.clip(here + move, 0, len(ladder) - 1))])
                pull = center + lift
                if step % beat == 0 and rng.random() < 0.6:
                    position = float(min(tones, key=lambda p: abs(p - 0.7 * position - 0.3 * pull)))
                note = position if kind != "rap" else center - 2.0 + float(rng.normal(0.0, 1.6))
                follow = places[number + 1] if number + 1 < len(places) else end
                start = song.time(bar, step) + 0.012 * float(rng.standard_normal())
                length = song.time(bar, min(follow, step + 3 * beat)) - song.time(bar, step)
                if start < 0.05 or start >= song.seconds:
                    continue
                vowels = rng.integers(len(_FORMANTS), size=2)
                stay = rng.random() < 0.75
                consonant = int(rng.integers(7)) if rng.random() < 0.7 else None
                syllables.append(
                    Syllable(
                        start, max(length * float(rng.uniform(0.75, 1.0)), 0.07), note,
                        float(np.clip(0.5 + 0.5 * section.energy + 0.1 * rng.standard_normal(),
                                      0.3, 1.0)),
                        (int(vowels[0]), int(vowels[0] if stay else vowels[1])), consonant,
                    )
                )  # fmt: skip
    return syllables


def _harmony(
    rng: np.random.Generator, song: BandSong, syllables: list[Syllable], shift: int
) -> list[Syllable]:
    """The same words a few steps of the scale away (or a double), a little apart in time."""
    choruses = [s for s in song.sections if s.name == "chorus"]
    spans = [(song.time(s.first, 0), song.time(s.first + s.bars, 0)) for s in choruses]
    scale = song.scale()
    out = []
    for s in syllables:
        if not any(a <= s.seconds < b for a, b in spans):
            continue
        near = [p for p in range(30, 90) if p % 12 in scale]
        here = int(np.argmin([abs(p - s.note) for p in near]))
        note = s.note if shift == 0 else float(near[int(np.clip(here + shift, 0, len(near) - 1))])
        moved = s.seconds + 0.015 * float(rng.standard_normal())
        note += 0.08 * float(rng.standard_normal())
        out.append(Syllable(max(moved, 0.05), s.length, note, s.force, s.vowels, None))
    return out


def _sing(
    rng: np.random.Generator,
    voice: Voice,
    syllables: list[Syllable],
    sample_rate: int,
    samples: int,
) -> np.ndarray:
    """Turn syllables into sound → float32 (samples,)."""
    hop = sample_rate // 100
    frames = samples // hop + 2
    pitch = np.zeros(frames, np.float32)
    loud = np.zeros(frames, np.float32)
    formants = np.tile(_FORMANTS[6], (frames, 1))
    hiss = np.zeros((frames, len(_CONSONANTS)), np.float32)
    last = -1.0
    filled = 0
    for s in syllables:
        first, stop = int(s.seconds * 100), min(frames, int((s.seconds + s.length) * 100) + 2)
        if first >= frames - 2 or stop - first < 3:
            continue
        count = stop - first
        time = np.arange(count, dtype=np.float32) / 100.0
        bend = -float(rng.uniform(0.0, 1.5)) * np.exp(-time / voice.glide)
        sway = voice.vibrato * np.clip((time - 0.25) / 0.3, 0.0, 1.0)
        sway = sway * np.sin(2.0 * np.pi * voice.speed * time + float(rng.uniform(0, 6)))
        pitch[filled:stop] = s.note  # through the rest before it, too: no jump while it sounds
        pitch[first:stop] = s.note + bend + sway + 0.04 * rng.standard_normal(count)
        filled = stop
        rise = np.minimum(time / 0.035, 1.0) * np.minimum((count / 100.0 - time) / 0.05, 1.0)
        swell = 1.0 - 0.25 * time / max(time[-1], 0.01)
        loud[first:stop] = s.force * np.maximum(rise, 0.0) * swell
        mix = np.clip((time / max(time[-1], 0.01) - 0.4) / 0.4, 0.0, 1.0)[:, None]
        formants[first:stop] = _FORMANTS[s.vowels[0]] * (1 - mix) + _FORMANTS[s.vowels[1]] * mix
        if s.consonant is not None:
            length = _CONSONANTS[s.consonant][3] * float(rng.uniform(0.6, 1.3))
            a, b = max(0, int((s.seconds - length) * 100)), first + 1
            hiss[a:b, s.consonant] = voice.sibilance * s.force
            loud[a:first] *= 0.2
        if s.seconds - last > 0.5 and rng.random() < 0.7:
            a, b = max(0, first - 42), max(0, first - 12)
            hiss[a:b, -1] += np.hanning(b - a).astype(np.float32) * float(rng.uniform(0.2, 1.2))
        last = s.seconds + s.length
    pitch[filled:] = pitch[filled - 1] if filled else 60.0
    hiss[:, -1] += voice.breath * loud * 4.0
    kernel = np.hanning(7)[1:-1] / np.sum(np.hanning(7)[1:-1])
    pitch = np.convolve(np.pad(pitch, 2, mode="edge"), kernel, mode="valid")
    return _shape(child(rng), voice, pitch, loud, formants, hiss, sample_rate, samples)


def _shape(rng, voice, pitch, loud, formants, hiss, sample_rate, samples) -> np.ndarray:
    """Tone through formants, plus noise, frame by frame (100 frames a second, half overlap)."""
    hop = sample_rate // 100
    frames, size = len(pitch), 2 * hop
    times = np.arange(frames * hop) / hop
    hz = hertz(69.0) * np.exp2((np.interp(times, np.arange(frames), pitch) - 69.0) / 12.0)
    harmonic = np.arange(1, 400, dtype=np.float64)
    tone = gliding(harmonic**-voice.slope, hz, sample_rate)
    window = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size)
    pieces = np.lib.stride_tricks.sliding_window_view(tone, size)[::hop]
    active = np.flatnonzero((loud[: len(pieces)] > 0) | (hiss[: len(pieces)].max(axis=1) > 0))
    spectra = fft.rfft(pieces[active] * window)
    f = fft.rfftfreq(size, 1.0 / sample_rate).astype(np.float32)
    smooth = np.stack(
        [np.convolve(np.pad(track, 2, mode="edge"), np.ones(5) / 5.0, "valid")
         for track in formants.T], axis=1,
    )[active].astype(np.float32) * np.float32(voice.size)  # fmt: skip
    gain = np.full((len(active), len(f)), voice.air, np.float32)
    for place, width in enumerate((80.0, 100.0, 140.0, 220.0)):
        away = (f[None, :] - smooth[:, place, None]) / np.float32(width)
        gain += np.float32(voice.presence[place]) / np.sqrt(1.0 + away * away)
    gain *= (1.0 + (f / np.float32(2500.0)) ** 2) ** np.float32(0.5 * voice.shine)
    spectra *= gain * loud[active, None]
    colours = np.stack([level * band(low, high, 3.0)(f) for low, high, level, _ in _CONSONANTS])
    noise = rng.standard_normal((len(active), 2 * len(f)), dtype=np.float32).view(np.complex64)
    reach = 0.03 * np.sqrt(size / 2.0) * float(np.sqrt(2.0))
    spectra += noise * (hiss[active] @ colours.astype(np.float32)) * np.float32(reach)
    shaped = np.zeros((len(pieces), size), np.float32)
    shaped[active] = fft.irfft(spectra, size) * window
    sound = np.zeros((len(pieces) + 1) * hop, np.float32)
    sound[: len(pieces) * hop] += shaped[:, :hop].ravel()
    sound[hop:] += shaped[:, hop:].ravel()
    out = np.zeros(samples, np.float32)
    count = min(samples, len(sound))
    out[:count] = sound[:count]
    return out
