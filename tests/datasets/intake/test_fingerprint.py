"""Fingerprints: the same song through codecs, gains, rates and cuts; other songs."""

import itertools

import numpy as np
import pytest

from datasets import audio, load
from datasets.intake.fingerprint import Known, fingerprint_of
from datasets.intake.limits import Limits

LIMIT = Limits().same


def heard(signal: np.ndarray, rate: int, block: int = 2**16) -> Known:
    blocks = (signal[start : start + block] for start in range(0, len(signal), block))
    return Known(fingerprint_of(blocks, rate))


def through_mp3(signal: np.ndarray, rate: int, path) -> tuple[np.ndarray, int]:
    with audio.Writer(path / "copy.mp3", rate, signal.shape[1], bitrate=128) as file:
        file.write(signal)
    return audio.read(path / "copy.mp3")


def test_blocks_do_not_matter(play):
    signal = play(4, 1)
    one, two = (fingerprint_of([signal[:k], signal[k:]], 32000) for k in (7, 50_001))
    assert one.shape[0] == 2 and one.shape[1] > 200
    assert (one[0] != two[0]).mean() < 0.02


@pytest.mark.parametrize("change", ["mp3", "gain", "rate", "mono", "cut", "late"])
def test_a_copy_is_the_same(tmp_path, play, change):
    signal, rate = play(8, 3), 32000
    copy, its_rate = signal, rate
    if change == "mp3":
        copy, its_rate = through_mp3(signal, rate, tmp_path)
    elif change == "gain":
        copy = 0.01 * signal
    elif change == "rate":
        copy, its_rate = audio.resample(signal, rate, 44100), 44100
    elif change == "mono":
        copy = signal.mean(1, keepdims=True)
    elif change == "cut":
        copy = signal[50_003:180_001]
    elif change == "late":
        copy = np.concatenate([np.zeros((12_345, 2), np.float32), signal])
    found = heard(signal, rate).agreement(heard(copy, its_rate))
    assert found.errors < 0.15
    late = {"cut": 50_003 / rate, "late": -12_345 / rate}.get(change, 0)
    assert found.at - found.other == pytest.approx(late, abs=0.06)


def test_other_songs_are_others(play):
    songs = [heard(play(8, seed), 32000) for seed in range(8)]
    for one, two in itertools.combinations(songs, 2):
        assert one.agreement(two).errors > 0.4


def test_silence_and_short_sounds_are_no_song(play):
    silent = heard(np.zeros((100_000, 1), np.float32), 32000)
    assert silent.agreement(silent).errors == 0.5
    assert heard(play(0.3, 1), 32000).agreement(heard(play(0.3, 1), 32000)).errors == 0.5
    signal = np.concatenate([play(3, 1), np.zeros((200_000, 2), np.float32), play(3, 2)])
    other = np.concatenate([play(3, 3), np.zeros((200_000, 2), np.float32), play(3, 4)])
    assert heard(signal, 32000).agreement(heard(other, 32000)).errors > 0.4


@pytest.fixture(scope="module")
def songs(shared):
    """The first 20 s of real songs, some of them by one band: name → (audio, rate)."""
    folder = shared / "audio"
    tracks = [
        *load("folders", folder / "everythingisfree"),
        *load("folders", folder / "mdb9_mono"),
        *load("recordings", folder / "songs_cc"),
    ]
    return {
        track.name: (track.read("mixture", 0, 20 * track.sample_rate), track.sample_rate)
        for track in tracks
    }


def test_real_songs_are_told_apart(songs):
    known = [heard(*song) for song in songs.values()]
    errors = [one.agreement(two).errors for one, two in itertools.combinations(known, 2)]
    assert len(errors) >= 100 and min(errors) > LIMIT + 0.05


@pytest.mark.parametrize("kind", ["whole", "excerpt"])
def test_real_songs_are_found_in_an_mp3_at_another_rate(songs, tmp_path, kind):
    for number, (signal, rate) in enumerate(songs.values()):
        if number % 5:  # docs/intake.md has the figures of all
            continue
        copy = signal if kind == "whole" else signal[-15 * rate :]
        copy = 0.5 * audio.resample(copy, rate, 48000) / max(1, np.abs(copy).max())
        errors = heard(signal, rate).agreement(heard(*through_mp3(copy, 48000, tmp_path))).errors
        assert errors < 0.1
