"""A window that moves along a stream gives what belongs to every sample, and no clicks."""

from types import SimpleNamespace

import numpy as np
import pytest

from dssgan.live.window import LiveSeparator
from dssgan.separation.chunked import ChunkedSeparator

RATE = 8000
FACTS = dict.fromkeys(("scale_free", "unit_variance", "normalises", "causal"), False)


class Fake(ChunkedSeparator):
    """Two sources from a function of the window (batch, samples, channels)."""

    def __init__(self, window, function, **facts):
        model = SimpleNamespace(
            sources=("drums", "accompaniment"),
            sample_rate=RATE,
            minimum=1,
            maximum=None,
            multiple=1,
            grid=1,
            context=0,
            **FACTS | facts,
        )
        super().__init__(
            model,
            segment=window / RATE,
            overlap=0.0,
            shifts=1,
            batch_size=1,
            consistent=None,
            temporary_folder=None,
        )
        self.function, self.heard = function, []

    def inference(self, channels):
        def infer(audio):
            self.heard.append(audio.copy())
            drums = self.function(audio)
            return np.stack([drums, audio - drums], 1).astype(np.float32)

        return infer


def cut(audio, sizes):
    """Blocks of changing sizes."""
    start = 0
    while start < len(audio):
        size = int(sizes[start % len(sizes)])
        yield audio[start : start + size]
        start += size


def streamed(live, audio, rate=RATE, sizes=(700, 1, 64)):
    pieces = list(live.stream(cut(audio, sizes), rate, live.sources))
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in live.sources}


@pytest.mark.parametrize("samples", [1, 99, 800, 5000, 8001])
@pytest.mark.parametrize(
    ("window", "block", "ahead"), [(1000, 300, 100), (400, 300, 100), (900, 17, 3)]
)
def test_stems_are_aligned_and_as_long_as_the_signal(samples, window, block, ahead, rng):
    audio = rng.standard_normal((samples, 2)).astype(np.float32)
    live = LiveSeparator(Fake(window, lambda audio: audio / 4), block, ahead)
    stems = streamed(live, audio)
    np.testing.assert_allclose(stems["drums"], audio / 4, atol=1e-6)
    np.testing.assert_allclose(stems["drums"] + stems["accompaniment"], audio, atol=1e-6)


def test_the_model_hears_past_block_and_what_lies_ahead(rng):
    audio = rng.standard_normal((2000, 1)).astype(np.float32)
    separator = Fake(900, lambda audio: audio)
    streamed(LiveSeparator(separator, 200, 100), audio)
    for place, window in enumerate(separator.heard[:10]):
        end = 200 * (place + 1)
        expected = np.concatenate([np.zeros((900, 1), np.float32), audio[:end]])[-900:]
        np.testing.assert_array_equal(window[0], expected)


def test_nothing_is_heard_later_than_block_and_look_ahead(rng):
    """A sample that has come is out once block + ahead more have."""
    block, ahead = 200, 100
    live = LiveSeparator(Fake(900, lambda audio: audio / 2), block, ahead)
    came = 0

    def blocks():
        nonlocal came
        for _ in range(300):
            came += 10
            yield np.ones((10, 1), np.float32)

    went = 0
    for piece in live.stream(blocks(), RATE, ["drums"]):
        went += len(piece["drums"])
        assert came - went <= block + ahead
    assert went == came == 3000


def test_windows_that_disagree_do_not_click():
    """Estimates with another offset each time: no step is larger than the fade allows."""
    offsets = iter(np.random.default_rng(0).uniform(-1, 1, 1000))
    live = LiveSeparator(Fake(900, lambda audio: 0 * audio + next(offsets)), 200, 100)
    live.consistent = False
    drums = streamed(live, np.ones((6000, 1), np.float32))["drums"][:, 0]
    assert live.fade == 80  # 10 ms
    assert np.abs(np.diff(drums[200:])).max() <= 2 / live.fade + 1e-6
    assert np.ptp(drums) > 1


@pytest.mark.parametrize("rate", [44100, 16000])
def test_other_rates_stay_aligned(rate, rng):
    time = np.arange(2 * rate) / rate
    audio = np.sin(2 * np.pi * 440 * time)[:, None].astype(np.float32)
    live = LiveSeparator(Fake(1600, lambda audio: audio / 2), 400, 200)
    stems = streamed(live, audio, rate, sizes=(1024,))
    np.testing.assert_allclose(
        stems["drums"][rate // 10 : -rate // 10], audio[rate // 10 : -rate // 10] / 2, atol=2e-3
    )
    assert len(stems["drums"]) == len(audio)


def test_what_cannot_be():
    for facts in ({"scale_free": True}, {"unit_variance": True}):
        with pytest.raises(ValueError, match="the level of the whole song"):
            LiveSeparator(Fake(900, abs, **facts), 200, 100)
    with pytest.raises(ValueError, match="block 800 and look-ahead 200"):
        LiveSeparator(Fake(900, abs), 800, 200)
    live = LiveSeparator(Fake(900, abs), 200, 100)
    with pytest.raises(ValueError, match="no source 'bass', this separator has drums"):
        live.stream([], RATE, ["bass"])
