"""`python -m dssgan.separate` with --pre, --post, --models and --blend."""

import numpy as np
import pytest

from datasets import audio
from tests.dssgan.conftest import FOUR, KIT
from tests.dssgan.test_separate import listed, song


def stems(folder, names):
    return {name: audio.read(folder / f"{name}.wav")[0] for name in names}


@pytest.mark.parametrize("words", [("--post", "wiener,transients"), ("--pre", "hpss")])
def test_steps_keep_the_sum(call, tmp_path, words):
    mixture = song(tmp_path / "take.wav")
    words = [tmp_path / "take.wav", "-o", tmp_path / "out", "--bits", "32f", *words]
    code, out, err = call(*words, model="four")
    assert code == 0 and not err and "residual" in out
    found = stems(tmp_path / "out" / "take", FOUR)
    assert np.abs(sum(found.values()) - mixture).max() < 1e-5
    # The gains of the stand-in are not what comes out: something was done.
    assert np.abs(found["drums"] - 0.4 * mixture).max() > 1e-3


def test_models_are_blended_and_their_pieces_separated(call, exports, tmp_path):
    mixture = song(tmp_path / "take.wav")
    words = [tmp_path / "take.wav", "-o", tmp_path / "out", "--bits", "32f", "--kit"]
    words += [exports / "kit", "--models", f"{exports / 'loud'},{exports / 'four'}"]
    code, out, err = call(*words, model=None)
    assert code == 0 and not err and "loud, " in out and "four (" in out
    names = (*KIT, "accompaniment")
    assert listed(tmp_path / "out") == sorted(f"take/{name}.wav" for name in names)
    found = stems(tmp_path / "out" / "take", names)
    assert np.abs(sum(found.values()) - mixture).max() < 1e-5
    for model in ("loud", "four"):
        words = [tmp_path / "take.wav", "-o", tmp_path / model, "--bits", "32f"]
        assert call(*words, "--two-stems", "drums", model=model)[0] == 0
    alone = [stems(tmp_path / model / "take", names[-1:]) for model in ("loud", "four")]
    mean = sum(one["accompaniment"] for one in alone) / 2
    np.testing.assert_allclose(found["accompaniment"], mean, atol=1e-5)


@pytest.mark.parametrize(
    "words, message",
    [
        (("--post", "winer"), "--post winer: expected some of wiener, transients"),
        (("--models", "drums"), "--models drums: expected two or more, with commas between"),
        (("--models", "drums,nowhere"), "nowhere"),
        (("--models", "drums,kit", "--model", "drums"), "exclude each other"),
        (("--models", "drums,kit"), "only separators of the same sources go together"),
        (("--model", "kit", "--pre", "hpss"), "expected one of accompaniment or other"),
    ],
)
def test_misuse_is_one_line(call, tmp_path, words, message):
    song(tmp_path / "take.wav")
    code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out", *words, model=None)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not listed(tmp_path / "out") if (tmp_path / "out").exists() else True
