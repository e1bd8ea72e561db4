"""The ablation: every arm is a valid configuration, its table follows from the scores alone."""

import json

import numpy as np
import pytest

from dssgan.choices import check_choices
from dssgan.config import from_dict
from experiments import ablation, ablation_table
from experiments.commandline import read_yaml

PLAN = read_yaml(ablation.FILE)


def configurations():
    arms = [(name, arm.configuration(1)) for name, arm in ablation.all_arms(PLAN).items()]
    return arms + [(arm.name, arm.configuration(seed)) for arm, seed in ablation.grid(PLAN)]


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
        ablation.main(["run", "--arms", "modren"])


def test_the_interval_of_a_gain_holds_it_and_excludes_zero(rng):
    songs = rng.normal(3.0, 2.0, 30)

    def scores(shift):
        return {str(seed): songs + rng.normal(shift, 0.1, 30) for seed in (1, 2, 3)}

    base, better = scores(0.0), scores(0.5)
    mean, low, high = ablation_table.gain(better, base)
    assert mean == pytest.approx(0.5, abs=0.05)
    assert 0.0 < low < mean < high < 1.0
    mean, low, high = ablation_table.gain(base, base)
    assert (mean, low, high) == (0.0, 0.0, 0.0)


def test_noise_is_no_gain():
    rng = np.random.default_rng(2)
    base, other = ({str(seed): rng.normal(0, 2, 30) for seed in range(3)} for _ in range(2))
    _, low, high = ablation_table.gain(other, base)
    assert low < 0.0 < high


def test_songs_without_a_score_and_seeds_of_one_arm_alone_are_left_out():
    base = {"1": np.array([1.0, np.nan, 2.0]), "2": np.zeros(3)}
    other = {"1": np.array([2.0, 5.0, 3.0]), "3": np.zeros(3)}
    assert ablation_table.gain(other, base)[0] == 1.0
    assert np.isnan(ablation_table.gain({"9": np.zeros(3)}, base)).all()


def test_the_table_follows_from_the_scores_of_finished_runs(tmp_path, monkeypatch):
    for name in ("SCORES", "FIGURE", "RESULTS"):
        monkeypatch.setattr(ablation_table, name, tmp_path / getattr(ablation_table, name).name)
    plan = PLAN | {"folder": str(tmp_path / "runs")}
    arms = ablation.all_arms(plan)
    for name, sdr in (("supervised", 2.0), ("self_training", 3.0)):
        for seed in (1, 2):
            songs = {
                f"song{number}": {
                    "drums": {"SDR": sdr + number, "SIR": None, "SAR": 1.0},
                    "accompaniment": {"SDR": 5.0, "SIR": 1.0, "SAR": 1.0},
                }
                for number in range(3)
            }
            path = arms[name].summary(seed)
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"songs": songs}))
    text = ablation_table.report(ablation_table.gather(arms.values(), plan["seeds"]))
    assert "3 test songs" in text
    line = next(line for line in text.splitlines() if line.startswith("self-training"))
    cells = "self-training 2 4.00 ±0.00 – 1.00 5.00 ±0.00 +1.00 [+1.00, +1.00]"
    assert line.split() == cells.split()
    assert max(map(len, text.splitlines())) <= 80
    kept = json.loads((tmp_path / "ablation.json").read_bytes())
    assert kept["arms"]["supervised"]["seeds"]["2"]["song1"]["drums"]["SDR"] == 3.0
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_a_failing_arm_is_reported_and_left_for_the_next_time(tmp_path, capsys):
    plan = PLAN | {"folder": str(tmp_path / "runs")}
    keys = {"phases": ["nonsense"]}
    arm = ablation.Arm(plan, "broken", "broken on purpose", keys)
    assert not ablation.run(arm, 1)
    told = capsys.readouterr().out
    assert "broken-1: failed: error: phases='nonsense'" in told
