"""`python -m dssgan.resynth`: the same hits on another kit, the rest of the song as it was."""

import numpy as np
import pytest

from common.cli import run
from datasets import audio
from dssgan import resynth
from dssgan.separator import Separator
from tests.dssgan.conftest import KIT
from tests.dssgan.kit.test_onsets import clicks, detected

PLACES = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


@pytest.fixture
def new_kit(tmp_path):
    """A hit per piece: a tone that dies away."""
    time = np.arange(8000) / 44100
    for place, piece in enumerate(("kick", "snare", "tom", "hihat_closed", "crash")):
        tone = 0.5 * np.sin(2 * np.pi * 150 * 2**place * time) * np.exp(-time / 0.05)
        folder = tmp_path / "new"
        folder.mkdir(exist_ok=True)
        audio.write(folder / f"{piece}_01.wav", tone[:, None].astype(np.float32), 44100)
    return tmp_path / "new"


@pytest.fixture
def play(exports, registered, new_kit, capsys, tmp_path):
    """Run the command; returns exit code, output and errors."""

    def play(*words, model="four"):
        given = ["--kit", new_kit, "--model", exports / model, "--pieces", exports / "kit", *words]
        with pytest.raises(SystemExit) as left:
            run(resynth.main, [str(word) for word in given])
        output = capsys.readouterr()
        return left.value.code, output.out, output.err

    return play


def song(path, channels=2):
    mixture = np.repeat(clicks(PLACES, [0.02] * len(PLACES)), channels, axis=1)
    audio.write(path, mixture, 44100, format="wav", bits="32f")
    return mixture


@pytest.mark.parametrize("channels", [1, 2])
def test_the_rest_stays_and_the_kit_plays(play, exports, tmp_path, channels):
    mixture = song(tmp_path / "take.wav", channels)
    code, out, err = play(tmp_path / "take.wav", "-o", tmp_path / "new.wav")
    assert (code, err) == (0, "") and f"{len(KIT) * len(PLACES)} hits on new" in out
    found = audio.read(tmp_path / "new.wav")[0]
    assert found.shape == mixture.shape
    drums = Separator.load(exports / "four", segment=0.5).separate(mixture, 44100)["drums"]
    played = found - (mixture - drums)
    hits = detected(played, "kick")
    assert np.abs(np.array([hit.time for hit in hits]) - PLACES).max() < 0.02
    ratio = np.sqrt(np.mean(np.square(played)) / np.mean(np.square(drums)))
    assert abs(20 * np.log10(ratio)) < 1.0


def test_silence_stays_silence(play, tmp_path):
    audio.write(tmp_path / "nothing.wav", np.zeros((30000, 2), np.float32), 44100)
    code, out, err = play(tmp_path / "nothing.wav", "-o", tmp_path / "new.flac")
    assert (code, err) == (0, "") and "0 hits" in out
    assert not audio.read(tmp_path / "new.flac")[0].any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "new.mp3"], "expected a name that ends in .wav or .flac"),
        (["-o", "take.wav"], "is there already; --overwrite replaces it"),
        (["-o", "new.wav", "--kit", "Gone"], "Gone"),
        (["-o", "new.wav", "--gain", "99"], "expected -60 to 60 dB"),
        (["-o", "new.wav", "--pieces", "gone"], "gone: no such folder"),
    ],
)
def test_what_cannot_be_is_one_line(play, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    song(tmp_path / "take.wav")
    code, _, err = play("take.wav", *words)
    assert code == 2 and err.count("\n") == 1 and message in err
    assert not (tmp_path / "new.wav").exists()


def test_six_channels_are_refused(play, tmp_path):
    song(tmp_path / "take.wav", 6)
    code, _, err = play(tmp_path / "take.wav", "-o", tmp_path / "new.wav")
    assert code == 2 and "6 channels, expected mono or stereo" in err
