"""No song of a run is both learnt from and judged by: recordings are listened to."""

import re

import pytest
import yaml

from common.cli import UsageError
from datasets import audio, load
from experiments import overlap

PUNK, GRUNGE, BEATLES = "MusicDelta_Punk", "MusicDelta_Grunge", "MusicDelta_Beatles"


@pytest.fixture
def configuration(shared, tmp_path):
    """Writes a configuration that is judged by one song and hears two; returns its words."""
    root = str(shared / "audio" / "mdb9_mono")

    def write(judged, mixtures):
        lists = {"train": [BEATLES], "valid": [], "test": [judged] if judged else []}
        values = {
            "sources": ["drums", "accompaniment"],
            "phases": ["self_training", "test"],
            "data": {"name": "folders", "root": root, **lists},
            "unpaired": {"mixtures": [{"name": "recordings", "root": str(mixtures)}]},
            "self_training": {"init": "dssgan/pretrained/drums"},
        }
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(values))
        return ["with", str(path), "--workers", "1", "--keep", str(tmp_path / "kept")]

    return write


@pytest.fixture
def mixtures(shared, tmp_path):
    """A folder with 20 s of one of the songs: an mp3 under another name, 8 dB quieter."""
    (track,) = load("folders", shared / "audio" / "mdb9_mono", songs=[PUNK])
    excerpt = 0.4 * track.read("mixture", 3 * track.sample_rate, 23 * track.sample_rate)
    audio.write(tmp_path / "mixtures" / "demo.mp3", excerpt, track.sample_rate)
    return tmp_path / "mixtures"


def test_a_song_under_another_name_is_found(configuration, mixtures, capsys):
    assert overlap.main(configuration(PUNK, mixtures)) == 1
    found, told = capsys.readouterr().out.splitlines()
    assert found.startswith(f"{PUNK}: it is the same as the training song 'demo': ")
    there, here = re.search(r"differ, at (\d+) s and (\d+) s$", found).groups()
    assert abs(int(there) - int(here)) == 3
    assert told.endswith(
        "1 songs for validation and test, 2 recordings to train on (1 min): 1 in both"
    )


def test_other_songs_are_none_of_them(configuration, mixtures, capsys):
    assert overlap.main(configuration(GRUNGE, mixtures)) == 0
    assert capsys.readouterr().out.endswith(": none in both\n")


def test_a_name_is_enough(configuration, mixtures, capsys):
    (mixtures / "demo.mp3").rename(mixtures / f"{GRUNGE.upper()}.mp3")
    assert overlap.main(configuration(GRUNGE, mixtures)) == 1
    assert f"{GRUNGE}: a training song has the same name" in capsys.readouterr().out


def test_nothing_to_be_judged_by_is_misuse(configuration, mixtures):
    with pytest.raises(UsageError, match="no recording for validation or test"):
        overlap.main(configuration(None, mixtures))
