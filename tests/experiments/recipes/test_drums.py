"""The recipes of the shipped drum separator: same model, songs that are there, one run in small."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from common.json_files import parse_json
from dssgan.config.mappings import merge
from dssgan.config.schema import from_dict
from dssgan.exports import PRETRAINED, SHIPPED
from dssgan.separator import Separator
from dssgan.training.build import build_model
from experiments.run import train
from experiments.run.yaml_files import RECIPES, read_yaml
from experiments.songs.entries import entries, readable, select, unpaired_entries

DRUMS, SMALL, FURTHER = (
    read_yaml(RECIPES / f"{name}.yaml")
    for name in ("drums", "drums_kits_small", "drums_self_training")
)
SONGS = ["songs/freedoom/d_dm16.mid", "songs/freedoom/d_e1m2.mid"]
PERFORMANCES = [
    f"groove/drummer1/session1/{name}_4-4.mid"
    for name in ("100_neworleans-secondline_94_beat", "102_funk_95_beat")
]
OURS = ["../shared/audio/kits/muldjord", "../shared/audio/drums_cc0/uzu-drumkit"]


@pytest.mark.parametrize("recipe", [DRUMS, FURTHER])
def test_the_recipe_has_the_model_that_is_shipped(recipe):
    shipped = parse_json((PRETRAINED / SHIPPED / "config.json").read_bytes(), "config.json")
    model = build_model(from_dict(recipe))
    there, here = shipped["hyperparameters"], model.hyperparameters
    differing = {key for key in there.keys() | here.keys() if there.get(key) != here.get(key)}
    assert differing <= {"precision", "frames"}, differing
    assert 5.0e6 < sum(np.prod(v.shape) for v in model.trainable_variables) < 5.1e6


def test_self_training_hears_no_song_that_it_is_judged_by(shared):
    """Not with stems and not without, by the names in the lists and by what these select."""
    config = from_dict(FURTHER)
    heard, judged = set(), set()
    for where, entry in (*entries(config), *unpaired_entries(config)):
        if entry.root.startswith("../shared/audio"):
            tracks = readable(where, entry)
            heard |= {track.name for track in select(tracks, entry, "train", where)}
            for split in ("valid", "test") if entry.name == "folders" else ():
                judged |= {track.name for track in select(tracks, entry, split, where)}
    assert len(judged) == 2 + 5 and len(heard) == 4 + 4 + 2
    assert not heard & judged


@pytest.fixture
def music(shared, tmp_path):
    """Two MIDI songs and two performances of many, in the same folders."""
    for name in SONGS + PERFORMANCES:
        copy = tmp_path / "midi" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared / "midi" / name, copy)
    return tmp_path / "midi"


def small(recipe, music):
    """A recipe's datasets with little music, and kits that need not be installed."""
    datasets = [{**recipe["data"]}, *(dict(entry) for entry in recipe["data"]["also"])]
    for entry in datasets:
        if "kits" in entry.get("options", {}):
            entry["root"] = str(music / Path(entry["root"]).name)
            entry["options"] = entry["options"] | {"kits": OURS, "seconds": 10.0, "shortest": 1.0}
    del datasets[0]["options"]["shortest"]
    first = datasets[0] | {"train": ["freedoom/d_dm16"], "valid": ["freedoom/d_e1m2"]}
    return merge(recipe, {"data": first | {"also": datasets[1:]}})


@pytest.mark.parametrize("recipe", [DRUMS, SMALL], ids=["drums", "drums_kits_small"])
def test_songs_of_the_recipes_are_there_and_none_is_tested_and_learnt_from(music, recipe):
    config = from_dict(small(recipe, music))
    names = {"train": [], "valid": [], "test": []}
    for where, entry in entries(config):
        tracks = readable(where, entry)
        for split, chosen in names.items():
            chosen += [track.name for track in select(tracks, entry, split, where)]
    assert len(names["train"]) >= 6 and len(names["valid"]) == 1 and len(names["test"]) == 5
    assert len({name for chosen in names.values() for name in chosen}) == sum(
        map(len, names.values())
    )


@pytest.mark.slow
def test_the_small_recipe_trains_on_kits_and_real_songs(music, tmp_path, capsys):
    """Each of its datasets, every effect, to an export that separates."""
    values = small(SMALL, music)
    real, tested = values["data"]["also"][1:]
    real |= {"train": ["Lithium"], "test": []}
    tested |= {"test": ["MusicDelta_Grunge"]}
    little = {
        "name": "little",
        "data": {"cache": str(tmp_path / "cache"), "batch": 4},
        "model": {"features": 16, "hidden": 16, "repeats": 1, "mask_hidden": 16},
        "supervised": {"epochs": 1, "steps": 2, "calibration": 2},
        "validation": {"every": 1},
        "tracking": {"folder": str(tmp_path), "tensorboard": False},
        "compute": {"deterministic": False},
    }
    path = tmp_path / "little.yaml"
    path.write_text(yaml.safe_dump(merge(values, little)))
    assert train.main(["with", str(path)]) == 0
    capsys.readouterr()
    songs = json.loads((tmp_path / "little" / "scores" / "summary.json").read_bytes())["songs"]
    assert list(songs) == ["MusicDelta_Grunge"]
    mixture = np.random.default_rng(0).standard_normal((32000, 2)).astype(np.float32) / 10
    stems = Separator.load(tmp_path / "little" / "separator", segment=4.0).separate(mixture, 32000)
    np.testing.assert_allclose(stems["drums"] + stems["accompaniment"], mixture, atol=1e-4)
