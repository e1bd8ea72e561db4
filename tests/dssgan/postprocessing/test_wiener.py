"""The Wiener filter: that of Open-Unmix here, adding up, better than what it is given."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.models.openunmix import wiener as inside
from dssgan.postprocessing import wiener


def spectra(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("level", [0.01, 30.0])
def test_it_is_the_one_inside_open_unmix(channels, iterations, level, rng):
    estimates = level * spectra(rng, 20, 9, 3, channels)
    mixture = estimates.sum(2) + level * spectra(rng, 20, 9, channels)
    found = wiener.filtered(mixture, estimates, iterations)
    order = np.transpose(estimates, (2, 3, 0, 1))[None]
    mixed = np.transpose(mixture, (2, 0, 1))[None]
    pair = tuple(map(tf.constant, (order.real, order.imag)))
    real, imaginary = inside.expectation_maximisation(
        pair, tuple(map(tf.constant, (mixed.real, mixed.imag))), iterations
    )
    expected = np.transpose(real.numpy() + 1j * imaginary.numpy(), (0, 3, 4, 1, 2))[0]
    assert found.dtype == np.complex64 and found.shape == estimates.shape
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_estimates_add_up_to_the_mixture(channels, rng):
    estimates = spectra(rng, 30, 5, 2, channels)
    mixture = spectra(rng, 30, 5, channels)
    found = wiener.filtered(mixture, estimates)
    np.testing.assert_allclose(found.sum(2), mixture, atol=2e-3)


def test_sources_from_two_sides_are_told_apart(rng):
    """With the right directions and a common, wrong share, stereo sources come out."""
    left, right = spectra(rng, 60, 4), spectra(rng, 60, 4)
    true = np.stack([left[..., None] * [1, 0.1], right[..., None] * [0.1, 1]], 2)
    mixture = true.sum(2)
    guess = 0.6 * true + 0.4 * true[:, :, ::-1]
    found = wiener.filtered(mixture, guess, 2)

    def error(estimates):
        return np.abs(estimates - true).std() / np.abs(true).std()

    assert error(found) < 0.7 * error(guess)


def test_silence_stays_silent():
    nothing = np.zeros((4, 3, 2, 2), np.complex64)
    found = wiener.filtered(nothing[:, :, 0], nothing)
    assert not found.any() and np.isfinite(found).all()
