"""The comparison of systems: arithmetic, budget, table, misuse."""

import json

import pytest
import yaml

from common.cli import UsageError
from dssgan.models import SEPARATORS, build
from experiments.compare import __main__ as compare
from experiments.run.folder import RECORD
from experiments.run.yaml_files import read_yaml
from experiments.systems import budget, cost
from experiments.systems.arithmetic import macs
from tests.dssgan.models.test_conformance import QUICK

COST = {
    "train": {"update_s": 0.5, "audio_s": 40.0, "peak_mb": 1000.0},
    "separate": {
        "separation_s": 2.0,
        "audio_s": 30.0,
        "peak_mb": 512.3,
        "weights": 958596,
        "gmac_s": 0.2,
    },
}
SCORES = {
    "songs": {"one": {}, "two": {}},
    "reported": ["median", "mean"],
    "median": {"drums": {"SDR": 3.04, "SIR": 5.5, "SAR": 4.0}},
}


@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_every_separators_arithmetic_is_counted(name):
    model = build(name, **QUICK[name])
    short, long = (macs(model, count * model.multiple * 512) for count in (1, 2))
    assert 0 < short < long < 3 * short


def test_arithmetic_of_published_sizes():
    """Figures of the specifications: 0.595 GMAC per patch of 66 frames, 16.56 GMAC per second."""
    assert macs(build("unet"), 65 * 256) == pytest.approx(0.595e9, rel=1e-3)
    assert macs(build("multistage"), 32000) == pytest.approx(16.557e9, rel=1e-4)


def test_the_budget_is_whole_epochs_of_updates():
    assert budget.budget(COST, 8.0, 4) == 960
    assert budget.budget({"train": {"update_s": 1e6}}, 1.0, 4) == 4


def finished(folder, name):
    """A system that was measured, trained and scored."""
    (folder / "costs").mkdir(parents=True, exist_ok=True)
    (folder / "costs" / f"{name}.json").write_text(json.dumps(COST))
    (folder / name / "scores").mkdir(parents=True)
    (folder / name / "scores" / "summary.json").write_text(json.dumps(SCORES))


def configuration(folder, name):
    """What a system was told."""
    return yaml.safe_load((folder / "configurations" / f"{name}.yaml").read_text("utf-8"))


def test_what_is_there_is_put_into_one_table(tmp_path, capsys):
    finished(tmp_path, "unet_small")
    assert compare.main(["systems", "--systems", "unet_small", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    row = out.strip().splitlines()[-1]
    assert row.split()[-8:] == ["0.96", "0.20", "80", "15", "512", "3.0", "5.5", "4.0"]
    assert max(map(len, out.splitlines()[2:])) <= 80
    assert "median over 2 songs" in out
    assert "| U-Net (DSSGAN)" in (tmp_path / "table.md").read_text("utf-8")
    assert json.loads((tmp_path / "costs" / "unet_small.json").read_bytes())["updates"] == 600


def test_a_system_that_fails_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(budget, "measured", lambda task, file: COST[task])
    monkeypatch.setattr(budget, "train", lambda *given: None)
    finished(tmp_path, "unet_small")
    words = ["systems", "--systems", "meta_tasnet_small,unet_small", "--out", str(tmp_path)]
    assert compare.main(words) == 1
    out, err = capsys.readouterr()
    assert "U-Net" in out and "meta_tasnet_small failed" in err and "log.txt" in err
    told = configuration(tmp_path, "meta_tasnet_small")
    assert told["data"]["name"] == "band" and told["data"]["also"] == []
    assert told["supervised"] == {"epochs": 4, "steps": 150, "calibration": 240}
    assert told["schedule"]["period"] == 600


def test_the_plan_names_the_systems(tmp_path, capsys, monkeypatch):
    """Every separator of the registry has one, but for a few.

    `combined`, the causal variant, and those whose published checkpoints are imported: they are
    measured against the public programs (experiments.benchmarks.field).
    """
    titles = read_yaml(budget.PLAN)["titles"]
    recipes = {name: read_yaml(budget.RECIPES / f"{name}.yaml") for name in titles}
    imported = {"bs_roformer", "htdemucs", "mdx23c", "mel_band_roformer", "openunmix", "scnet"}
    others = {"combined", "causal_multistage"} | imported
    assert {recipe["model"]["name"] for recipe in recipes.values()} == {*SEPARATORS} - others
    for name in titles:
        finished(tmp_path, name)
    assert compare.main(["systems", "--out", str(tmp_path)]) == 0
    rows = (tmp_path / "table.md").read_text("utf-8")
    assert all(f"| {title}" in rows for title in titles.values())
    assert "meta_tasnet_small" in titles and "drums_small" not in titles


@pytest.mark.parametrize("name", ["unet", "drums_small"])
def test_unknown_systems_list_the_known_ones(tmp_path, name):
    with pytest.raises(UsageError, match=f"{name!r} is none of .*unet_small"):
        compare.main(["systems", "--systems", name, "--out", str(tmp_path)])


def test_other_minutes_are_other_updates_until_a_run_is_begun(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(budget, "measured", lambda task, file: COST[task])
    monkeypatch.setattr(budget, "train", lambda *given: None)  # fails before anything is learnt
    words = ["systems", "--systems", "unet_small", "--out", str(tmp_path), "--minutes"]
    run = tmp_path / "unet_small"
    for minutes, updates in (("8", 960), ("4", 480)):
        assert compare.main([*words, minutes]) == 1
        assert f"{updates} updates in about {minutes} minutes" in capsys.readouterr().out
        assert configuration(tmp_path, "unet_small")["schedule"]["period"] == updates
    run.mkdir()
    (run / RECORD).write_text("name: unet_small\n")
    told = "unet_small: 480 updates, as its run was begun with, not the 960 of 8 minutes; remove "
    assert compare.main([*words, "8"]) == 1
    assert told in capsys.readouterr().out
    assert configuration(tmp_path, "unet_small")["schedule"]["period"] == 480
    (run / "scores").mkdir()
    (run / "scores" / "summary.json").write_text(json.dumps(SCORES))
    for minutes, said in (("8", True), ("4", False)):
        assert compare.main([*words, minutes]) == 0
        assert (told in capsys.readouterr().out) == said


@pytest.mark.parametrize("task", sorted(cost.TASKS))
def test_costs_are_measured(task, tmp_path, capsys):
    values = {
        "sources": ["drums", "accompaniment"],
        "data": {"seconds": 3.0, "batch": 1},
        "model": {"name": "unet", "filters": 2},
        "loss": {"name": "log_magnitudes"},
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(values))
    assert cost.main([task, str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(value > 0 for value in found.values())
    assert found["audio_s"] == (30.0 if task == "separate" else pytest.approx(3.0))


def test_costs_want_a_task():
    with pytest.raises(UsageError, match="separate"):
        cost.main(["test", "x.yaml"])
