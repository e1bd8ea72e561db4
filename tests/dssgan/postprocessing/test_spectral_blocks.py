"""Spectra changed block by block: aligned, without seams, whatever blocks come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan.postprocessing.spectral_blocks import SpectralBlocks, frame_length


def through(change, audio, rate=8000, sizes=(1777,), **options):
    blocks = SpectralBlocks(change, rate, *audio.shape[1:], **options)
    found, place = [], 0
    while place < len(audio):
        for size in sizes:
            found += list(blocks.push(audio[place : place + size]))
            place += size
    return np.concatenate([*found, *blocks.finish(), audio[:0]])


def kept(spectra, before, after):
    return spectra[before : len(spectra) - after]


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 9000),
    st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_unchanged_spectra_are_the_audio(samples, sizes, group, context):
    audio = np.random.default_rng(samples).standard_normal((samples, 2, 1)).astype(np.float32)
    found = through(kept, audio, sizes=sizes, group=group, context=context)
    assert found.shape == audio.shape
    np.testing.assert_allclose(found, audio, atol=2e-6)


def test_every_frame_is_seen_once_with_its_neighbours(rng):
    audio = rng.standard_normal((20000, 1, 1)).astype(np.float32)
    whole, parts = [], []

    def record(into):
        def change(spectra, before, after):
            into.append((spectra, before, after))
            return kept(spectra, before, after)

        return change

    through(record(whole), audio, group=10**6)
    through(record(parts), audio, group=7, context=3)
    ((every, before, after),) = whole
    assert (before, after) == (0, 0)
    place = 0
    for spectra, before, after in parts:
        start = place - before
        np.testing.assert_array_equal(spectra, every[start : start + len(spectra)])
        assert before == min(3, place)
        place += len(spectra) - before - after
        assert after == min(3, len(every) - place)
    assert place == len(every)


def test_no_seam_where_groups_change_by_different_gains(rng):
    tone = np.sin(0.3 * np.arange(40000)).astype(np.float32)[:, None, None]
    gains = iter([1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0])
    found = through(lambda spectra, *_: spectra * next(gains), tone, group=40)
    assert np.abs(np.diff(found[:, 0, 0])).max() < 1.01 * np.abs(np.diff(tone[:, 0, 0])).max()


@pytest.mark.parametrize("rate, frame", [(44100, 4096), (48000, 4096), (8000, 512), (100, 64)])
def test_frames_are_a_tenth_of_a_second(rate, frame):
    assert frame_length(rate) in (frame, 2 * frame)
