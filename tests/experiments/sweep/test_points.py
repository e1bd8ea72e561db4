"""What a sweep consists of: values, ranges, names, draws, proposals, what run folders tell."""

import json
import types

import numpy as np
import pytest

from experiments import heat_map
from experiments.sweep import run_state
from experiments.sweep import table as table_module
from experiments.sweep.axes import Axis, drawn, grid, parse, split
from experiments.sweep.points import Maker, labels, named
from experiments.sweep.pruning import below_median
from experiments.sweep.scheduler import FINISHED, Outcome, Running
from experiments.sweep.search import Optuna


def make(*words, draws=False, name=None):
    return Maker(*parse(words, draws), name, lambda config: None)


def test_values_are_split_outside_brackets_and_quotes():
    assert split("1e-4, 1e-3") == ["1e-4", "1e-3"]
    assert split("[a,b],[c]") == ["[a,b]", "[c]"]
    assert split("{name: sgdr, period: 3},'a,b'") == ["{name: sgdr, period: 3}", "'a,b'"]


def test_words_are_fixed_values_lists_and_ranges():
    words = ["a.yaml", "alpha=0.1", "seed=1..3,7", "beta=1e-4..1e-1:log", "data.root=../x,../y"]
    fixed, axes = parse([*words, "data.batch=4..8"], draws=True)
    assert fixed == ["a.yaml", "alpha=0.1"]
    assert axes == [
        Axis("seed", ("1", "2", "3", "7")),
        Axis("beta", (), 1e-4, 1e-1, False, True),
        Axis("data.root", ("../x", "../y")),
        Axis("data.batch", (), 4, 8, True, False),
    ]
    assert parse(["data.batch=4..6"], draws=False)[1] == [Axis("data.batch", ("4", "5", "6"))]


def test_a_grid_has_every_combination_in_order():
    _, axes = parse(["alpha=1,2", "seed=1..2"], draws=False)
    found = [tuple(keys.values()) for keys in grid(axes)]
    assert found == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]


def test_draws_lie_in_their_ranges_and_a_longer_sweep_begins_alike():
    words = ["alpha=1e-4..1e-1:log", "data.batch=2..5", "model.name=a,b", "seed=1,2"]
    _, axes = parse(words, draws=True)
    points = list(drawn(axes, 200, seed=3))
    assert points[:40] == list(drawn(axes, 20, seed=3)) != list(drawn(axes, 20, seed=4))
    assert [keys["seed"] for keys in points] == ["1", "2"] * 200
    assert len({tuple(keys.values()) for keys in points}) == 400
    alphas = np.array([float(keys["alpha"]) for keys in points])
    assert alphas.min() >= 1e-4 and alphas.max() <= 1e-1
    assert 0.4 < np.mean(alphas < np.sqrt(1e-5)) < 0.6  # as many below the middle ratio as above
    assert {keys["data.batch"] for keys in points} == set("2345")
    assert {keys["model.name"] for keys in points} == {"a", "b"}


def test_names_follow_from_values_and_differ_with_them():
    point = make(
        "phases=[adversarial,test]", "alpha=1e-3,0.5", "seed=1,2", "adversarial.init=scratch"
    )
    names = {
        keys["alpha"]: point(keys).name
        for keys in ({"alpha": "1e-3", "seed": "1"}, {"alpha": "0.001", "seed": "1"})
    }
    assert set(names.values()) == {"alpha-0.001_seed-1"}
    assert named({"root": "a/b"}) != named({"root": "a-b"}) != named({"root": "a b"})
    long = [named({"root": "x" * 300 + end}) for end in "ab"]
    assert len(set(long)) == 2 and all(len(name) < 120 and "/" not in name for name in long)


def test_keys_are_called_by_the_shortest_end_that_tells_them_apart():
    keys = ["schedule.learning_rate", "adversarial.schedule.learning_rate", "alpha"]
    assert labels(keys) == {
        "schedule.learning_rate": "schedule.learning_rate",
        "adversarial.schedule.learning_rate": "adversarial.schedule.learning_rate",
        "alpha": "alpha",
    }
    assert labels(["a.width", "a.depth"]) == {"a.width": "width", "a.depth": "depth"}


