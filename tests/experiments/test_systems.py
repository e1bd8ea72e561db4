"""The comparison of systems: arithmetic, budget, table, misuse."""

import json

import pytest
import yaml

from common.shell import Misuse
from dssgan.models import SEPARATORS, build
from experiments import compare, system_cost, systems
from experiments.arithmetic import macs
from tests.dssgan.test_conformance import QUICK

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
    assert systems.budget(COST, 8.0, 4) == 960
    assert systems.budget({"train": {"update_s": 1e6}}, 1.0, 4) == 4


def finished(folder, name):
    """A system that was measured, trained and scored."""
    (folder / "costs").mkdir(parents=True, exist_ok=True)
    (folder / "costs" / f"{name}.json").write_text(json.dumps(COST))
    (folder / name / "scores").mkdir(parents=True)
    (folder / name / "scores" / "summary.json").write_text(json.dumps(SCORES))


def test_what_is_there_is_put_into_one_table(tmp_path, capsys):
    finished(tmp_path, "unet_small")
    assert compare.main(["systems", "--systems", "unet_small", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    row = out.strip().splitlines()[-1]
    assert row.split()[-8:] == ["0.96", "0.20", "80", "15", "512", "3.0", "5.5", "4.0"]
    assert max(map(len, out.splitlines()[2:])) <= 80
    assert "median over 2 songs" in out
    assert "| U-Net (DSSGAN)" in (tmp_path / "table.md").read_text("utf-8")
    assert json.loads((tmp_path / "costs" / "unet_small.json").read_bytes())["updates"] == 960


def test_a_system_that_fails_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(systems, "measured", lambda task, file: COST[task])
    monkeypatch.setattr(systems, "train", lambda *given: None)
    finished(tmp_path, "unet_small")
    words = ["systems", "--systems", "drums_small,unet_small", "--out", str(tmp_path)]
    assert compare.main(words) == 1
    out, err = capsys.readouterr()
    assert "U-Net" in out and "drums_small failed" in err and "log.txt" in err
    told = yaml.safe_load((tmp_path / "configurations" / "drums_small.yaml").read_text("utf-8"))
    assert told["data"]["name"] == "band" and told["data"]["also"] == []
    assert told["supervised"] == {"epochs": 4, "steps": 240, "calibration": 240}
    assert told["schedule"]["period"] == 960


def test_unknown_systems_list_the_known_ones(tmp_path):
    with pytest.raises(Misuse, match="unet_small"):
        compare.main(["systems", "--systems", "unet", "--out", str(tmp_path)])


@pytest.mark.parametrize("task", sorted(system_cost.TASKS))
def test_costs_are_measured(task, tmp_path, capsys):
    values = {
        "sources": ["drums", "accompaniment"],
        "data": {"seconds": 3.0, "batch": 1},
        "model": {"name": "unet", "filters": 2},
        "loss": {"name": "log_magnitudes"},
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(values))
    assert system_cost.main([task, str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(value > 0 for value in found.values())
    assert found["audio_s"] == (30.0 if task == "separate" else pytest.approx(3.0))


def test_costs_want_a_task():
    with pytest.raises(Misuse, match="separate"):
        system_cost.main(["test", "x.yaml"])
