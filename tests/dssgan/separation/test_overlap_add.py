"""Chunks and cross-fades without any model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.audio_files import resampled_length
from dssgan.separation.buffers import DiskBuffer, Fifo, require_space
from dssgan.separation.overlap_add import (
    fade_window,
    overlap_add,
    shifted_average,
    split_centred,
    split_chunks,
    triangle_window,
)
from dssgan.separation.resampling import resample_blocks


@settings(deadline=None)
@given(
    samples=st.integers(0, 400),
    segment=st.integers(1, 50),
    share=st.floats(0.02, 1),
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=5).filter(any),
    grid=st.integers(1, 7),
)
def test_chunks_cover_everything_with_real_audio(samples, segment, share, sizes, grid):
    hop = max(1, round(segment * share))
    audio = np.arange(1, samples + 1, dtype=np.float32)[:, None]
    blocks, place = [], 0
    while place < samples:
        for size in sizes:
            blocks.append(audio[place : place + size])
            place += size
    chunks = list(split_chunks(blocks, segment, hop, 1, grid))
    assert len(chunks) == (0 if not samples else 1 + max(0, -(-(samples - segment) // hop)))
    for count, chunk in enumerate(chunks):
        start = count * hop - chunk.lead
        real = audio[start : start + segment]
        assert np.array_equal(chunk.audio[: len(real)], real)
        assert not chunk.audio[len(real) :].any()
        assert len(real) > segment - grid or samples < segment
        assert chunk.length == min(segment, samples - count * hop)
        assert chunk.lead == 0 or count == len(chunks) - 1
        assert chunk.lead % grid == 0


@settings(deadline=None)
@given(
    segment=st.integers(1, 300),
    share=st.floats(0.01, 1),
    context=st.integers(0, 400),
)
def test_windows_of_neighbours_add_up_to_one(segment, share, context):
    hop = max(1, round(segment * share))
    window = fade_window(segment, hop, context)
    assert window.shape == (segment,) and (window > 0).all() and (window <= 1).all()
    assert np.array_equal(window, window[::-1])
    if 2 * hop >= segment:
        overlap = segment - hop
        together = window[:overlap] + window[hop:]
        assert np.allclose(together, 1, atol=1e-5)
        assert (window[overlap:hop] == 1).all()


def test_the_edge_without_context_hardly_counts():
    window = fade_window(1000, 800, 30)
    assert (window[:30] < 1e-5).all() and 0 < window[30] < 1e-3 and window[169] > 0.999
    assert (window[:50] < 1e-5).sum() == 30
    crowded = fade_window(1000, 800, 10**6)
    assert (crowded[:50] < 1e-5).all() and crowded[100] > 0.5  # half the overlap still fades


@settings(deadline=None, max_examples=50)
@given(
    samples=st.integers(1, 500),
    segment=st.integers(2, 60),
    share=st.floats(0.05, 1),
    batch=st.integers(1, 5),
    context=st.integers(0, 20),
    shifts=st.lists(st.integers(0, 30), min_size=1, max_size=3),
)
def test_identity_through_any_overlap(samples, segment, share, batch, context, shifts):
    hop = max(1, round(segment * share))
    audio = np.random.default_rng(samples).standard_normal((samples, 2)).astype(np.float32)
    window = fade_window(segment, hop, context)

    def both(chunks):
        assert 1 <= len(chunks) <= batch and chunks.shape[1:] == (segment, 2)
        return np.stack([chunks, -2 * chunks], axis=1)

    def separate(blocks):
        return overlap_add(split_chunks(blocks, segment, hop, 2), both, window, hop, batch)

    blocks = [audio[place : place + 37] for place in range(0, samples, 37)]
    joined = np.concatenate(list(shifted_average(blocks, separate, shifts, 2)))
    assert joined.shape == (samples, 2, 2)
    assert np.allclose(joined[:, 0], audio, atol=1e-5)
    assert np.allclose(joined[:, 1], -2 * audio, atol=1e-5)


def test_chunks_come_as_soon_as_they_are_full():
    seen = []

    def blocks():
        for count in range(100):
            seen.append(count)
            yield np.ones((1, 1), np.float32)

    window = fade_window(10, 8, 0)
    stream = overlap_add(split_chunks(blocks(), 10, 8, 1), lambda x: x[:, None], window, 8, 1)
    assert len(next(stream)) == 8 and len(seen) == 10
    assert len(next(stream)) == 8 and len(seen) == 18


@settings(deadline=None, max_examples=40)
@given(
    samples=st.integers(0, 3000),
    rates=st.sampled_from([(44100, 32000), (8000, 96000), (96000, 8000), (11025, 44100), (8, 8)]),
    size=st.integers(1, 900),
)
def test_resampled_lengths_survive_the_round_trip(samples, rates, size):
    audio = np.random.default_rng(1).standard_normal((samples, 3)).astype(np.float32)
    blocks = [audio[place : place + size] for place in range(0, samples, size)]
    once = list(resample_blocks(blocks, *rates, 3))
    assert sum(map(len, once)) == resampled_length(samples, *rates)
    back = list(resample_blocks(once, *rates[::-1], 3))
    assert samples <= sum(map(len, back)) <= samples + -(-rates[0] // rates[1])


def test_queues_in_memory_and_on_disk_agree(rng, tmp_path):
    rows = rng.standard_normal((1000, 2, 3)).astype(np.float32)
    fifo = Fifo(2, 3)
    with DiskBuffer(2, 3, folder=tmp_path) as kept:
        for start in range(0, 1000, 37):
            fifo.append(rows[start : start + 37])
            kept.append(rows[start : start + 37])
        reader = kept.reader()
        for count in (0, 1, 500, 499):
            here = fifo.pop(count)
            assert here.shape == (count, 2, 3) and np.array_equal(here, reader.pop(count))
        assert not len(fifo) and not len(reader) and len(kept) == 1000
        assert np.array_equal(np.concatenate(list(kept.blocks(64))), rows)
        for queue in (fifo, reader):
            with pytest.raises(ValueError, match="asked for 1 rows of 0"):
                queue.pop(1)
        assert not list(tmp_path.iterdir())  # the file has no name


def test_space_is_required_before_work(tmp_path):
    require_space(tmp_path, 1, "nothing")
    with pytest.raises(OSError, match=r"song needs 1000000.00 GB of temporary space"):
        require_space(tmp_path, 10**15, "song")


@settings(deadline=None)
@given(
    samples=st.integers(1, 90),
    segment=st.integers(2, 31),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.8]),
    batch=st.integers(1, 3),
    size=st.integers(1, 40),
)
def test_centred_chunks_are_those_of_the_formula(samples, segment, overlap, batch, size):
    """A chunk at every hop within the song, in the middle of a segment of what is there."""
    hop = max(1, int((1 - overlap) * segment))
    audio = np.random.default_rng(samples).standard_normal((samples, 2)).astype(np.float32)
    shape = np.linspace(1.0, 3.0, segment, dtype=np.float32)[:, None]  # a chunk's place counts

    window = np.minimum(np.arange(segment) + 1, segment - np.arange(segment)).astype(np.float64)
    total, weight = np.zeros((samples, 2)), np.zeros((samples, 1))
    for offset in range(0, samples, hop):
        length = min(segment, samples - offset)
        before = (segment - length) // 2
        places = np.arange(offset - before, offset - before + segment)
        inside = (places >= 0) & (places < samples)
        chunk = np.where(inside[:, None], audio[places.clip(0, samples - 1)], 0) * shape
        part = slice(offset, offset + length)
        total[part] += window[:length, None] * chunk[before : before + length]
        weight[part] += window[:length, None]

    blocks = (audio[start : start + size] for start in range(0, samples, size))
    found = overlap_add(
        split_centred(blocks, segment, hop, 2),
        lambda chunks: (chunks * shape)[:, None],
        triangle_window(segment),
        hop,
        batch,
    )
    found = np.concatenate(list(found))[:, 0]
    assert found.shape == audio.shape
    np.testing.assert_allclose(found, total / weight, atol=1e-5)


@pytest.mark.parametrize("segment", [2, 7, 8])
def test_a_triangle_rises_to_the_middle(segment):
    window = triangle_window(segment)
    assert window.shape == (segment,) and window.max() == 1 and window.min() > 0
    np.testing.assert_allclose(window, window[::-1])
