"""Silence at the ends of chunks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan import separator as separators
from dssgan.models.base import SeparatorModel
from dssgan.separation.silence import SHORTEST, SILENT, fill_silence, sounding
from dssgan.separator import Separator


@settings(deadline=None)
@given(
    begin=st.integers(0, 30),
    length=st.integers(1, 40),
    rest=st.integers(0, 30),
    channels=st.integers(1, 3),
    scale=st.sampled_from([1e-9, 1e-3, 1.0]),
)
def test_ends_are_mirrored_and_the_middle_stays(begin, length, rest, channels, scale):
    music = scale * (1 + np.random.default_rng(length).random((length, channels)))
    chunk = np.pad(music, ((begin, rest), (0, 0))).astype(np.float32)
    chunk[:begin] = chunk[begin + length :] = 0.1 * SILENT * scale  # not quite silent
    filled, heard = fill_silence(np.stack([chunk, np.zeros_like(chunk)]))
    assert np.array_equal(filled[0, begin : begin + length], chunk[begin : begin + length])
    assert heard[0].sum() == length and heard[0, begin : begin + length].all()
    assert np.abs(filled[0]).min() >= 0.99 * scale  # music everywhere
    around = filled[0, max(0, begin - length) : begin][::-1]
    assert np.array_equal(around, filled[0, begin : begin + len(around)])
    assert not heard[1].any() and not filled[1].any()


def test_chunks_without_silent_ends_are_not_copied():
    audio = np.ones((2, 10, 1), np.float32)
    audio[0, 3:7] = 0
    filled, heard = fill_silence(audio)
    assert filled is audio and heard.all()


class Normalised(SeparatorModel):
    """Passes on what it hears, divided by the deviation of its chunk."""

    sample_rate, sources, hyperparameters = 1000, ("drums",), {}
    normalises = True

    def call(self, mixture, training=False):
        power = separators.tf.reduce_mean(mixture**2, axis=(1, 2), keepdims=True)
        return (mixture / separators.tf.sqrt(power + 1e-12))[:, None]


@pytest.mark.parametrize(("before", "after"), [(0, 6000), (5000, 0), (3500, 3500)])
def test_statistics_are_those_of_the_music(before, after):
    tone = 0.1 * np.sign(np.sin(np.arange(2000) / 7 + 0.1)).astype(np.float32)[:, None]
    audio = np.pad(tone, ((before, after), (0, 0)))
    found = Separator(Normalised(), segment=8.0, overlap=0.25).separate(audio, 1000)["drums"]
    expected = 10 * audio  # of unit power where there is music, silent where there is none
    assert np.allclose(found, expected, atol=1e-4)


def test_digital_silence_at_the_ends_of_a_chunk():
    audio = np.zeros((4, 5000, 2), np.float32)
    audio[0, SHORTEST:3000] = 1e-9  # too quiet to count as music elsewhere, but no silence
    audio[1, SHORTEST - 1 : -100, 1] = 0.5
    audio[2, :2000], audio[2, 2000:4000] = 0.25, 0.5  # silence lies at 0.25
    heard = sounding(audio, 0.25)
    assert heard[0, SHORTEST:3000].all() and heard[0].sum() == 3000 - SHORTEST
    assert heard[1].all()
    assert heard[2, 2000:].all() and heard[2].sum() == 3000  # a short end is none
    assert not heard[3].any()
