"""The ablation: every arm is a valid configuration, its table follows from the scores alone."""

import json
import shutil
from dataclasses import fields

import numpy as np
import pytest

from common.files import ROOT
from datasets.excerpts.effects import Effects
from dssgan.config.mappings import merge
from dssgan.config.schema import from_dict
from dssgan.training.options import check_choices
from evaluation.reports import bootstrap
from experiments.ablation import __main__ as command
from experiments.ablation import arms as ablation
from experiments.ablation import running
from experiments.ablation import scores as scores_module
from experiments.ablation import table as table_module
from experiments.run.yaml_files import read_yaml

PLAN = ablation.read_plan("ablation")


EFFECTS = ablation.read_plan("effects")


def configurations():
    arms = [
        (name, arm.configuration(1))
        for plan in (PLAN, EFFECTS)
        for name, arm in ablation.all_arms(plan).items()
    ]
    return arms + [(arm.name, arm.configuration(seed)) for arm, seed in ablation.grid(PLAN)]


def test_each_effect_has_an_arm_of_its_own():
    """Width aside, which mono excerpts do not have; the last arm is the recipe."""
    arms = ablation.all_arms(EFFECTS)
    settings = {
        name: from_dict(arm.configuration(1)).data.augmentation for name, arm in arms.items()
    }
    families = [family.name for family in fields(Effects) if family.name != "width"]
    assert list(arms) == ["none", *families, "all"]
    for name in families:
        changed = [
            f for f in families if getattr(settings[name], f) != getattr(settings["none"], f)
        ]
        assert changed == [name]
        assert getattr(settings[name], name) == getattr(settings["all"], name)
    recipe = from_dict(read_yaml(ROOT / "experiments" / "recipes" / "drums_kits_small.yaml"))
    assert settings["all"] == recipe.data.augmentation


@pytest.mark.parametrize(("name", "values"), configurations(), ids=lambda value: str(value)[:30])
def test_every_arm_is_a_valid_configuration(name, values):
    config = from_dict(values)
    check_choices(config)
    assert config.name == f"{name}-1"
    assert config.phases[-1] == "test"


def test_arms_start_from_the_run_of_their_own_seed():
    arms = ablation.all_arms(PLAN)
    for seed in (1, 3):
        found = from_dict(arms["self_training"].configuration(seed))
        assert found.self_training.init == f"{PLAN['folder']}/supervised-{seed}/separator"
        assert found.seed == seed
    assert from_dict(arms["original"].configuration(1)).adversarial.init == "scratch"


def test_the_sweep_has_every_pair_of_alpha_and_beta():
    points = {(arm.keys["alpha"], arm.keys["beta"]) for arm, _ in ablation.grid(PLAN)}
    assert len(points) == len(PLAN["sweep"]["alpha"]) * len(PLAN["sweep"]["beta"]) >= 12
    arm, _ = next(ablation.grid(PLAN))
    swept = from_dict(arm.configuration(1)).adversarial
    whole = from_dict(ablation.all_arms(PLAN)[PLAN["sweep"]["arm"]].configuration(1)).adversarial
    assert swept.epochs == PLAN["sweep"]["keys"]["adversarial"]["epochs"] < whole.epochs
    assert swept.critics == whole.critics


def test_unknown_arms_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no arm 'modren'; known: supervised, "):
        command.main(["run", "--arms", "modren"])


def test_the_interval_of_a_gain_holds_it_and_excludes_zero(rng):
    songs = rng.normal(3.0, 2.0, 30)

    def scores(shift):
        return {str(seed): songs + rng.normal(shift, 0.1, 30) for seed in (1, 2, 3)}

    base, better = scores(0.0), scores(0.5)
    mean, low, high = bootstrap.gain(better, base)
    assert mean == pytest.approx(0.5, abs=0.05)
    assert 0.0 < low < mean < high < 1.0
    mean, low, high = bootstrap.gain(base, base)
    assert (mean, low, high) == (0.0, 0.0, 0.0)


def test_noise_is_no_gain():
    rng = np.random.default_rng(2)
    base, other = ({str(seed): rng.normal(0, 2, 30) for seed in range(3)} for _ in range(2))
    _, low, high = bootstrap.gain(other, base)
    assert low < 0.0 < high


def test_songs_without_a_score_and_seeds_of_one_arm_alone_are_left_out():
    base = {"1": np.array([1.0, np.nan, 2.0]), "2": np.zeros(3)}
    other = {"1": np.array([2.0, 5.0, 3.0]), "3": np.zeros(3)}
    assert bootstrap.gain(other, base)[0] == 1.0
    assert np.isnan(bootstrap.gain({"9": np.zeros(3)}, base)).all()


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Where the ablation writes to during a test."""
    monkeypatch.setattr(scores_module, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def plan(tmp_path):
    """The plan with run folders of the test's own."""
    return PLAN | {"folder": str(tmp_path / "runs"), "seeds": [1, 2]}


