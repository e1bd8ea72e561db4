"""Configurations: defaults, keys, types, ranges, contradictions."""

import dataclasses

import pytest

from dssgan.config import schema
from dssgan.config.changes import differences
from dssgan.config.mappings import flatten, merge, to_dict


def test_defaults_are_the_published_recipe():
    default = schema.from_dict({})
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
    made = schema.from_dict(values)
    assert made.model.hyperparameters == {"width": 16, "layers": 3}
    assert made.loss.weights == {"reconstruction": 0.1}
    assert made.data.also[0].weight == 0.5
    plain = to_dict(made)
    assert plain["model"] == {"name": "multistage", "width": 16, "layers": 3}
    assert schema.from_dict(plain) == made
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
        ({"alpha": -0.1}, "alpha=-0.1: expected 0 or more"),
        ({"beta": -1}, "beta=-1.0: expected 0 or more"),
        ({"beta": float("nan")}, "beta=nan: expected a finite number"),
        ({"unpaired": {"mixtures": [{"nam": "band"}]}}, "did you mean unpaired.mixtures[0].name?"),
        ({"unpaired": {"solos": [{"source": "lead"}]}}, "solos[0].source='lead': none of the"),
        ({"unpaired": {"gain": [2, 1]}}, "unpaired.gain=[2, 1]: the lower factor comes first"),
        ({"unpaired": {"short": "repeat"}}, "unpaired.short='repeat': expected one of loop, pad"),
        ({"self_training": {"gain_db": [3, -3]}}, "self_training.gain_db=[3, -3]: the lower"),
        ({"self_training": {"drop": 0.95}}, "self_training.drop=0.95: expected 0.9 or less"),
        ({"self_training": {"teacher": "ema"}}, "teacher='ema': expected one of best, average"),
        ({"adversarial": {"critics": [{"sources": ["lead"]}]}}, "critics[0].sources: 'lead' is"),
        ({"adversarial": {"critics": [{}, {"sources": ["bass"]}]}}, "of bass is named twice"),
        ({"adversarial": {"critic_steps": 0}}, "adversarial.critic_steps=0: expected 1 or more"),
    ],
)
def test_mistakes_are_told_in_one_line(values, message):
    with pytest.raises(ValueError) as caught:
        schema.from_dict(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["alpha", "beta"])
def test_weights_of_an_absent_phase_are_refused(key):
    with pytest.raises(ValueError, match=rf"{key}=0.1 .*phases are supervised, test; set {key}=0"):
        schema.from_dict({key: 0.1})


@pytest.mark.parametrize("phase", ["self_training", "adversarial"])
def test_a_refinement_needs_a_start_and_whole_batches(phase):
    for phases in ([phase], ["test", phase]):
        with pytest.raises(
            ValueError, match=rf"{phase}\.init=supervised: no phase comes before"
        ) as caught:
            schema.from_dict({"phases": phases})
        assert ("init=scratch" in str(caught.value)) == (phase == "adversarial")
        schema.from_dict({"phases": phases, phase: {"init": "runs/other/separator"}})
    with pytest.raises(ValueError, match=r"what self_training learnt would be lost; put it first"):
        schema.from_dict(
            {"phases": ["self_training", "supervised"], "self_training": {"init": "a/separator"}}
        )
    story = {"phases": ["supervised", phase]}
    with pytest.raises(ValueError, match=rf"the phase {phase} works on whole batches"):
        schema.from_dict(story | {"optimiser": {"accumulate": 2}})
    with pytest.raises(ValueError, match=rf"the phase {phase} cannot use several; set .*mixes=1"):
        schema.from_dict(story | {"data": {"augmentation": {"mixes": 3}}})
    schema.from_dict({"optimiser": {"accumulate": 2}, "data": {"augmentation": {"mixes": 3}}})


def test_a_teacher_has_learnt_something():
    adversarial = {"init": "scratch"}
    schema.from_dict({"phases": ["adversarial"], "adversarial": adversarial})
    for phase, section in (
        ("self_training", {"init": "scratch"}),
        ("adversarial", {"init": "scratch", "taught": True}),
    ):
        for phases in ([phase], ["supervised", phase]):
            with pytest.raises(ValueError, match=rf"^{phase}\.init=scratch: the teacher would be"):
                schema.from_dict({"phases": phases, phase: section})


def test_critics_may_judge_the_same_source_if_they_differ():
    critics = [{"sources": ["drums"]}, {"sources": ["bass"]}, {"name": "period"}]
    made = schema.from_dict({"adversarial": {"critics": critics}})
    assert [critic.name for critic in made.adversarial.critics] == ["dcgan", "dcgan", "period"]
    phases = ["supervised", "adversarial"]
    with pytest.raises(ValueError, match=r"alpha=0\.1 .*adversarial\.critics is empty"):
        schema.from_dict({"phases": phases, "alpha": 0.1, "adversarial": {"critics": []}})
    schema.from_dict({"phases": phases, "beta": 0.1, "adversarial": {"critics": []}})


def test_whole_numbers_and_texts_serve_as_numbers():
    made = schema.from_dict({"schedule": {"learning_rate": "1e-4"}, "alpha": 0, "name": 7})
    assert made.schedule.learning_rate == 1e-4
    assert made.name == "7"


def test_differences_leave_out_what_does_not_matter():
    old = schema.from_dict({})
    same = {"tracking": {"every": 3}, "name": "x", "data": {"cache": "/elsewhere", "workers": 7}}
    assert differences(old, schema.from_dict(same)) == {}
    new = schema.from_dict({"seed": 1, "model": {"width": 8}})
    assert differences(old, new) == {"seed": (42, 1), "model.width": (None, 8)}


def test_merge_goes_section_by_section():
    merged = merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "e": 5})
    assert merged == {"a": {"b": 4, "c": 2}, "d": 3, "e": 5}
    assert flatten(merged) == {"a.b": 4, "a.c": 2, "d": 3, "e": 5}


def test_merge_takes_positions_of_a_list():
    base = {"a": {"list": [{"x": 1, "y": 2}, {"x": 3}, 7]}, "gain": (0.5, 1.5)}
    merged = merge(base, {"a": {"list": {"1": {"y": 4}, "2": 8}}, "gain": {1: 2.0}})
    assert merged == {"a": {"list": [{"x": 1, "y": 2}, {"x": 3, "y": 4}, 8]}, "gain": [0.5, 2.0]}
    assert base["a"]["list"] == [{"x": 1, "y": 2}, {"x": 3}, 7]  # untouched
    whole = {"a": {"list": {"0": 1, "x": 2}}}  # not positions alone: it takes the list's place
    assert merge(base, whole)["a"]["list"] == {"0": 1, "x": 2}


def test_a_position_beyond_the_end_of_a_list_is_told():
    with pytest.raises(ValueError, match=r"a\.list\.2: no such entry .* positions 0 to 1$"):
        merge({"a": {"list": [1, 2]}}, {"a": {"list": {"2": 3}}})
    with pytest.raises(ValueError, match=r"list\.0: .* the list is empty$"):
        merge({"list": []}, {"list": {"0": 3}})