def test_a_point_is_told_its_folder_and_its_name():
    point = make("tracking.folder=there", "schedule.learning_rate=1e-4,1e-3", name="rates")(
        {"schedule.learning_rate": "1e-4"}
    )
    assert str(point.folder) == "there/rates/learning_rate-0.0001"
    assert point.config.name == "learning_rate-0.0001"
    assert point.config.schedule.learning_rate == 1e-4


def metrics(folder, steps, values):
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "validation/si_sdr": {"steps": steps, "values": values, "timestamps": [""] * len(steps)}
    }
    (folder / "metrics.json").write_text(json.dumps(told))


def test_curves_go_on_from_phase_to_phase_and_count_a_repetition_once(tmp_path):
    metrics(tmp_path, [10, 20, 20, 30], [1.0, 2.0, 2.0, 3.0])
    found = run_state.curve(tmp_path, "validation/si_sdr")
    assert found == [(10, 1.0), (20, 2.0), (30, 3.0)]
    metrics(tmp_path, [10, 20, 30, 5, 10], [1.0, 2.0, float("nan"), 3.0, 4.0])
    found = run_state.curve(tmp_path, "validation/si_sdr")
    assert found == [(10, 1.0), (20, 2.0), (25, 3.0), (30, 4.0)]


def test_a_run_is_finished_when_it_says_so_or_has_test_scores_and_no_record(tmp_path):
    assert not run_state.finished(tmp_path)
    for text in ("{", "[]", '{"status": "RUNNING", "result": null}'):
        (tmp_path / "run.json").write_text(text)
        assert not run_state.finished(tmp_path)
    metrics(tmp_path, [10, 20], [5.0, 4.0])
    (tmp_path / "scores").mkdir()
    summary = {"reported": ["mean"], "mean": {"drums": {"SDR": 3.5, "SIR": None}}, "median": {}}
    (tmp_path / "scores" / "summary.json").write_text(json.dumps(summary))
    assert not run_state.finished(tmp_path)  # killed after its test: it has not said so yet
    (tmp_path / "run.json").unlink()
    assert run_state.finished(tmp_path)
    assert run_state.scores(tmp_path) == {"SDR/drums": 3.5, "validation/si_sdr": 5.0}


def test_the_last_words_of_a_log_are_found_in_long_ones(tmp_path):
    assert run_state.last_line(tmp_path) == ""
    assert run_state.epoch(tmp_path) == (0, 0)
    lines = ["epoch 1/9  loss 3", *["chatter"] * 20000, "epoch 2/9  loss 2", "error: no", ""]
    (tmp_path / "log.txt").write_text("\n".join(lines))
    assert run_state.last_line(tmp_path) == "error: no"
    assert run_state.epoch(tmp_path) == (2, 9)


def test_below_median_is_below_the_median_of_enough_others_at_the_same_update():
    peers = [[(10, value), (20, value + 1.0), (30, 99.0)] for value in (1.0, 2.0, 3.0)]
    assert below_median([(10, 0.0), (20, 2.9)], peers, 3, 1).startswith("2.90 after 20 updates")
    assert not below_median([(10, 0.0), (20, 3.0)], peers, 3, 1)
    assert not below_median([(10, 3.5), (20, 0.0)], peers, 3, 1)  # it was good before
    assert not below_median([(10, 0.0), (20, 2.9)], peers, 4, 1)  # too few others
    assert not below_median([(10, 0.0)], peers, 3, 1)  # patience
    assert not below_median([(10, 0.0), (40, 2.9)], peers, 3, 1)  # none came so far


def test_optuna_finds_the_better_half_and_proposes_the_same_again(tmp_path):
    words = ["schedule.learning_rate=1e-5..1e-1:log", "optimiser.name=ranger,adam"]

    def sweep(count, folder):
        search = Optuna(make(*words, draws=True), count, 1, folder)
        names = []
        while point := search.next():
            names.append(point.name)
            rate = point.config.schedule.learning_rate
            search.report(
                point, -abs(np.log10(rate) + 2) - (point.config.optimiser.name == "adam"), [], False
            )
        return names

    names = sweep(40, tmp_path / "a")
    assert len(set(names)) == 40 == len(json.loads((tmp_path / "a" / "proposed.json").read_bytes()))
    late = [name for name in names[20:] if name.endswith("ranger")]
    assert len(late) > 12
    assert sweep(10, tmp_path / "b") == names[:10]
    more = sweep(12, tmp_path / "b")  # taken up
    assert more[:10] == names[:10] and len(set(more)) == 12
    with pytest.raises(ValueError, match="begun with other keys or values; choose another --name"):
        Optuna(make("optimiser.epsilon=0..1", draws=True), 2, 1, tmp_path / "b")
    with pytest.raises(ValueError, match="expected 0\\.9999 or less"):
        Optuna(make("optimiser.beta_1=0.1..2", draws=True), 2, 1, tmp_path / "c")