def finish(arm, seed, sdr=2.0):
    """Scores and a separator as a finished run leaves them."""
    songs = {
        f"song{number}": {
            "drums": {"SDR": sdr + number, "SIR": None, "SAR": 1.0},
            "accompaniment": {"SDR": 5.0, "SIR": 1.0, "SAR": 1.0},
        }
        for number in range(3)
    }
    arm.summary(seed).parent.mkdir(parents=True)
    arm.summary(seed).write_text(json.dumps({"songs": songs}))
    arm.separator(seed).mkdir()
    arm.mark(seed).write_text(arm.fingerprint(seed))


def test_the_table_follows_from_the_scores_of_finished_runs(results, plan):
    arms = ablation.all_arms(plan)
    for name, sdr in (("supervised", 2.0), ("self_training", 3.0)):
        for seed in (1, 2):
            finish(arms[name], seed, sdr)
    text = table_module.report(plan, scores_module.gather(plan, arms.values(), plan["seeds"]))
    assert "3 test songs" in text
    line = next(line for line in text.splitlines() if line.startswith("self-training"))
    cells = "self-training 2 4.00 ±0.00 – 1.00 5.00 ±0.00 +1.00 [+1.00, +1.00]"
    assert line.split() == cells.split()
    assert max(map(len, text.splitlines())) <= 80
    kept = json.loads((results / "ablation.json").read_bytes())
    assert kept["arms"]["supervised"]["seeds"]["2"]["song1"]["drums"]["SDR"] == 3.0
    assert (results / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_a_plan_may_judge_another_source_and_show_several(results, plan):
    plan |= {"judged": "accompaniment", "beside": ["drums", "vocals"]}
    arms = ablation.all_arms(plan)
    for name, sdr in (("supervised", 2.0), ("self_training", 3.0)):
        finish(arms[name], 1, sdr)
    text = table_module.report(plan, scores_module.gather(plan, arms.values(), [1]))
    assert text.startswith("3 test songs; SDR in dB, ")
    head = " ".join(text.splitlines()[2].split())
    assert head == "arm seeds accompaniment drums vocals gain [95 %]"
    line = next(line for line in text.splitlines() if line.startswith("self-training"))
    assert " ".join(line.split()) == "self-training 1 5.00 4.00 – +0.00 [+0.00, +0.00]"
    assert max(map(len, text.splitlines())) <= 80


def test_scores_outlive_their_runs_but_not_their_configuration(results, plan):
    arms = ablation.all_arms(plan)
    finish(arms["supervised"], 1)
    finish(arms["additivity"], 1)
    first = scores_module.gather(plan, arms.values(), plan["seeds"])
    shutil.rmtree(plan["folder"])
    assert scores_module.gather(plan, arms.values(), plan["seeds"]) == first
    assert scores_module.scored(arms["additivity"], 1)
    assert not scores_module.scored(arms["additivity"], 2)
    # What an arm starts from belongs to it.
    other = merge(plan, {"arms": {"supervised": {"keys": {"supervised": {"epochs": 7}}}}})
    arms = ablation.all_arms(other)
    assert not scores_module.scored(arms["additivity"], 1)
    assert scores_module.gather(plan, arms.values(), plan["seeds"])["arms"] == {}


def test_a_run_of_an_older_plan_is_not_taken_for_one_of_today(results, plan, capsys):
    finish(ablation.all_arms(plan)["additivity"], 1)
    other = merge(plan, {"arms": {"additivity": {"keys": {"beta": 99.0}}}})
    arms = ablation.all_arms(other)
    assert not scores_module.scored(arms["additivity"], 1)
    assert scores_module.gather(plan, arms.values(), plan["seeds"])["arms"] == {}
    assert not running.begin(arms["additivity"], 1)
    assert "additivity-1: begun with another plan" in capsys.readouterr().out
    assert not scores_module.scored(arms["additivity"], 1)


def test_only_what_has_no_scores_is_run_and_what_it_starts_from(results, plan):
    arms = ablation.all_arms(plan)
    names = ("supervised", "additivity", "self_training_critics")

    def left():
        tasks = [(arms[name], seed) for seed in (1, 2) for name in names]
        return [f"{arm.name}-{seed}" for arm, seed in ablation.unscored(tasks, arms)]

    trained = ["supervised", "additivity", "self_training", "self_training_critics"]
    assert left() == [f"{name}-{seed}" for seed in (1, 2) for name in trained]
    finish(arms["supervised"], 1)
    finish(arms["additivity"], 1)
    scores_module.gather(plan, arms.values(), plan["seeds"])
    assert left()[:2] == ["self_training-1", "self_training_critics-1"]
    shutil.rmtree(plan["folder"])  # the scores are on record, the separator is gone
    assert left()[:3] == ["supervised-1", "self_training-1", "self_training_critics-1"]


def test_the_heat_map_follows_from_the_scores_of_the_sweep(results, plan, capsys):
    points = list(ablation.grid(plan))
    for arm, seed in points[:-1]:
        finish(arm, seed, sdr=arm.keys["alpha"] + 10 * arm.keys["beta"])
    scores = scores_module.gather(plan, *ablation.swept(points), "sweep")
    table_module.heat_map(plan, scores)
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[-1].strip("|").split("|")] == [
        "1",
        "2.00",
        "5.00",
        "12.00",
        "–",
    ]
    assert (results / "alpha_beta.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((results / "ablation.json").read_bytes())["sweep"]) == len(points) - 1


@pytest.fixture
def recorded():
    """What the ablation found, as it is on record."""
    return scores_module.read(PLAN)


def test_no_song_of_the_record_plays_two_roles(recorded):
    songs = recorded["songs"]
    least = {"paired": 10, "mixtures": 100, "valid": 30, "test": 30, "solos": 1}
    for role, count in least.items():
        assert len(set(songs[role])) == len(songs[role]) >= count, role
    names = [name for role in least for name in songs[role]]
    assert len(names) == len(set(names))
    for arm in [*recorded["arms"].values(), *recorded["sweep"].values()]:
        for scores in arm["seeds"].values():
            assert sorted(scores) == sorted(songs["test"])


def test_the_documents_say_what_is_on_record(recorded, results):
    table_module.report(PLAN, recorded)
    table_module.heat_map(PLAN, recorded)
    told = ((ROOT / "experiments") / "RESULTS.md").read_text("utf-8")
    folder = (ROOT / "experiments") / "results"
    for name in ("ablation", "alpha_beta"):
        table = (results / f"{name}.md").read_text("utf-8")
        assert table == (folder / f"{name}.md").read_text("utf-8")
        assert table in told
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"(results/{name}.png)" in told


@pytest.fixture
def recorded_effects():
    """What the plan of effects found, as it is on record."""
    return scores_module.read(EFFECTS)


def test_what_is_said_of_effects_is_on_record(recorded_effects, results):
    """One seed per arm; every score belongs to the plan as it stands."""
    found = recorded_effects
    arms = ablation.all_arms(EFFECTS)
    assert set(found["arms"]) == set(arms)
    for name, arm in found["arms"].items():
        marks = {seed: arms[name].fingerprint(int(seed)) for seed in arm["seeds"]}
        assert marks == arm["fingerprints"] and list(marks) == ["1"], name
        assert all(len(scores) == 5 for scores in arm["seeds"].values())
    table_module.report(EFFECTS, found)
    table = (results / "effects.md").read_text("utf-8")
    folder = ROOT / "experiments" / "results"
    assert table == (folder / "effects.md").read_text("utf-8")
    told = (ROOT / "experiments" / "RESULTS.md").read_text("utf-8")
    assert table in told and "(results/effects.png)" in told


def test_every_arm_has_three_seeds_and_every_point_of_the_sweep_a_score(recorded):
    arms = ablation.all_arms(PLAN)
    for name, arm in arms.items():
        for seed in PLAN["seeds"]:
            assert scores_module.scored(arm, seed), (name, seed)
    assert len(PLAN["seeds"]) >= 3
    points = list(ablation.grid(PLAN))
    assert len({arm.name for arm, _ in points}) >= 12
    for arm, seed in points:
        assert scores_module.scored(arm, seed, "sweep"), (arm.name, seed)


def test_the_record_belongs_to_the_plan_and_its_best_arm_gains(recorded):
    arms = ablation.all_arms(PLAN)
    assert set(recorded["arms"]) == set(arms)
    for name, arm in recorded["arms"].items():
        found = {seed: arms[name].fingerprint(int(seed)) for seed in arm["seeds"]}
        assert found == arm["fingerprints"], name
    base = table_module.values(recorded["arms"]["supervised"], "drums", "SDR")
    best = max(
        bootstrap.gain(table_module.values(arm, "drums", "SDR"), base)
        for name, arm in recorded["arms"].items()
        if name != "supervised"
    )
    mean, low, _ = best
    assert mean >= 0.5
    assert low > 0.0
