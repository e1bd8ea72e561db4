"""What a separator's training songs are like, written beside its weights."""

import json

import numpy as np
import pytest

from common import cli
from datasets import audio
from datasets.track import AudioShape, Track
from dssgan import models
from dssgan.config.mappings import to_dict
from dssgan.config.schema import from_dict
from dssgan.exports import CONFIG, WEIGHTS
from dssgan.postprocessing.style import style_of
from dssgan.separator import Separator
from experiments import style
from experiments.run.configuration import exported_configuration
from experiments.songs.entries import entries, readable, select
from tests.dssgan.postprocessing.test_style import RATE, clicks, drone
from tests.dssgan.separator_stand_ins import Splitter

KEYS = {
    "sources": ["drums", "accompaniment"],
    "data": {"options": {"songs": 6, "seconds": 3.0, "sample_rate": 8000}},
    "seed": 1,
}


@pytest.fixture
def separator(tmp_path, monkeypatch):
    """An exported separator of a run on a few rendered songs."""
    monkeypatch.setitem(models.SEPARATORS, "splitter", Splitter)
    folder = tmp_path / "mine" / "separator"
    Separator(Splitter()).save(folder, {"configuration": to_dict(from_dict(KEYS))})
    return folder


@pytest.fixture
def call(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as left:
            cli.run(style.main, list(map(str, words)))
        return left.value.code, *capsys.readouterr()

    return call


def test_the_songs_are_those_it_was_trained_on(separator, call):
    before = json.loads((separator / CONFIG).read_text())
    weights = (separator / WEIGHTS).read_bytes()
    code, out, err = call(separator)
    ((where, entry),) = entries(exported_configuration(separator))
    tracks = select(readable(where, entry), entry, "train", where)
    assert (code, err) == (0, "")
    assert out == f"{separator}: the style of {len(tracks)} songs\n"
    found = style_of(separator)
    levels = [style.figures(track.read("mixture"), track.sample_rate) for track in tracks]
    mean = np.mean([one["level 120"] for one in levels])
    assert found.songs == len(tracks) and found.figures["level 120"][0] == pytest.approx(
        mean, abs=1e-3
    )
    after = json.loads((separator / CONFIG).read_text())
    assert {key: after[key] for key in before} == before
    assert (separator / WEIGHTS).read_bytes() == weights

    assert call(separator, "--most", "2")[0] == 0
    assert style_of(separator).songs == 2
    words = ["with", "demo", "data.options={songs: 4, seconds: 2.0, sample_rate: 8000}"]
    assert call(separator, *words, "data.train=null")[0] == 0
    assert style_of(separator).songs == 4


def test_drums_alone_are_no_songs(monkeypatch):
    track = lambda name, *stems: Track(name, "train", AudioShape(8000, 1, 16000), stems)  # noqa: E731
    tracks = [track("a", "drums"), track("b", "drums", "bass"), track("c", "drums", "other")]
    monkeypatch.setattr(style, "readable", lambda where, entry: tracks)
    monkeypatch.setattr(style, "select", lambda found, *_: found)
    monkeypatch.setattr(Track, "read", lambda self, *_: np.zeros((16000, 1), np.float32))
    heard = []
    monkeypatch.setattr(style, "figures", lambda audio, rate: heard.append(rate) or {"pulse": 1.0})
    assert len(list(style.of_training(from_dict(KEYS), 9))) == len(heard) == 2
    del tracks[1:]
    assert len(list(style.of_training(from_dict(KEYS), 9))) == 1


def test_files_and_folders_of_songs(separator, call, tmp_path, rng):
    audio.write(tmp_path / "songs" / "a.flac", clicks(rng), RATE)
    audio.write(tmp_path / "songs" / "more" / "b.wav", drone(rng), RATE)
    audio.write(tmp_path / "songs" / "silent.wav", np.zeros((3 * RATE, 2)), RATE)
    code, out, err = call(separator, tmp_path / "songs")
    assert (code, err) == (0, "") and "the style of 2 songs" in out
    (tmp_path / "songs" / "torn.flac").write_bytes(b"fLaC")
    code, out, err = call(separator, tmp_path / "songs")
    assert code == 1 and "torn.flac" in out and "the style of 2 songs" in out


def test_the_card_states_it_once(separator, call, tmp_path, rng):
    audio.write(tmp_path / "a.wav", clicks(rng), RATE)
    card = separator / "MODEL_CARD.md"
    card.write_text("# mine\n\nIt separates.\n\n## Licence\n\nMIT\n")
    for _ in range(2):
        assert call(separator, tmp_path / "a.wav")[0] == 0
    text = card.read_text()
    assert text.count(style.TITLE) == text.count("| pulse | ") == text.count("## Licence") == 1
    assert text.startswith("# mine\n\nIt separates.\n") and "MIT" in text
    card.write_text(text.replace("| crest |", "| crust |"))
    assert call(separator, tmp_path / "a.wav")[0] == 0
    assert card.read_text() == text


def test_misuse_is_one_line(separator, call, tmp_path):
    assert "nowhere: no such folder" in call("nowhere")[2]
    assert "--most 0: expected at least 1" in call(separator, "--most", "0")[2]
    audio.write(tmp_path / "silent.wav", np.zeros((3 * RATE, 2)), RATE)
    before = (separator / CONFIG).read_bytes()
    code, _, err = call(separator, tmp_path / "silent.wav")
    assert code == 2 and "no song to tell a style of" in err
    Separator(Splitter()).save(separator)
    code, _, err = call(separator)
    assert code == 2 and "it comes from no training run" in err and err.count("\n") == 1
    assert (separator / CONFIG).read_bytes() != before  # saved anew, and not by the command
    assert "style" not in json.loads((separator / CONFIG).read_text())
