"""Configurations: defaults, keys, types, ranges, contradictions."""

import dataclasses

import pytest

from dssgan import config
from dssgan.consistency import differences
from dssgan.typed import flatten, merge, to_dict


def test_defaults_are_the_published_recipe():
    default = config.from_dict({})
    assert (default.data.batch, default.data.seconds, default.seed) == (12, 8.0, 42)
    assert default.data.augmentation.gain == (0.75, 1.25)
    assert default.data.augmentation.remix == 0.5
    assert default.supervised.epochs * default.supervised.steps == 312_500
    optimiser = default.optimiser
    assert (optimiser.name, optimiser.beta_1, optimiser.beta_2) == ("ranger", 0.95, 0.999)
    assert (optimiser.epsilon, optimiser.weight_decay, optimiser.clip) == (1e-5, 5e-4, 5.0)
    assert (optimiser.lookahead_period, optimiser.lookahead_ratio) == (6, 0.5)
    schedule = default.schedule
    assert (schedule.name, schedule.learning_rate) == ("sgdr", 1e-3)
    assert (schedule.period, schedule.decay) == (200_000, 0.85)


def test_round_trip_keeps_hyperparameters_and_lists():
    values = {
        "model": {"name": "multistage", "width": 16, "layers": 3},
        "loss": {"reconstruction": 0.1},
        "sources": ["drums", "accompaniment"],
        "data": {"name": "folders", "root": "songs", "also": [{"name": "band", "weight": 0.5}]},
    }
    made = config.from_dict(values)
    assert made.model.hyperparameters == {"width": 16, "layers": 3}
    assert made.loss.weights == {"reconstruction": 0.1}
    assert made.data.also[0].weight == 0.5
    plain = to_dict(made)
    assert plain["model"] == {"name": "multistage", "width": 16, "layers": 3}
    assert config.from_dict(plain) == made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": {}}, "unknown key optimizer; did you mean optimiser?"),
        ({"optimiser": {"clip_norm": 1.0}}, "optimiser.clip_norm; did you mean optimiser.clip?"),
        ({"learning_rate": 1e-3}, "did you mean schedule.learning_rate?"),
        ({"data": {"also": [{"nam": "band"}]}}, "did you mean data.also[0].name?"),
        ({"schedule": {"learning_rate": "abc"}}, "schedule.learning_rate='abc': expected a number"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"seed": True}, "seed=True: expected a whole number"),
        ({"compute": {"deterministic": 1}}, "compute.deterministic=1: expected true or false"),
        ({"sources": "drums"}, "sources='drums': expected a list"),
        ({"data": "band"}, "data='band': expected a section of keys"),
        ({"alpha": float("nan")}, "alpha=nan: expected a finite number"),
        ({"alpha": float("inf")}, "alpha=inf: expected a finite number"),
        ({"data": {"batch": 0}}, "data.batch=0: expected 1 or more"),
        ({"data": {"augmentation": {"remix": 2}}}, "remix=2.0: expected 1 or less"),
        ({"data": {"augmentation": {"gain": [1]}}}, "gain=[1]: expected a list of 2"),
        ({"data": {"augmentation": {"gain": [2, 1]}}}, "the lower factor comes first"),
        ({"compute": {"xla": "of"}}, "compute.xla='of': expected one of auto, on, off"),
        ({"phases": ["supervised", "tests"]}, "did you mean test?"),
        ({"phases": []}, "expected at least one name"),
        ({"sources": ["drums", "drums"]}, "each once"),
        ({"validation": {"sources": ["lead"]}}, "validation.sources: 'lead' is none of"),
        ({"data": {"batch": 5}, "optimiser": {"accumulate": 2}}, "not a multiple"),
    ],
)
def test_mistakes_are_told_in_one_line(values, message):
    with pytest.raises(ValueError) as caught:
        config.from_dict(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["alpha", "beta"])
def test_weights_of_an_absent_phase_are_refused(key):
    with pytest.raises(ValueError, match=rf"{key}=0.1 .*phases are supervised, test; set {key}=0"):
        config.from_dict({key: 0.1})


def test_whole_numbers_and_texts_serve_as_numbers():
    made = config.from_dict({"schedule": {"learning_rate": "1e-4"}, "alpha": 0, "name": 7})
    assert made.schedule.learning_rate == 1e-4
    assert made.name == "7"


def test_differences_leave_out_what_does_not_matter():
    old = config.from_dict({})
    same = {"tracking": {"every": 3}, "name": "x", "data": {"cache": "/elsewhere", "workers": 7}}
    assert differences(old, config.from_dict(same)) == {}
    new = config.from_dict({"seed": 1, "model": {"width": 8}})
    assert differences(old, new) == {"seed": (42, 1), "model.width": (None, 8)}


def test_merge_goes_section_by_section():
    merged = merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "e": 5})
    assert merged == {"a": {"b": 4, "c": 2}, "d": 3, "e": 5}
    assert flatten(merged) == {"a.b": 4, "a.c": 2, "d": 3, "e": 5}
