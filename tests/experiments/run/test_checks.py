"""All checks of a configuration, in one order, for a run and for every point of a sweep."""

import pytest

from common.cli import UsageError
from dssgan.config.schema import from_dict
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS
from experiments.run import checks
from experiments.sweep import __main__ as sweep
from tests.dssgan.stand_ins import TinySeparator, error

SMALL = {"name": "dcgan", "frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(LOSSES, "error", error)
    monkeypatch.setattr(checks, "_passed", set())


def configured(**changes):
    values = {
        "sources": ["drums", "vocals"],
        "phases": ["supervised", "adversarial"],
        "alpha": 0.1,
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "data": {"seconds": 0.1, "batch": 4},
        "adversarial": {"critics": [SMALL]},
        "compute": {"deterministic": False},
    }
    return from_dict(values | changes)


def test_layers_are_called_in_order_and_slow_ones_once(monkeypatch):
    calls = []
    for module, name in (
        ("experiments.run.checks", "check_rules"),
        ("dssgan.training.options", "check_choices"),
        ("dssgan.refinement.checks", "check_refinements"),
        ("experiments.songs.checks", "check_data"),
        ("experiments.songs.checks", "check_roles"),
    ):

        def called(config, name=name):
            calls.append(name)

        called.__name__ = name
        monkeypatch.setattr(f"{module}.{name}", called)
    order = ["check_rules", "check_choices", "check_refinements", "check_data", "check_roles"]
    checks.check(configured())
    assert calls == order
    checks.check(configured(seed=3, alpha=0.2))  # the next point of a sweep
    assert calls[5:] == ["check_rules", "check_choices", "check_data"]
    checks.check(configured(data={"seconds": 0.2, "batch": 4}))
    assert calls[8:] == order
    calls.clear()
    checks.check(configured(seed=4), thorough=False)
    assert calls == ["check_rules", "check_choices", "check_data"]


@pytest.mark.parametrize("check", [checks.check, sweep.check_run], ids=["run", "point of a sweep"])
def test_critics_that_cannot_be_built_are_refused_before_anything_starts(check):
    config = configured(adversarial={"critics": [SMALL | {"frames": 64}]})
    with pytest.raises(UsageError, match=r"adversarial\.critics\[0\]: dcgan: excerpts of 800"):
        check(config)
    check(configured())


def test_a_check_that_failed_is_made_again(tmp_path):
    config = configured(adversarial={"critics": [SMALL], "init": str(tmp_path)})
    for _ in range(2):
        with pytest.raises(UsageError, match=r"adversarial\.init: .*no config\.json"):
            checks.check(config)
