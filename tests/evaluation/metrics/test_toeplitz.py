"""Block-Toeplitz systems against the full matrices they stand for."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from evaluation.metrics import projection
from evaluation.metrics.projection import correlations, gram_matrix, solve, solve_all
from evaluation.metrics.toeplitz import BlockToeplitz


def systems(rng, count, channels, taps, samples=None):
    """Correlations of some noise that is coloured by short filters, and right-hand sides."""
    samples = samples or 4 * channels * taps + 10
    lags = []
    for _ in range(count):
        audio = rng.standard_normal((channels, samples, 1))
        audio[:, 1:] += rng.uniform(-0.9, 0.9, (channels, 1, 1)) * audio[:, :-1]
        audio *= rng.uniform(0.01, 10, (channels, 1, 1))
        lags.append(correlations(audio, [audio], taps)[0])
    return np.stack(lags), rng.standard_normal((count, channels, 3, taps))


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 3),
    channels=st.integers(1, 4),
    taps=st.integers(1, 20),
)
def test_solutions_are_those_of_the_matrices(seed, count, channels, taps):
    lags, right = systems(np.random.default_rng(seed), count, channels, taps)
    toeplitz = BlockToeplitz(lags, ridge=0.25)
    found = toeplitz.solve(right)
    assert found.shape == right.shape
    conditions = toeplitz.reciprocal_conditions()
    for one, x, b, condition in zip(lags, found, right, conditions):
        matrix = gram_matrix(one, taps) + 0.25 * np.eye(channels * taps)
        expected = np.linalg.solve(matrix, b.transpose(0, 2, 1).reshape(channels * taps, -1))
        scale = np.abs(expected).max()
        x = x.transpose(0, 2, 1).reshape(expected.shape)
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-9 * scale)
        # The estimate is a lower bound of the inverse's norm, and rarely far below it.
        exact = 1 / np.linalg.cond(matrix, 1)
        assert exact * (1 - 1e-6) <= condition < 3 * exact


def test_a_song_s_filters_come_without_the_matrix(rng, monkeypatch):
    """With filters of 512 taps, as all protocols have, the full matrix is never built."""
    monkeypatch.setattr(projection, "gram_matrix", None)
    lags, right = systems(rng, 1, 8, 512, samples=44100)
    filters, condition = solve(lags[0], right[0])
    assert 1e-12 < condition < 1
    monkeypatch.undo()
    matrix = gram_matrix(lags[0], 512)
    found = filters.reshape(3, -1).T
    rest = matrix @ found - right[0].transpose(0, 2, 1).reshape(8 * 512, 3)
    assert np.abs(rest).max() < 1e-14 * np.abs(matrix).sum(axis=0).max() * np.abs(found).max()


def test_lost_digits_come_back(rng):
    """A nearly singular system, whose recursion alone is wrong in the fifth digit."""
    samples, taps = 3000, 60
    audio = rng.standard_normal((2, samples, 1))
    for _ in range(6):  # high frequencies vanish
        audio[:, 1:] += 0.97 * audio[:, :-1]
    lags, cross = correlations(audio, [audio[:, ::-1]], taps)
    toeplitz = BlockToeplitz(lags[None])
    [condition] = toeplitz.reciprocal_conditions()
    assert 1e-15 < condition < 1e-10
    right = cross[None]
    [found] = toeplitz.solve(right)
    matrix = gram_matrix(lags, taps)
    norm = np.abs(matrix).sum(axis=0).max()

    def backward_error(x):
        rest = matrix @ x - cross.transpose(0, 2, 1).reshape(2 * taps, -1)
        return np.abs(rest).max() / (norm * np.abs(x).max())

    once = toeplitz._inverse(right.transpose(3, 0, 1, 2) / toeplitz.levels[:, :, None])
    once = (once / toeplitz.levels[:, :, None])[:, 0].transpose(1, 0, 2).reshape(2 * taps, -1)
    assert backward_error(once) > 1e-14
    assert backward_error(found.transpose(0, 2, 1).reshape(2 * taps, -1)) < 1e-16


def test_one_singular_system_does_not_spoil_its_neighbours(rng):
    lags, right = systems(rng, 3, 2, 8)
    lags[1, :, :, :] = 0
    found = solve_all(list(zip(lags, right)), ridge=0.0)
    assert found[1] == (None, 0.0)
    for index in (0, 2):
        alone, condition = solve(lags[index], right[index], ridge=0.0)
        np.testing.assert_allclose(found[index][0], alone, rtol=1e-9)
        assert found[index][1] == pytest.approx(condition)


def test_a_matrix_of_zeros_has_no_inverse():
    with pytest.raises(np.linalg.LinAlgError):
        BlockToeplitz(np.zeros((1, 2, 2, 7)))
