"""A server of the page and a song for it."""

import numpy as np
import pytest

from datasets import audio
from tests.dssgan.app.serving import serving


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "jobs") as client:
        yield client


@pytest.fixture
def song(tmp_path, rng):
    """Six seconds of noise in stereo."""
    path = tmp_path / "First Song.wav"
    noise = 0.2 * rng.standard_normal((6 * 44100, 2))
    audio.write(path, noise.astype(np.float32), 44100)
    return path
