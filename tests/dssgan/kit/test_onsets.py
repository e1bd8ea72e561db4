"""When drums are hit, on sampled kits whose hits are known."""

import tracemalloc

import mir_eval
import numpy as np
import pytest

import datasets
from datasets.kits.pieces import KEYS, PIECES
from datasets.midi.drummers import drum_notes
from dssgan.kit.curve import bands
from dssgan.kit.onsets import HitDetector

RATE = 44100


def detected(audio, piece, rate=RATE, size=10007):
    detector = HitDetector(rate, piece)
    for start in range(0, len(audio), size):
        detector.push(audio[start : start + size])
    return detector.hits()


def clicks(times, levels, rate=RATE, seconds=4.0):
    """Noise that begins at once and dies away."""
    audio = np.zeros((int(seconds * rate), 1), np.float32)
    rng = np.random.default_rng(3)
    for time, level in zip(times, levels, strict=True):
        start = round(time * rate)
        length = min(len(audio) - start, rate // 4)
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.04 * rate))
        audio[start : start + length, 0] += level * burst
    return audio


def test_hits_of_a_real_drummer(shared):
    """On the stems themselves, at the tolerance of the field: 50 ms, and half of that."""
    track = datasets.load(
        "kits",
        shared / "midi" / "groove",
        songs=["drummer1/session1/1"],
        kits=[shared / "audio" / "kits" / "muldjord"],
        pieces=True,
        seconds=30,
    )[0]
    with open(track.path, "rb") as file:
        notes = [note for note in drum_notes(file.read()) if note.start < track.seconds]
    scores = {}
    for piece in ("kick", "snare", "hats"):
        keys = {note.start: KEYS.get(track.keys.get(note.key, note.key)) for note in notes}
        known = np.array(sorted({t for t, name in keys.items() if PIECES.get(name) == piece}))
        found = np.array([hit.time for hit in detected(track.read(piece), piece)])
        assert len(known) > 5
        scores[piece] = [mir_eval.onset.f_measure(known, found, window=w)[0] for w in (0.05, 0.025)]
    assert min(wide for wide, _ in scores.values()) > 0.85, scores
    assert min(narrow for _, narrow in scores.values()) > 0.85, scores


@pytest.mark.parametrize("rate", [44100, 32000, 8000])
def test_times_and_velocities(rate):
    times, levels = [0.0, 0.5, 1.0, 1.31, 2.5], [0.5, 0.25, 0.5, 0.125, 0.5]
    hits = detected(clicks(times, levels, rate), "snare", rate)
    assert np.abs(np.array([hit.time for hit in hits]) - times).max() < 0.008
    velocities = [hit.velocity for hit in hits]
    for velocity, level in zip(velocities, levels, strict=True):
        assert abs(40 * np.log10(velocity / 127) - 20 * np.log10(level / 0.5)) < 5.0


def test_what_is_faint_is_no_hit():
    hits = detected(clicks([0.5, 1.5, 2.5], [0.5, 0.001, 0.5]), "snare")
    assert [round(hit.time, 1) for hit in hits] == [0.5, 2.5]


def test_hits_may_be_asked_for_at_any_time():
    audio = clicks([0.5, 1.5, 2.5], [0.5, 0.4, 0.5])
    detector = HitDetector(RATE, "snare")
    detector.push(audio[: 2 * RATE])
    first = detector.hits()
    assert [round(hit.time, 1) for hit in first] == [0.5, 1.5] and detector.hits() == first
    detector.push(audio[2 * RATE :])
    assert detector.hits() == detected(audio, "snare")


def test_blocks_change_nothing():
    audio = clicks([0.2, 0.9, 1.7], [0.3, 0.2, 0.3])
    assert detected(audio, "kick", size=313) == detected(audio, "kick", size=10**6)


def test_hits_are_found_across_what_is_looked_through_at_once(monkeypatch):
    """Blocks of frames meet at every place, and no hit is lost or told twice."""
    audio = clicks([0.2, 0.9, 1.7, 2.4, 3.1], [0.3, 0.2, 0.3, 0.25, 0.3])
    whole = detected(audio, "snare")
    assert len(whole) == 5
    for block in (1, 7, 100):
        monkeypatch.setattr("dssgan.kit.peaks.BLOCK", block)
        assert detected(audio, "snare") == whole


def test_little_is_kept_of_a_long_stem(rng):
    detector = HitDetector(RATE, "hats")
    noise = (0.1 * rng.standard_normal((RATE, 1))).astype(np.float32)
    tracemalloc.start()
    try:
        for second in range(60):
            detector.push(noise)
            if second == 19:
                before = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown / 40 < 4000  # bytes per second; what is waiting to be looked through included


@pytest.mark.parametrize("audio", [np.zeros((0, 2)), np.zeros((1, 2)), np.zeros((44100, 1))])
def test_silence_has_none(audio):
    assert detected(audio.astype(np.float32), "kick") == []


def test_steady_sound_begins_once():
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)[:, None]
    assert len(detected(tone.astype(np.float32), "toms")) <= 1


@pytest.mark.parametrize(("length", "rate"), [(1024, 44100), (256, 8000), (64, 2000)])
def test_no_band_is_empty(length, rate):
    weights, centres = bands(length, rate)
    assert weights.shape == (length // 2 + 1, len(centres)) and (weights.sum(0) > 0).all()