def outcome(keys, value, state=FINISHED, seconds=10.0):
    name = "_".join(f"{key}-{text}" for key, text in keys.items())
    return Outcome(types.SimpleNamespace(name=name, values=keys), state, value, "", seconds)


def test_the_table_is_sorted_and_the_heat_map_has_its_places(tmp_path, monkeypatch):
    drawn_maps = []
    monkeypatch.setattr(table_module, "heat_map", lambda *given: drawn_maps.append(given))
    axes = [Axis(key, ("0", "1")) for key in ("alpha", "beta", "seed")]
    scores = {("10", "0"): 1.0, ("10", "1"): 2.0, ("9", "1"): 5.0}
    outcomes = [
        outcome({"alpha": a, "beta": b, "seed": seed}, value + int(seed))
        for (a, b), value in scores.items()
        for seed in "13"
    ]
    outcomes.append(outcome({"alpha": "9", "beta": "0", "seed": "1"}, None, "failed"))
    told = table_module.report(axes, "SDR/drums", outcomes, tmp_path).splitlines()
    assert [line.split() for line in told[4:]] == [
        ["alpha=9", "beta=1", "2", "7.00", "1.41"],
        ["alpha=10", "beta=1", "2", "4.00", "1.41"],
        ["alpha=10", "beta=0", "2", "3.00", "1.41"],
        ["alpha=9", "beta=0", "0", "–", "–", "1", "failed"],
    ]
    [(_, table, rows, columns, _)] = drawn_maps
    assert (rows, columns) == (("alpha", ["9", "10"]), ("beta", ["0", "1"]))
    np.testing.assert_array_equal(table, [[np.nan, 7.0], [3.0, 4.0]])


def test_a_heat_map_is_a_picture(tmp_path):
    table = np.array([[np.nan, 7.0], [3.0, 4.0]])
    heat_map.heat_map(tmp_path / "a.png", table, ("a", ["1", "2"]), ("b", ["x", "y"]), "dB")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_progress_fits_the_terminal_and_knows_the_time_left(tmp_path):
    folder = tmp_path / "run"
    metrics(folder, [10, 20], [1.0, -2.5])
    (folder / "log.txt").write_text("epoch 2/8  loss 3\n")
    point = types.SimpleNamespace(name="learning_rate-0.0001_" * 6, folder=folder)
    loop = types.SimpleNamespace(
        running={point.name: Running(point, None, 1, 100.0, 0)},
        outcomes=[],
        search=types.SimpleNamespace(total=5),
        workers=types.SimpleNamespace(slots=lambda: 2),
        pruning=types.SimpleNamespace(metric="validation/si_sdr"),
        clock=lambda: 400.0,
    )
    # Two epochs took 300 s: 900 s are left of this one, 1200 s each of four on two workers.
    lines = table_module.progress(loop).splitlines()
    assert lines[-1] == "0 of 5 done, 1 running, 48 min left"
    assert lines[-2].split()[1:] == ["2/8", "1.00", "5", "min"]
    assert max(map(len, lines)) <= 80
    (folder / "log.txt").write_text("epoch 8/8  loss 3\n")  # how long the test takes is unknown
    assert table_module.time_left(loop) == ""
    loop.running |= {str(number): loop.running[point.name] for number in range(6)}
    assert table_module.progress(loop, 4).splitlines()[-2:] == [
        "… and 3 more",
        "0 of 5 done, 7 running",
    ]
    loop.running.clear()
    assert table_module.time_left(loop) == ""
    loop.outcomes += [outcome({"a": "1"}, 1.0, seconds=60.0), outcome({"a": "2"}, None, "failed")]
    assert table_module.time_left(loop) == "90 s left"
