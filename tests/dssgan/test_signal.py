"""Signal processing against librosa, SciPy and NumPy."""

import librosa
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan import signal
from dssgan.portable import portable


@pytest.mark.parametrize(("frame_length", "hop"), [(1024, 256), (512, 128), (400, 100)])
def test_stft_equals_librosa(rng, frame_length, hop):
    audio = rng.standard_normal((2, 5000)).astype(np.float32)
    found = np.swapaxes(signal.stft(audio, frame_length, hop), 1, 2)
    expected = librosa.stft(audio, n_fft=frame_length, hop_length=hop, pad_mode="reflect")
    assert found.shape == expected.shape
    assert found.shape[-1] == signal.frame_count(5000, hop)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("frame_length", "hop", "samples"), [(512, 256, 5000), (2048, 512, 9216), (512, 128, 4097)]
)
def test_istft_equals_librosa(rng, frame_length, hop, samples):
    shape = (2, signal.frame_count(samples, hop), frame_length // 2 + 1)
    spectra = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    spectra = spectra.astype(np.complex64)
    found = signal.istft(spectra, frame_length, hop, samples)
    expected = librosa.istft(
        np.swapaxes(spectra, 1, 2), n_fft=frame_length, hop_length=hop, length=samples
    )
    # Where a window has only just begun librosa divides by next to nothing, and so do we.
    np.testing.assert_allclose(found[:, :-hop], expected[:, :-hop], atol=1e-5, rtol=1e-4)


def test_istft_undoes_stft(rng):
    audio = rng.standard_normal((2, 3, 7000)).astype(np.float32)
    again = signal.istft(signal.stft(audio, 512, 256), 512, 256, 7000)
    np.testing.assert_allclose(again, audio, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([16, 50, 512]),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(signal.WINDOWS)),
)
def test_the_inverse_by_products_is_the_inverse(frame_length, overlap, seed, window):
    """Of spectra that are those of no signal, and once around of those of one."""
    rng = np.random.default_rng(seed)
    hop = frame_length // (2 * overlap)
    samples = int(rng.integers(frame_length // 2 + 1, 6 * frame_length))
    shape = (2, signal.frame_count(samples, hop), frame_length // 2 + 1)
    real, imaginary = rng.standard_normal((2, *shape)).astype(np.float32)
    options = (frame_length, hop, samples, window)
    expected = signal.istft(tf.complex(real, imaginary), *options).numpy()
    found = signal.real_istft(tf.constant(real), tf.constant(imaginary), *options)
    # Where a window has only just begun both divide by next to nothing.
    inside = slice(0, samples - hop)
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-4)
    audio = rng.standard_normal((2, samples)).astype(np.float32)
    parts = signal.real_stft(audio, frame_length, hop, window=window)
    spectrum = signal.stft(audio, frame_length, hop, window=window)
    np.testing.assert_allclose(parts, [tf.math.real(spectrum), tf.math.imag(spectrum)], atol=1e-4)
    again = signal.real_istft(*parts, *options)
    np.testing.assert_allclose(again[:, inside], audio[:, inside], atol=1e-4)


def test_logarithms_for_formats_without_their_own_lose_nothing():
    x = np.concatenate([[0.0], np.logspace(-30, 1.5, 500)]).astype(np.float32)
    with portable():
        np.testing.assert_allclose(signal.log1p(tf.constant(x)), np.log1p(x), rtol=5e-7)
        np.testing.assert_allclose(signal.expm1(tf.constant(x)), np.expm1(x), rtol=5e-6)
    assert np.array_equal(signal.log1p(tf.constant(x)), tf.math.log1p(x))


def test_istft_refuses_frames_that_do_not_fit():
    with pytest.raises(ValueError, match="expected 9"):
        signal.istft(tf.zeros((1, 8, 257), tf.complex64), 512, 256, 2048)


def test_log_power_of_silence_is_the_floor():
    found = signal.log_power(tf.zeros((1, 4000)), 1024, 256)
    np.testing.assert_allclose(found, -8.0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 200))
def test_interpolation_equals_numpy(length_in, length_out):
    values = np.random.default_rng(length_in).standard_normal(length_in)
    found = signal.interpolation_matrix(length_in, length_out) @ values
    positions = np.linspace(0, length_in - 1, length_out)
    expected = np.interp(positions, np.arange(length_in), values)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("samples", [2, 100, 4096, 5002])
def test_halving_equals_a_strided_filter(rng, samples):
    audio = rng.standard_normal((3, samples)).astype(np.float32)
    found = signal.halve_rate(tf.constant(audio))
    taps = signal.half_band_taps().astype(np.float64)
    filtered = np.stack([np.convolve(row, taps) for row in audio])
    expected = filtered[:, len(taps) // 2 :][:, :samples:2]
    assert found.shape == (3, samples // 2)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_halving_keeps_tones_and_stops_aliases():
    time = np.arange(32000) / 32000
    kept = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    stopped = np.sin(2 * np.pi * 9000 * time).astype(np.float32)
    found = signal.halve_rate(tf.constant(np.stack([kept, stopped])))
    middle = slice(2000, 14000)
    np.testing.assert_allclose(found[0, middle], kept[::2][middle], atol=1e-3)
    assert np.abs(found[1, middle]).max() < 1e-3
    reference = scipy.signal.resample_poly(kept, 1, 2)
    np.testing.assert_allclose(found[0, middle], reference[middle], atol=2e-3)


def test_odd_lengths_are_refused():
    with pytest.raises(ValueError, match="even"):
        signal.halve_rate(tf.zeros((1, 5)))
