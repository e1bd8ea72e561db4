"""Correlations, Gram matrices and filters against plain formulas."""

import numpy as np
import pytest

from evaluation.metrics import projection
from evaluation.metrics.decomposition import original_channels
from evaluation.metrics.projection import (
    FilterBank,
    correlations,
    excerpt,
    gram_matrix,
    solve,
    solve_generally,
    whole_correlations,
)

TAPS = 5


@pytest.fixture
def audio(rng):
    return rng.standard_normal((2, 300, 2)), rng.standard_normal((3, 300, 2))


def delayed(rows, taps):
    """Rows (K, samples) → all their delays (K · taps, samples + taps − 1)."""
    return np.stack([np.pad(row, (lag, taps - 1 - lag)) for row in rows for lag in range(taps)])


def test_excerpts_read_as_zeros_outside(audio):
    references, _ = audio
    found = excerpt(references, -2, 303)
    assert found.shape == (4, 305)
    assert not found[:, :2].any()
    assert not found[:, 302:].any()
    np.testing.assert_array_equal(found[1, 2:302], references[0, :, 1])
    assert not excerpt(references, 400, 410).any()


@pytest.mark.parametrize("block", [64, 2**14])
@pytest.mark.parametrize("compute", [correlations, whole_correlations])
def test_gram_matrix_holds_products_of_delays(audio, monkeypatch, block, compute):
    monkeypatch.setattr(projection, "BLOCK", block)
    lags, cross = compute(audio[0], [audio[1]], TAPS)
    rows = delayed(excerpt(audio[0], 0, 300), TAPS)
    np.testing.assert_allclose(gram_matrix(lags, TAPS), rows @ rows.T, atol=1e-10)
    targets = np.pad(excerpt(audio[1], 0, 300), ((0, 0), (0, TAPS - 1)))
    expected = (rows @ targets.T).reshape(4, TAPS, 6).transpose(0, 2, 1)
    np.testing.assert_allclose(cross, expected, atol=1e-10)


def test_filters_are_the_least_squares_solution(audio):
    lags, cross = correlations(audio[0], [audio[1]], TAPS)
    filters, reciprocal_condition = solve(lags, cross)
    rows = delayed(excerpt(audio[0], 0, 300), TAPS)
    targets = np.pad(excerpt(audio[1], 0, 300), ((0, 0), (0, TAPS - 1)))
    expected = np.linalg.lstsq(rows.T, targets.T, rcond=None)[0].T.reshape(6, 4, TAPS)
    np.testing.assert_allclose(filters, expected, atol=1e-10)
    np.testing.assert_allclose(solve_generally(lags, cross), expected, atol=1e-10)
    gram = rows @ rows.T
    assert reciprocal_condition == pytest.approx(1 / np.linalg.cond(gram, 1), rel=0.5)


def test_a_system_that_is_not_positive_definite_has_no_cholesky_solution(audio):
    lags, cross = correlations(audio[0], [audio[1]], TAPS)
    assert solve(-lags, cross) == (None, 0.0)
    assert solve(0 * lags, cross, ridge=1.0)[0] is not None


def test_a_singular_system_says_so_and_is_solved(audio):
    references = np.concatenate([audio[0], audio[0][:1]])
    lags, cross = correlations(references, [audio[1]], TAPS)
    assert solve(lags, cross)[1] < 1e-12
    filters = solve_generally(lags, cross)
    rows = delayed(excerpt(references, 0, 300), TAPS)
    right = cross.transpose(0, 2, 1).reshape(len(rows), -1)
    np.testing.assert_allclose(rows @ (rows.T @ filters.reshape(6, -1).T), right, atol=1e-6)


def test_a_filter_bank_convolves(rng):
    filters = rng.standard_normal((3, 2, TAPS))
    block = rng.standard_normal((2, 64))
    found = FilterBank(filters, 64)(np.fft.rfft(block))
    expected = [
        sum(np.convolve(filters[e, k], block[k], "valid") for k in range(2)) for e in range(3)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_copies_and_silence_are_found(rng):
    audio = rng.standard_normal((3, 2000, 2)).astype(np.float32)
    audio[1, :, 1] = 0
    audio[2, :, 0] = audio[0, :, 1]
    assert original_channels(audio) == [0, 1, 2, None, 1, 5]
