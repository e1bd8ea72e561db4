"""`python -m dssgan.live` on files, and what makes no sense."""

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan.exports import PRETRAINED
from dssgan.live import __main__ as live
from dssgan.live.plan import plan
from dssgan.runtime.onnx_separator import OnnxSeparator
from tests.dssgan.live.test_window import RATE, Fake

CLIP = PRETRAINED / "drums" / "example.opus"


@pytest.mark.slow
def test_the_drums_of_a_file(tmp_path, capsys):
    clip, rate = audio.read(CLIP, 10 * 48000, 13 * 48000)
    audio.write(tmp_path / "clip.wav", clip[:, :1], rate)
    words = [str(tmp_path / "clip.wav"), str(tmp_path / "drums.flac"), "--fast"]
    assert live.main([*words, "--latency", "2", "--speed", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("drums, drums: latency 2 s = 0.800 block + 0.400 look-ahead + 0.800 ")
    found, found_rate = audio.read(tmp_path / "drums.flac")
    assert found_rate == rate and found.shape == (3 * rate, 1)
    whole = OnnxSeparator.load(PRETRAINED / "drums").separate(clip[:, :1], rate)["drums"]
    error = np.square(found - whole).sum() / np.square(whole).sum()
    assert 10 * np.log10(error) < -6  # the same drums, with less to go by


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--latency", "0.01"], "--latency 0.01: expected 0.05 to 4 s"),
        (["device", "out.wav"], "a device goes with a device"),
        (["-", "-", "--fast"], "--fast reads a file"),
        (["-", "-", "--channels", "9"], "1 to 8 channels"),
        (["-", "-", "--speed", "0"], "--speed 0: expected more than 0"),
        (["-", "-", "--model", "a", "--model", "b"], "say --auto"),
        (["-", "-", "--model", "nowhere"], "--model nowhere: no such folder"),
        (["-", "-", "--source", "bass", "--speed", "9"], "--source bass: drums has drums, acc"),
    ],
)
def test_misuse(words, said):
    with pytest.raises(UsageError, match=said):
        live.main(words)


def test_a_machine_that_is_too_slow_says_so_in_one_line():
    with pytest.raises(ValueError, match=r"^drums: the separator does 1\.0 times real time here"):
        live.main([str(CLIP), "x.wav", "--speed", "1"])


def test_a_song_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        live.main([str(tmp_path / "no.wav"), "x.wav", "--speed", "9"])


def test_windows_are_measured_as_they_are_chosen(monkeypatch):
    """Short windows may take more than their share of the time of a long one."""
    speeds = iter([10.0, 5.0, 4.9])
    monkeypatch.setattr(live, "speed_of", lambda *given: next(speeds))

    def load(folder, segment=None):
        return Fake(round(segment * RATE), lambda audio: audio)

    monkeypatch.setattr(live.loading, "load", load)
    options = live.parse(["-", "-", "--latency", "0.5"])
    found, chosen = live.planned(PRETRAINED / "drums", options, RATE, 1)
    assert chosen == plan(0.5, 5.0)
    assert found.separator.segment == round(chosen.window * RATE)
