"""What a player shows of a stem."""

import base64

import numpy as np
import pytest

from dssgan.app.overview import BANDS, COLUMNS, FLOOR, FRAMES, LOWEST, Overview

RATE = 44100


def overview(audio, block):
    """(peaks, spectrogram in dB) of audio that comes in blocks."""
    found = Overview(["x"], len(audio), RATE)
    for start in range(0, len(audio), block):
        found.add({"x": audio[start : start + block]})
    stem = found.result()["stems"]["x"]
    peaks = np.frombuffer(base64.b64decode(stem["peaks"]), np.int8).reshape(COLUMNS, 2)
    levels = np.frombuffer(base64.b64decode(stem["spectrogram"]), np.uint8)
    return peaks, FLOOR * (1 - levels.reshape(FRAMES, BANDS) / 255.0)


@pytest.mark.parametrize("samples", [1, 700, 5000, 10 * RATE + 1])
@pytest.mark.parametrize("block", [977, 65536])
def test_peaks_are_those_of_every_column(samples, block, rng):
    audio = rng.uniform(-1, 1, (samples, 2)).astype(np.float32)
    peaks, _ = overview(audio, block)
    edges = np.arange(COLUMNS + 1) * samples // COLUMNS
    for column in range(COLUMNS):
        part = audio[edges[column] : edges[column + 1]]
        if len(part):
            low, high = min(0, part.min()), max(0, part.max())
            assert np.abs(peaks[column] - 127 * np.array([low, high])).max() <= 0.51
    assert abs(int(peaks.max()) - 127 * max(0, audio.max())) <= 0.51


def test_blocks_do_not_matter(rng):
    audio = rng.uniform(-1, 1, (3 * RATE, 1)).astype(np.float32)
    one, other = overview(audio, 1000), overview(audio, len(audio))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_a_tone_is_in_its_band_while_it_sounds():
    time = np.arange(4 * RATE) / RATE
    audio = np.where(time < 2, 0.5 * np.sin(2 * np.pi * 1000 * time), 0)[:, None].astype(np.float32)
    _, levels = overview(audio, 4096)
    edges = np.geomspace(LOWEST, RATE / 2, BANDS + 1)
    band = np.searchsorted(edges, 1000) - 1
    assert (levels[: FRAMES // 2 - 20].argmax(axis=1) == band).all()
    assert levels[10, band] > -25 and levels[10, band + 12] < -60
    assert (levels[FRAMES // 2 + 20 :] <= FLOOR).all()


@pytest.mark.parametrize("samples", [0, 1, 100, 2047, 2048])
def test_the_shortest_songs_have_one_too(samples):
    peaks, levels = overview(np.full((samples, 1), 0.5, np.float32), 512)
    assert peaks.shape == (COLUMNS, 2) and levels.shape == (FRAMES, BANDS)
    assert peaks.max() == (64 if samples else 0)
