"""Both phases of the systems of 2018, on small songs in the layouts of their own datasets."""

import json

import pytest
import yaml

import datasets
from datasets.legacy.export import export
from datasets.legacy.lists import write
from datasets.legacy.songs import listed
from experiments.run import train
from experiments.run.yaml_files import read_yaml
from tests.experiments import miniatures
from tests.experiments.recipes.test_texts import RECIPE_FILES, commands_of

#: Makes a training short.
SHORT = [
    "data.batch=2",
    "supervised.epochs=1",
    "supervised.steps=2",
    "supervised.calibration=2",
    "adversarial.epochs=1",
    "adversarial.steps=1",
    "separation.segment=6.0",
    "tracking.tensorboard=false",
    "compute.deterministic=false",
]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Songs of the band that the phases share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pickle(tmp_path_factory):
    """The original's `dataset.pkl` on songs of the band; some of them unpaired."""
    out = tmp_path_factory.mktemp("songs")
    export(datasets.load("band", songs=3, seconds=7.0, sample_rate=8000), out)
    tracks = datasets.load("folders", str(out), sources=["drums"])
    order = ("accompaniment", "drums")
    free = [track for track in tracks if track.split == "train"][:2]
    lists = listed(tracks, {"mixtures": free, **dict.fromkeys(order, free)}, order)
    write(out / "dataset.pkl", lists)
    return out / "dataset.pkl"


@pytest.mark.parametrize(
    "phase",
    [[], ["phases=[adversarial,test]", "alpha=0.001", "beta=0.001", "name=semi"]],
    ids=["supervised", "adversarial"],
)
def test_the_original_dssgan_trains_from_its_pickle(phase, pickle, songs, tmp_path, capsys):
    """Both phases of the original, on a list as it writes them, scored by its protocol."""
    recipe = read_yaml(RECIPE_FILES / "dssgan_original.yaml")
    unpaired = recipe["unpaired"]
    for entry in (*unpaired["mixtures"], *unpaired["solos"]):
        entry["root"] = str(pickle)
    path = tmp_path / "dssgan_original.yaml"
    path.write_text(yaml.safe_dump(recipe | {"unpaired": unpaired}))
    words = [
        f"data.root={pickle}",
        f"data.cache={songs}",
        f"tracking.folder={tmp_path / 'runs'}",
        *SHORT,
        *phase,
    ]
    assert train.main(["with", str(path), *words]) == 0
    name = "semi" if phase else "dssgan_original"
    summary = json.loads((tmp_path / "runs" / name / "scores" / "summary.json").read_bytes())
    assert summary["settings"]["name"] == "dssgan"
    assert {"SDR", "NSDR", "SNR", "NSNR"} <= summary["mean"]["drums"].keys()
    out = capsys.readouterr().out
    assert "958,596 weights" in out
    if phase:
        metrics = json.loads((tmp_path / "runs" / name / "metrics.json").read_bytes())
        for figure in ("critic/dcgan/drums/distance", "critic/dcgan/accompaniment/penalty"):
            assert f"train/{figure}" in metrics
        assert {"train/loss/adversarial", "train/loss/additivity"} <= metrics.keys()


@pytest.mark.parametrize("phase", [0, 1], ids=["supervised", "adversarial"])
def test_stoller2018_trains_as_its_header_says(phase, tmp_path, monkeypatch):
    """DSD100 is paired; of MedleyDB and ccMixter a third each is unpaired, validates, tests."""
    miniatures.dsd100(tmp_path / "DSD100")
    miniatures.medleydb(tmp_path / "MedleyDB")
    miniatures.ccmixter(tmp_path / "ccMixter")
    (tmp_path / "experiments").symlink_to(RECIPE_FILES.parent)
    monkeypatch.chdir(tmp_path)
    small = ["model.filters=4", "adversarial.critics.0.width=4"]
    assert train.main([*commands_of("stoller2018")[phase].words[3:], *SHORT, *small]) == 0
    run = tmp_path / "runs" / ("stoller2018_semi" if phase else "stoller2018")
    summary = json.loads((run / "scores" / "summary.json").read_bytes())
    assert summary["settings"]["name"] == "dssgan"
    assert set(summary["songs"]) == {"Test Two", "Medley_Two", "Mixter Two"}
    assert {"SDR", "NSDR", "SNR", "NSNR"} <= summary["mean"]["vocals"].keys()
    metrics = json.loads((run / "metrics.json").read_bytes())
    critics = {f"train/critic/dcgan/{source}/penalty" for source in ("accompaniment", "vocals")}
    assert (critics | {"train/loss/adversarial"} <= metrics.keys()) == bool(phase)
