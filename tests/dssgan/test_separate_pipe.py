"""Standard output gets stems while they are being separated."""

import argparse
import io
import os
from pathlib import Path

import numpy as np
import pytest

from datasets import audio
from datasets.audio.wav import WavPipe
from dssgan.separate_song import separate_song
from dssgan.separation.inputs import SongFile
from dssgan.separation.spooling import Sink

BLOCKS, LENGTH, RATE = 5, 1000, 8000


class Watched:
    """A separator that looks at a file whenever it has given a block."""

    sources, complete, engine, precision = ("drums",), False, "watched", "float32"

    def __init__(self, path: Path):
        self.path, self.sizes = path, []

    def temporary_bytes(self, *_) -> int:
        return 0

    def stream(self, blocks, *_, **__):
        mixture = np.concatenate(list(blocks))
        for start in range(0, len(mixture), LENGTH):
            yield {"drums": mixture[start : start + LENGTH]}
            self.sizes.append(os.stat(self.path).st_size)


def options(folder: Path, bits) -> argparse.Namespace:
    given = {"format": "wav", "bits": bits, "bitrate": None, "start": 0.0, "duration": None}
    return argparse.Namespace(out=folder, midi=False, to_stdout=True, **given)


@pytest.mark.parametrize("bits", ["32f", 16])
def test_floats_leave_block_by_block_and_whole_numbers_when_the_peak_is_known(tmp_path, bits):
    samples = np.linspace(-0.9, 0.9, BLOCKS * LENGTH, dtype=np.float32)[:, None]
    audio.write(tmp_path / "take.wav", samples, RATE, bits="32f")
    separator = Watched(tmp_path / "out.wav")
    song = SongFile(tmp_path / "take.wav", "take")
    plan = {"drums": tmp_path / "drums.wav"}
    with open(tmp_path / "out.wav", "wb") as file:
        separate_song(separator, song, plan, options(tmp_path, bits), Sink(file.fileno()))
    found, rate = audio.read(tmp_path / "out.wav")
    assert rate == RATE
    np.testing.assert_allclose(found, samples, atol=0 if bits == "32f" else 2**-16)
    if bits == "32f":
        assert np.all(np.diff(separator.sizes) == 4 * LENGTH) and separator.sizes[0] > 4 * LENGTH
        assert not plan["drums"].exists()
    else:
        assert set(separator.sizes) == {0}


@pytest.mark.parametrize("bits", [16, 24, "32f"])
@pytest.mark.parametrize("count", [0, 7, 4096])
def test_the_pipe_holds_what_a_file_holds(tmp_path, bits, count):
    samples = np.random.default_rng(1).uniform(-1, 1, (count, 1)).astype(np.float32)
    audio.write(tmp_path / "file.wav", samples, 44100, bits=bits)
    stream = io.BytesIO()
    pipe = WavPipe(stream, 44100, 1, count, bits)
    for start in range(0, count, 1000):
        pipe.write(samples[start : start + 1000])
    pipe.close()
    assert stream.getvalue() == (tmp_path / "file.wav").read_bytes()


def test_the_length_that_was_announced_is_kept():
    pipe = WavPipe(io.BytesIO(), 8000, 2, 10, 16)
    with pytest.raises(ValueError, match="10 samples less"):
        pipe.close()
    with pytest.raises(ValueError, match="2 samples more"):
        pipe.write(np.zeros((12, 2), np.float32))
