"""Every recipe is a valid configuration; the small ones train, overfit, export, separate, score."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

import datasets
from datasets import legacy
from datasets.export import export
from dssgan import train
from dssgan.assembly import build_model, build_rule, build_supervised_step, excerpt_samples
from dssgan.choices import check_choices
from dssgan.config import from_dict
from dssgan.separator import Separator
from dssgan.state import TrainingState
from dssgan.typed import merge
from experiments import material
from experiments.commandline import configure, read_yaml

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RECIPES = sorted(path.stem for path in EXPERIMENTS.glob("*.yaml"))
SMALL = [name for name in RECIPES if name.endswith("_small")]
BAND = {
    "name": "band",
    "root": None,
    "options": {"songs": 5, "seconds": 6.0, "sample_rate": 16000},
    "also": [],
    "train": None,
    "valid": None,
    "test": None,
    "batch": 2,
}
UPDATES = 50
#: Sizes that compile and run quickly, of systems whose small recipe takes minutes in a test.
QUICK = {
    "drums_small": {
        "data": {"seconds": 2.0},
        "model": {
            "stages": 2,
            "width": 32,
            "mels": 32,
            "bottleneck": 16,
            "hidden": 32,
            "layers": 2,
        },
        "optimiser": {"average": 0.5},
    },
    "conv_tasnet_small": {
        "data": {"seconds": 2.0},
        "model": {"width": 64, "bottleneck": 32, "hidden": 48, "layers": 4},
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_valid_and_say_how_to_run_them(name):
    path = EXPERIMENTS / f"{name}.yaml"
    config = from_dict(read_yaml(path))
    check_choices(config)
    text = path.read_text("utf-8")
    header = text[: text.index("\n\n")].lower()
    assert "python -m dssgan.train" in header
    assert "time" in header and "core" in header  # its score, or where it stands


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("meta_tasnet_musdb18", 45_531_260),
        ("conv_tasnet", 20_242_484),
        ("wavenet_multi", 3_277_763),
        ("wavenet_singing", 3_277_249),
        ("bandsplit_drums", 41_024_392),
        ("dssgan_original", 958_596),
        ("stoller2018", 958_596),
    ],
)
def test_sizes_of_the_readme(name, weights):
    """A recipe's model has as many weights as the README says, and as its authors say."""
    config = from_dict(read_yaml(EXPERIMENTS / f"{name}.yaml"))
    model = build_model(config)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_variables) == weights


def test_the_original_dssgan_has_both_phases():
    words = ["phases=[adversarial,test]", "alpha=0.001", "beta=0.001"]
    config, _, _ = configure([str(EXPERIMENTS / "dssgan_original.yaml"), *words])
    adversarial = config.adversarial
    assert (adversarial.init, adversarial.critic_steps, config.data.batch) == ("scratch", 5, 64)
    assert config.schedule.learning_rate == adversarial.critic_schedule.learning_rate == 5e-5
    assert excerpt_samples(config, build_model(config)) == 157 * 256


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Songs of the band that the recipes share."""
    return tmp_path_factory.mktemp("cache")


def small(name, songs, folder):
    values = merge(read_yaml(EXPERIMENTS / f"{name}.yaml"), QUICK.get(name, {}))
    values = merge(
        values,
        {
            "name": name,
            "data": BAND | {"cache": str(songs)},
            "supervised": {"epochs": 1, "steps": 2, "calibration": 4},
            "validation": {"songs": 1},
            "separation": {"segment": 4.0, "batch": 1},
            "tracking": {"folder": str(folder), "tensorboard": False},
            "evaluation": {"songs": 1},
            "compute": {"deterministic": False},
        },
    )
    return from_dict(values), values


@pytest.fixture(scope="module")
def pickle(tmp_path_factory):
    """The original's `dataset.pkl` on songs of the band; some of them unpaired."""
    out = tmp_path_factory.mktemp("songs")
    export(datasets.load("band", songs=3, seconds=7.0, sample_rate=8000), out)
    tracks = datasets.load("folders", str(out), sources=["drums"])
    order = ("accompaniment", "drums")
    free = [track for track in tracks if track.split == "train"][:2]
    lists = legacy.listed(tracks, {"mixtures": free, **dict.fromkeys(order, free)}, order)
    legacy.write(out / "dataset.pkl", lists)
    return out / "dataset.pkl"


@pytest.mark.parametrize(
    "phase",
    [[], ["phases=[adversarial,test]", "alpha=0.001", "beta=0.001", "name=semi"]],
    ids=["supervised", "adversarial"],
)
def test_the_original_dssgan_trains_from_its_pickle(phase, pickle, songs, tmp_path, capsys):
    """Both phases of the original, on a list as it writes them, scored by its protocol."""
    recipe = read_yaml(EXPERIMENTS / "dssgan_original.yaml")
    unpaired = recipe["unpaired"]
    for entry in (*unpaired["mixtures"], *unpaired["solos"]):
        entry["root"] = str(pickle)
    path = tmp_path / "dssgan_original.yaml"
    path.write_text(yaml.safe_dump(recipe | {"unpaired": unpaired}))
    words = [
        f"data.root={pickle}",
        f"data.cache={songs}",
        "data.batch=2",
        "supervised.epochs=1",
        "supervised.steps=2",
        "supervised.calibration=2",
        "adversarial.epochs=1",
        "adversarial.steps=1",
        "separation.segment=6.0",
        f"tracking.folder={tmp_path / 'runs'}",
        "tracking.tensorboard=false",
        "compute.deterministic=false",
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


@pytest.mark.parametrize("name", SMALL)
def test_small_recipes_train_export_separate_and_score(name, songs, tmp_path, capsys):
    _, values = small(name, songs, tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    assert train.main(["with", str(path)]) == 0
    capsys.readouterr()
    summary = json.loads((tmp_path / name / "scores" / "summary.json").read_bytes())
    assert {"drums", "accompaniment"} == next(iter(summary["songs"].values())).keys()
    separator = Separator.load(tmp_path / name / "separator", segment=4.0)
    mixture = np.random.default_rng(0).standard_normal((44100, 2)).astype(np.float32) / 10
    stems = separator.separate(mixture, 44100)
    assert stems.keys() == {"drums", "accompaniment"}
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_small_recipes_overfit_one_batch(name, songs, tmp_path):
    config, _ = small(name, songs, tmp_path)
    model = build_model(config)
    source = material.for_training(config, model).source
    stems = tf.constant(source.batch(0)["stems"])
    state = TrainingState(model, build_rule(config.optimiser))
    step = build_supervised_step(config, tf.distribute.get_strategy(), state)
    losses = [float(step(stems, update)["loss"]) for update in range(UPDATES)]
    if config.loss.name in ("multistage", "si_sdr"):  # in dB, no lower bound
        assert losses[-1] < losses[0] - 6.0
    else:
        assert losses[-1] < 0.5 * losses[0]
