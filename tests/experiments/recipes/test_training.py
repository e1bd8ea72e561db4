"""The small recipes train, overfit, export, separate and score, some at sizes that are quicker."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from dssgan.config.mappings import merge
from dssgan.config.schema import from_dict
from dssgan.separator import Separator
from dssgan.training.build import build_model, build_rule, build_supervised_step, excerpt_samples
from dssgan.training.state import TrainingState
from experiments.run import train
from experiments.run.yaml_files import read_yaml
from experiments.songs import training_data

EXPERIMENTS = Path(__file__).parents[3] / "experiments" / "recipes"
SMALL = sorted(path.stem for path in EXPERIMENTS.glob("*_small.yaml"))
#: Those on other music have tests of their own: test_drums.py, test_kit_pieces.py.
ELSEWHERE = ("drums_small", "drums_kits_small", "kit_pieces_small")
TRAINED = [name for name in SMALL if name not in ELSEWHERE]
OTHERS = {"name": "band", "options": {"songs": 2, "seconds": 6.0, "sample_rate": 16000, "seed": 1}}
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
SHORT = {"data": {"seconds": 1.0}}
ROFORMER = SHORT | {"model": {"features": 16, "blocks": 1}, "loss": {"windows": [1024, 256]}}
STAGES = {
    "data": {"seconds": 2.0},
    "model": {"stages": 2, "width": 32, "mels": 32, "bottleneck": 16, "hidden": 32, "layers": 2},
    "optimiser": {"average": 0.5},
}
#: Sizes that compile and run quickly, of systems whose small recipe takes minutes in a test.
QUICK = {
    "meta_tasnet_small": STAGES,
    "drums_live_small": {
        **STAGES,
        "model": {**STAGES["model"], "bottleneck": 32, "mels": 0},
        "schedule": {"warmup": 2, "learning_rate": 1.0e-2},
    },
    "bs_roformer_small": ROFORMER,
    "mel_band_roformer_small": ROFORMER,
    "mdx23c_small": SHORT,
    "openunmix_small": SHORT,
    "scnet_small": SHORT,
    "conv_tasnet_small": {
        "data": {"seconds": 2.0},
        "model": {"width": 64, "bottleneck": 32, "hidden": 48, "layers": 4},
    },
}


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
            "unpaired": {
                "mixtures": [OTHERS],
                "solos": [OTHERS | {"source": source} for source in ("drums", "accompaniment")],
            },
            "supervised": {"epochs": 1, "steps": 2, "calibration": 4},
            "adversarial": {"epochs": 1, "steps": 2},
            "validation": {"songs": 1},
            "separation": {"segment": 4.0, "batch": 1},
            "tracking": {"folder": str(folder), "tensorboard": False},
            "evaluation": {"songs": 1},
            "compute": {"deterministic": False},
        },
    )
    values["data"]["options"] = BAND["options"]
    return from_dict(values), values


@pytest.mark.parametrize("name", SMALL)
def test_small_recipes_estimate_at_their_own_size(name, rng):
    config = from_dict(read_yaml(EXPERIMENTS / f"{name}.yaml"))
    model = build_model(config)
    samples = -(-max(model.minimum, model.sample_rate // 4) // model.multiple) * model.multiple
    mixture = rng.standard_normal((1, samples, 1)).astype(np.float32)
    estimates = np.asarray(model(mixture))
    assert estimates.shape == (1, len(config.sources), samples, 1)
    assert np.isfinite(estimates).all() and estimates.any()


@pytest.mark.parametrize("name", TRAINED)
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


def test_the_small_unet_has_a_second_phase(songs, tmp_path, capsys):
    """Critics and additivity as in the original, on songs whose stems nobody has."""
    _, values = small("unet_small", songs, tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    words = ["name=semi", "phases=[adversarial,test]", "alpha=0.001", "beta=0.001"]
    assert train.main(["with", str(path), *words]) == 0
    out = capsys.readouterr().out
    assert out.count("2 recordings, 0.2 min") == 3  # mixtures, drums, accompaniment
    metrics = json.loads((tmp_path / "semi" / "metrics.json").read_bytes())
    assert {"train/loss/adversarial", "train/loss/additivity"} <= metrics.keys()
    for source in ("drums", "accompaniment"):
        assert f"train/critic/dcgan/{source}/penalty" in metrics
    assert (tmp_path / "semi" / "separator" / "separator.weights.h5").exists()


@pytest.mark.parametrize("name", TRAINED)
def test_small_recipes_overfit_one_batch(name, songs, tmp_path):
    config, _ = small(name, songs, tmp_path)
    model = build_model(config)
    source = training_data.load_training_data(
        config, model.sample_rate, excerpt_samples(config, model)
    ).paired
    stems = tf.constant(source.batch(0)["stems"])
    state = TrainingState(model, build_rule(config.optimiser))
    step = build_supervised_step(config, tf.distribute.get_strategy(), state)
    losses = [float(step(stems, update)["loss"]) for update in range(UPDATES)]
    if config.loss.name in ("multistage", "si_sdr"):  # in dB, no lower bound
        assert losses[-1] < losses[0] - 6.0
    else:
        assert losses[-1] < 0.5 * losses[0]
