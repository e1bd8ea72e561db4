"""`python -m dssgan.live` on files, and what makes no sense."""

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan.exports import PRETRAINED
from dssgan.live import __main__ as live
from dssgan.runtime.onnx_separator import OnnxSeparator

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
