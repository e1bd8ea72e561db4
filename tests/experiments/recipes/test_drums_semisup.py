"""The recipe that refines the small drum separator, run whole at small scale."""

import json

import numpy as np
import pytest
import yaml

from datasets import audio
from dssgan.config.mappings import merge
from dssgan.config.schema import from_dict
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS, export
from dssgan.refinement.checks import check_refinements
from experiments.run import train
from experiments.run.yaml_files import RECIPES, read_yaml
from tests.dssgan.stand_ins import TinySeparator, error

RECIPE = read_yaml(RECIPES / "drums_semisup.yaml")
RATE = 8000


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The recipe on the band, with lists of a few recordings and a tiny separator."""
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(LOSSES, "error", error)
    rng = np.random.default_rng(0)
    for folder, count in (("mixtures", 2), ("hits", 3)):
        for place in range(count):
            noise = 0.1 * rng.standard_normal((RATE, 1)).astype(np.float32)
            audio.write(tmp_path / folder / f"{folder}{place}.wav", noise, RATE)
    export.save(TinySeparator(RECIPE["sources"], seed=3), tmp_path / "start")
    band = {"songs": 3, "seconds": 2.0, "sample_rate": RATE}
    small = {
        "name": "small",
        "data": {"name": "band", "root": None, "options": band, "cache": str(tmp_path / "cache")},
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "self_training": {"init": str(tmp_path / "start"), "epochs": 1, "steps": 2},
        "adversarial": {"epochs": 1, "steps": 2, "critic_warmup": 1},
        "tracking": {"folder": str(tmp_path / "runs"), "every": 1, "seconds": 0.5},
        "separation": {"segment": 1.0},
        "compute": {"deterministic": False},  # it could not be switched off again in this process
    }
    values = merge(RECIPE, small)
    values["model"] = small["model"]
    values["data"] |= dict.fromkeys(("train", "valid", "test")) | {"also": [], "seconds": 0.5}
    recordings = {"name": "recordings", "root": str(tmp_path / "mixtures")}
    solos = recordings | {"root": str(tmp_path / "hits"), "options": {"stem": "drums"}}
    values["unpaired"] = RECIPE["unpaired"] | {
        "mixtures": [recordings],
        "solos": [solos | {"source": "drums"}],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.slow
def test_a_teacher_then_critics_refine_what_was_trained_before(small, tmp_path, capsys):
    assert train.main(["with", str(small)]) == 0
    said = capsys.readouterr().out
    run = tmp_path / "runs" / "small"
    assert f"self_training: starting from {tmp_path / 'start'}" in said
    assert f"adversarial: starting from {run / 'separators' / 'self_training'}" in said
    assert "critics spectral/drums, spectral/accompaniment" in said
    assert "alpha=0.3, beta=0.3; teacher: best" in said
    assert said.count("unpaired.mixtures[0]: 2 recordings") == 1 + 1  # once per phase's material
    for phase, names in (
        ("self_training", ("loss/taught", "share/supervised")),
        ("adversarial", ("loss/taught", "share/adversarial", "share/additivity")),
    ):
        metrics = json.loads((run / "metrics.json").read_text())
        assert run.joinpath("tensorboard", phase).is_dir()
        for name in names:
            values = [v for key, found in metrics.items() if name in key for v in found["values"]]
            assert values and np.isfinite(values).all() and max(values) > 0, (phase, name)
    assert (run / "scores" / "summary.json").exists()


def test_critics_of_the_recipe_hear_what_has_full_context():
    start = {"self_training": {"init": "supervised"}}
    start["phases"] = ["supervised", *RECIPE["phases"]]
    check_refinements(from_dict(merge(RECIPE, start)))
    with pytest.raises(ValueError, match=r"^data\.seconds=4: critics would receive nothing"):
        check_refinements(
            from_dict(
                merge(RECIPE, {"data": {"seconds": 4.0}})
                | {"phases": ["supervised", "adversarial"]}
            )
        )
