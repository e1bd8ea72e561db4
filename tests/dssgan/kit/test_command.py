"""`python -m dssgan.separate --kit` and `--midi`."""

import numpy as np

from datasets import audio
from datasets.midi import file as midi
from tests.dssgan.conftest import KIT
from tests.dssgan.kit.test_onsets import clicks
from tests.dssgan.test_separate import listed


def beat(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    mixture = np.repeat(clicks([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [0.4] * 6), 2, axis=1)
    audio.write(path, mixture, 44100, format="wav", bits="32f")
    return mixture


def test_pieces_and_accompaniment_are_the_song(call, exports, tmp_path):
    mixture = beat(tmp_path / "take.wav")
    words = [tmp_path / "take.wav", "-o", tmp_path / "out", "--bits", "32f"]
    code, out, err = call(*words, "--kit", exports / "kit", model="four")
    assert code == 0 and not err and "residual" in out
    names = sorted((*KIT, "bass", "other", "vocals"))
    assert listed(tmp_path / "out") == [f"take/{name}.wav" for name in names]
    stems = [audio.read(tmp_path / "out" / "take" / f"{name}.wav")[0] for name in names]
    assert np.abs(np.sum(stems, axis=0) - mixture).max() < 1e-5


def test_notes_beside_stems(call, exports, tmp_path):
    beat(tmp_path / "take.wav")
    words = [tmp_path / "take.wav", "-o", tmp_path / "out", "--kit", exports / "kit", "--midi"]
    code, out, err = call(*words, "--sources", "kick", model="loud")
    assert (code, err) == (0, "") and " drum notes in " in out
    assert listed(tmp_path / "out") == ["take/kick.wav", "take/take.mid"]
    song = midi.read((tmp_path / "out" / "take" / "take.mid").read_bytes())
    assert sum(event.data[0] & 0xF0 == 0x90 for event in song.events) >= 6
    # Its own file is written again, that of another is not.
    assert call(*words, "--sources", "kick", model="loud")[0] == 0
    (tmp_path / "out" / "take" / "take.mid").write_bytes(b"mine")
    code, _, err = call(*words, "--sources", "kick", model="loud")
    assert code == 1 and "take.mid" in err and "--overwrite" in err
    assert (tmp_path / "out" / "take" / "take.mid").read_bytes() == b"mine"


def test_what_cannot_be_is_one_line(call, exports, tmp_path):
    beat(tmp_path / "take.wav")
    words = [tmp_path / "take.wav", "-o", tmp_path / "out"]
    code, _, err = call(*words, "--kit", tmp_path / "gone")
    assert code == 2 and err.startswith("error: --kit: ") and err.count("\n") == 1
    code, _, err = call(*words, "--kit", exports / "kit", model="kit")
    assert code == 2 and "no source 'drums', but kick" in err
    code, _, err = call(*words[:1], "-o", "-", "--sources", "drums", "--midi")
    assert code == 2 and "--midi: notes go beside the stems" in err
    assert not (tmp_path / "out").exists()
