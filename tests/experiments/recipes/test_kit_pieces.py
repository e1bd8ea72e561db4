"""The recipe of a kit's pieces: drummers and kits that are held out, one run in small."""

import json
import shutil

import numpy as np
import pytest
import yaml

from dssgan.config.mappings import merge
from dssgan.config.schema import from_dict
from dssgan.separator import Separator
from experiments.run import train
from experiments.run.yaml_files import RECIPES, read_yaml
from experiments.songs.entries import entries, readable, select

RECIPE = read_yaml(RECIPES / "kit_pieces_small.yaml")
OURS = ["../shared/audio/kits/muldjord", "../shared/audio/drums_cc0/uzu-drumkit"]
PERFORMANCES = (
    "drummer1/session1/100_neworleans-secondline_94_beat_4-4",
    "drummer1/session1/102_funk_95_beat_4-4",
    "drummer5/eval_session/1_funk-groove1_138_beat_4-4",
    "drummer5/eval_session/2_funk-groove2_105_beat_4-4",
)


@pytest.fixture
def values(shared, tmp_path):
    """The recipe with four performances, on kits that need not be installed."""
    root = tmp_path / "groove"
    for name in PERFORMANCES:
        copy = root / f"{name}.mid"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared / "midi" / "groove" / f"{name}.mid", copy)
    heard, tested = RECIPE["data"], RECIPE["data"]["also"][0]
    short = {"seconds": 8.0, "shortest": 1.0}
    options = heard["options"] | short | {"kits": OURS[:1]}
    there = tested["options"] | short | {"kits": OURS[1:], "without": ["drummer1"]}
    first = {
        "root": str(root),
        "options": options,
        "train": [PERFORMANCES[0]],
        "valid": [PERFORMANCES[1]],
    }
    second = tested | {"root": str(root), "options": there, "test": list(PERFORMANCES[2:])}
    return merge(RECIPE, {"data": first | {"also": [second]}})


def test_no_kit_and_no_drummer_is_learnt_from_and_tested(values):
    heard, tested = RECIPE["data"], RECIPE["data"]["also"][0]
    assert not set(heard["options"]["kits"]) & set(tested["options"]["kits"])
    names = {"train": set(), "valid": set(), "test": set()}
    for where, entry in entries(from_dict(values)):
        tracks = readable(where, entry)
        for split, chosen in names.items():
            chosen |= {track.name for track in select(tracks, entry, split, where)}
    assert names == {
        "train": {PERFORMANCES[0]},
        "valid": {PERFORMANCES[1]},
        "test": set(PERFORMANCES[2:]),
    }


@pytest.mark.slow
def test_it_trains_and_its_pieces_are_the_drums(values, tmp_path, capsys):
    little = {
        "name": "little",
        "data": {"cache": str(tmp_path / "cache"), "batch": 3},
        "model": {"features": 16, "hidden": 16, "repeats": 1, "mask_hidden": 16},
        "supervised": {"epochs": 1, "steps": 2, "calibration": 2},
        "validation": {"every": 1},
        "evaluation": {"songs": 1},
        "tracking": {"folder": str(tmp_path), "tensorboard": False},
        "compute": {"deterministic": False},
    }
    path = tmp_path / "little.yaml"
    path.write_text(yaml.safe_dump(merge(values, little)))
    assert train.main(["with", str(path)]) == 0
    capsys.readouterr()
    summary = json.loads((tmp_path / "little" / "scores" / "summary.json").read_bytes())
    scored = set(next(iter(summary["songs"].values())))  # this performance has no toms
    assert {"kick", "snare", "hats"} <= scored <= set(RECIPE["sources"])
    separator = Separator.load(tmp_path / "little" / "separator", segment=4.0)
    assert separator.complete and separator.consistent
    drums = np.random.default_rng(0).standard_normal((32000, 2)).astype(np.float32) / 10
    np.testing.assert_allclose(sum(separator.separate(drums, 32000).values()), drums, atol=1e-4)
