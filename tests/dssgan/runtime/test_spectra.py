"""Spectra in NumPy against those in TensorFlow."""

import numpy as np
import pytest

from dssgan import signal
from dssgan.runtime.spectra import istft, stft


@pytest.mark.parametrize(("frame_length", "hop"), [(256, 64), (2048, 512), (300, 75)])
@pytest.mark.parametrize("samples", [1200, 5000])
def test_transforms_are_those_of_tensorflow(frame_length, hop, samples):
    samples = max(samples // hop * hop, frame_length)
    audio = np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32)
    found = stft(audio, frame_length, hop)
    expected = signal.stft(audio, frame_length, hop).numpy()
    assert found.shape == expected.shape and found.dtype == np.complex64
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    changed = found * np.linspace(0, 1, found.shape[-1], dtype=np.float32)
    back = istft(changed, frame_length, hop, samples)
    assert back.dtype == np.float32
    assert np.abs(back - signal.istft(changed, frame_length, hop, samples)).max() < 2e-6
    assert np.abs(istft(found, frame_length, hop, samples) - audio).max() < 2e-6
