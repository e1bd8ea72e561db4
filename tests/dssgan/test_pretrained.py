"""The separators that come with the library, and the song that shows the first of them."""

import json

import numpy as np
import pytest

from common.digests import file_digest
from datasets import audio
from dssgan import exports, separate
from dssgan.separator import Separator
from experiments import demo_song

MOST_BYTES = 12_000_000


@pytest.mark.parametrize("name", exports.pretrained())
def test_what_ships_is_whole_small_and_described(name):
    folder = exports.pretrained()[name]
    config = json.loads((folder / exports.CONFIG).read_text())
    assert config["weights_sha256"] == file_digest(folder / exports.WEIGHTS)
    assert (folder / exports.WEIGHTS).stat().st_size < MOST_BYTES
    card = (folder / "MODEL_CARD.md").read_text()
    for heading in ("## Scores", "## Training", "## What it is bad at"):
        assert heading in card
    scores = config["provenance"]["scores"]
    targets = config["hyperparameters"]["targets"]
    assert targets and set(targets) <= set(scores)
    for target in targets:
        assert "{SDR} / {SIR} / {SAR}".format(**scores[target]) in card


def test_the_models_are_listed_within_80_columns(capsys):
    with pytest.raises(SystemExit) as stop:
        separate.main(["--list-models"])
    printed = capsys.readouterr().out
    assert stop.value.code == 0
    assert printed.startswith("drums: drums, accompaniment; bandsplit at 44100 Hz; 10 MB; ")
    assert "6.7 dB SDR (5" in printed and "MIT" in printed
    words = [line for line in printed.splitlines() if "MODEL_CARD" not in line]
    assert max(map(len, words)) <= 80


def test_a_name_stands_for_what_ships_unless_there_is_such_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exports.newest_export() == exports.find_export("drums") == exports.PRETRAINED / "drums"
    (tmp_path / "drums").mkdir()
    with pytest.raises(ValueError, match=r"drums: no config\.json"):
        exports.find_export("drums")
    with pytest.raises(ValueError, match=r"no such folder.*or drums or kit of the library"):
        exports.find_export("bass")


@pytest.mark.slow
def test_the_example_loses_its_drums(shared, tmp_path, capfd):
    """As `make demo` does it: 20 s of a song that was in no training, 120 s after its beginning."""
    assert demo_song.main(["--out", str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    page = (tmp_path / "index.html").read_text()
    assert str(tmp_path / "index.html") in printed and page.count("<audio") == 3
    stems = {
        name: audio.read(tmp_path / "stems" / "example" / f"{name}.wav")[0]
        for name in ("drums", "accompaniment")
    }
    song, rate = audio.read(demo_song.EXAMPLE)
    assert np.abs(sum(stems.values()) - song).max() < 1e-4
    place = (120 * 44100, 140 * 44100)
    drums, _ = audio.read(shared / "audio/everythingisfree/Francium/drums.ogg", *place)
    drums = audio.resample(drums, 44100, rate)[: len(song)]
    error = stems["drums"][: len(drums)] - drums
    sdr = 10 * np.log10(np.sum(drums**2) / np.sum(error**2))
    assert sdr > 6.0  # of the song itself 1.9
    assert Separator.load("dssgan/pretrained/drums").sources == ("drums", "accompaniment")
