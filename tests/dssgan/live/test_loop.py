"""The loop: what came, what goes, and how late."""

import io

import numpy as np
import pytest

from datasets import audio
from dssgan.live import ends, loop
from dssgan.live.window import LiveSeparator
from tests.dssgan.live.test_window import RATE, Fake


def live():
    return LiveSeparator(Fake(900, lambda audio: audio / 2), 200, 100)


def test_latency_is_from_coming_to_going(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    watch = loop.Watch(sample_rate=100, latency=2.0)
    watch.came(100)  # the first of these came a second ago
    now[0] = 10.5
    watch.went(50)
    assert watch.longest == pytest.approx(1.5) and watch.late == 0
    now[0] = 13.0
    watch.came(100)
    watch.went(100)  # the first of these came at 9.5
    assert watch.longest == pytest.approx(3.5) and (watch.late, watch.pieces) == (1, 2)
    watch.went(50)
    assert watch.longest == pytest.approx(3.5)
    assert str(watch) == "latency 3.500 s at most, 2 promised; 1 of 3 pieces late"


def test_all_that_comes_goes_out(rng):
    signal = rng.standard_normal((5000, 2)).astype(np.float32)
    out, watch = [], loop.Watch(RATE, 60.0)
    loop.run(live(), iter(np.split(signal, 50)), RATE, "drums", out.append, watch)
    np.testing.assert_allclose(np.concatenate(out), signal / 2, atol=1e-6)
    assert watch.late == 0 and watch.pieces == len(out)


def test_faults_of_either_end_are_raised():
    def blocks():
        yield np.zeros((500, 1), np.float32)
        raise OSError("the sound device has gone")

    with pytest.raises(OSError, match="has gone"):
        loop.run(live(), blocks(), RATE, "drums", lambda block: None, loop.Watch(RATE, 60.0))

    def full(block):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        signal = iter([np.zeros((500, 1), np.float32)] * 9)
        loop.run(live(), signal, RATE, "drums", full, loop.Watch(RATE, 60.0))


class Dribble(io.BytesIO):
    """Gives a few bytes at a time, as pipes do."""

    def read1(self, size):
        return super().read(min(size, 7))


@pytest.mark.parametrize(("kind", "step"), [("f32", 0.0), ("s16", 2**-16)])
def test_pipes_carry_numbers_whatever_their_pieces(kind, step, rng):
    signal = rng.uniform(-1, 1, (300, 3)).astype(np.float32)
    written = io.BytesIO()
    writer = ends.PipeWriter(kind, written)
    for block in np.split(signal, 3):
        writer.write(block)
    found = np.concatenate(list(ends.pipe_blocks(3, kind, Dribble(written.getvalue()))))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, signal, atol=step + 1e-9)


def test_a_pipe_that_ends_within_a_sample():
    with pytest.raises(ValueError, match="within a sample of 2 channels of s16"):
        list(ends.pipe_blocks(2, "s16", io.BytesIO(bytes(7))))


def test_a_file_is_read_no_faster_than_it_is_played(tmp_path, monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(ends.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(ends.time, "sleep", sleep)
    audio.write(tmp_path / "a.wav", np.zeros((8000, 1), np.float32), 8000)
    assert sum(map(len, ends.file_blocks(tmp_path / "a.wav", paced=True))) == 8000
    assert now[0] == pytest.approx(1.0) and max(slept) <= ends.BLOCK / 8000 + 1e-9
