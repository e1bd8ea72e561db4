"""A causal separator on a stream: alignment, delay, silence, and the command."""

from types import SimpleNamespace

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan.live import __main__ as live
from dssgan.live.plan import MARGIN, running_plan
from dssgan.live.running import RunningSeparator
from dssgan.models import build, export
from dssgan.separation.chunked import ChunkedSeparator
from dssgan.separator import Separator
from tests.dssgan.live.test_window import FACTS, RATE, cut, streamed

MULTIPLE, FIRST, DELAY = 40, 100, 130
SMALL = {
    "sources": ["drums", "accompaniment"],
    "stages": 1,
    "base_rate": 8000,
    "width": 16,
    "mels": 0,
    "bottleneck": 8,
    "hidden": 8,
    "layers": 2,
    "stacks": 1,
    "filter_length": 40,
    "stride": 40,
}


class Delayed(ChunkedSeparator):
    """A quarter of what it heard DELAY samples before its block, and the rest."""

    def __init__(self):
        facts = FACTS | {"causal": True, "multiple": MULTIPLE, "first": FIRST, "delay": DELAY}
        model = SimpleNamespace(
            sources=("drums", "accompaniment"),
            sample_rate=RATE,
            minimum=1,
            maximum=None,
            grid=1,
            context=0,
            **facts,
        )
        options = {"overlap": 0.0, "shifts": 1, "batch_size": 1, "consistent": None}
        super().__init__(model, segment=0.5, temporary_folder=None, **options)

    def inference(self, channels):
        return lambda audio: np.stack([audio / 4, audio * 3 / 4], 1)

    def running(self, channels, block):
        return Memory(channels, block)


class Memory:
    def __init__(self, channels, block):
        self.heard, self.block = np.zeros((DELAY, channels), np.float32), block

    def start(self, opening):
        assert opening.shape[0] == FIRST
        self.heard = np.concatenate([self.heard, opening])[FIRST:]

    def __call__(self, block):
        assert len(block) == self.block
        self.heard = np.concatenate([self.heard, block])
        found, self.heard = self.heard[: self.block], self.heard[self.block :]
        return np.stack([found / 4, found * 3 / 4], 1)


@pytest.mark.parametrize("samples", [1, 99, 100, 131, 800, 8001])
@pytest.mark.parametrize("block", [40, 400])
def test_stems_are_aligned_and_as_long_as_the_signal(samples, block, rng):
    signal = rng.standard_normal((samples, 2)).astype(np.float32)
    stems = streamed(RunningSeparator(Delayed(), block), signal)
    np.testing.assert_allclose(stems["drums"], signal / 4, atol=1e-6)
    np.testing.assert_allclose(stems["drums"] + stems["accompaniment"], signal, atol=1e-6)


def test_nothing_is_heard_later_than_block_and_delay():
    running, came, went = RunningSeparator(Delayed(), 80), 0, 0

    def blocks():
        nonlocal came
        for _ in range(300):
            came += 10
            yield np.ones((10, 1), np.float32)

    for piece in running.stream(blocks(), RATE, ["drums"]):
        went += len(piece["drums"])
        assert came - went <= 80 + DELAY
    assert went == came == 3000


def test_blocks_that_do_not_fit():
    with pytest.raises(ValueError, match="block 41: expected a multiple of 40"):
        RunningSeparator(Delayed(), 41)


@pytest.fixture(scope="module")
def separator():
    return Separator(build("causal_multistage", **SMALL), segment=1.0, consistent=False)


def test_a_stream_gives_what_the_whole_gives(separator, rng):
    """Also the model itself, through XLA, in stereo, with silence before it."""
    signal = 0.1 * rng.standard_normal((8000, 2)).astype(np.float32)
    signal[:120] = 0
    expected = separator.model(signal[None]).numpy()[0]
    running = RunningSeparator(separator, 80)
    silence = 2 * running.block  # as much as blocks without a sound, which it waits for
    led = np.concatenate([np.zeros((silence, 2), np.float32), signal])
    pieces = list(running.stream(cut(led, (700, 1, 64)), 8000, running.sources))
    end = len(signal) - separator.model.delay
    for place, name in enumerate(running.sources):
        found = np.concatenate([piece[name] for piece in pieces])
        assert len(found) == len(led)
        error = np.abs(found[silence : silence + end] - expected[place, :end]).max()
        assert error < 2e-3 * np.abs(expected).max()


def test_silence_stays_silence_and_nothing_is_fitted_to_it(separator, rng):
    advance = separator.running(1, 80)
    advance.start(np.zeros((separator.model.first, 1), np.float32))
    for _ in range(20):
        assert not advance(np.zeros((80, 1), np.float32)).any()
    signal = 0.1 * rng.standard_normal((80, 1)).astype(np.float32)
    found = advance(signal)
    fresh = separator.running(1, 80)
    fresh.start(np.zeros((separator.model.first, 1), np.float32))
    np.testing.assert_array_equal(found, fresh(signal))


def test_other_models_are_no_streams():
    with pytest.raises(ValueError, match="unet is not causal"):
        Separator(build("unet", filters=4)).running(1, 256)


@pytest.mark.parametrize("latency", [0.05, 0.1, 1.0])
def test_how_a_latency_is_spent(latency):
    found = running_plan(latency, 0.005, 0.018, 0.006, lambda block: 0.1 * block)
    assert found.latency <= latency + 1e-9
    assert found.ahead == 0.018 and found.computing == pytest.approx(0.1 * found.window)
    assert found.window / 0.005 == pytest.approx(round(found.window / 0.005))
    whole = found.block + found.ahead + MARGIN * found.computing
    assert whole == pytest.approx(found.latency)
    assert found.window == pytest.approx({0.05: 0.01, 0.1: 0.035, 1.0: 0.1}[latency])


def test_what_cannot_be_in_time():
    with pytest.raises(ValueError, match=r"0\.02 s is too short .* expected 0\.034 or more"):
        running_plan(0.02, 0.005, 0.018, 0.006, lambda block: 0.0)
    with pytest.raises(ValueError, match=r"a block of 0\.010 s takes 0\.020 s here, and 0\.007"):
        running_plan(0.05, 0.005, 0.018, 0.006, lambda block: 2 * block)


def test_the_command(separator, tmp_path, capsys, rng):
    export.save(separator.model, tmp_path / "causal")
    signal = 0.1 * rng.standard_normal((16000, 1)).astype(np.float32)
    audio.write(tmp_path / "song.wav", signal, 8000)
    audio.write(tmp_path / "other.wav", signal, 16000)
    words = [str(tmp_path / "song.wav"), str(tmp_path / "drums.wav"), "--speed", "20"]
    words += ["--model", str(tmp_path / "causal"), "--fast", "--latency", "0.1"]
    assert live.main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("causal, drums: latency 0.0")
    found, rate = audio.read(tmp_path / "drums.wav")
    assert rate == 8000 and found.shape == (16000, 1)
    words[0] = str(tmp_path / "other.wav")
    with pytest.raises(ValueError, match=r"causal: it runs at 8000 Hz, and the signal at 16000"):
        live.main(words)
    words[0] = str(tmp_path / "song.wav")
    with pytest.raises(ValueError, match=r"causal: a latency of 0\.05 s is too short"):
        live.main([*words, "--latency", "0.05"])
    with pytest.raises(UsageError, match="--source bass"):
        live.main([*words, "--source", "bass"])
