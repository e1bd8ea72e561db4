"""Where a phase starts: folders and names, other sources, other architectures."""

import numpy as np
import pytest

from dssgan.config.schema import from_dict
from dssgan.models import build, export
from dssgan.refinement.checks import check_refinements
from dssgan.training.start import check_start, named_starts, start_from
from tests.dssgan.models.test_conformance import ROFORMER

SIZES = ROFORMER | {"bands": [8] * 16 + [1]}


@pytest.fixture(scope="module")
def drums(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "drums"
    export.save(build("bs_roformer", **SIZES), folder)
    return folder


def configured(start, phase, sources=("drums", "bass", "accompaniment"), **values):
    sections = {phase: {"init": str(start)}} | values
    model = {key: value for key, value in SIZES.items() if key != "sources"}
    return from_dict(
        {
            "sources": list(sources),
            "phases": [phase],
            "model": {"name": "bs_roformer"} | model,
            "loss": {"name": "si_sdr"},
            **sections,
        }
    )


def test_a_separator_of_other_sources_says_what_it_gave(drums):
    model = build("bs_roformer", **SIZES | {"sources": ["drums", "bass", "accompaniment"]})
    assert check_start(model, drums, "supervised.init") == ["bass"]
    taken = start_from(model, drums, "supervised.init")
    assert taken.layers == ("mask_1 of bass",)
    given = export.load(drums)
    np.testing.assert_array_equal(
        model.masks[0].last[0].kernel.numpy(), given.masks[0].last[0].kernel.numpy()
    )


@pytest.mark.parametrize(("key", "value"), [("features", 16), ("bands", [4] * 32 + [1])])
def test_another_architecture_names_the_hyperparameter(drums, key, value):
    model = build("bs_roformer", **SIZES | {key: value, "sources": ["drums", "bass"]})
    message = rf"^supervised\.init: .* has {key}=.*only sources and targets may differ\)$"
    with pytest.raises(ValueError, match=message):
        start_from(model, drums, "supervised.init")


def test_another_system_is_named(drums):
    model = build("scnet", sources=["drums", "bass"], widths=[4, 8], paths=2)
    with pytest.raises(ValueError, match=r"is a bs_roformer, the configuration asks for a scnet"):
        start_from(model, drums, "supervised.init")


def test_a_start_may_be_the_name_of_a_separator(monkeypatch, drums, tmp_path):
    config = configured("drums", "supervised")
    assert named_starts(config) == {"supervised": "drums"}
    store = tmp_path / "store"
    store.mkdir()
    monkeypatch.setenv("DSSGAN_MODELS", str(store))
    (store / "mine").symlink_to(drums)
    assert named_starts(configured("mine", "supervised")) == {"supervised": "mine"}
    model = build("bs_roformer", **SIZES)
    assert start_from(model, "mine", "supervised.init").layers == ()
    with pytest.raises(ValueError, match=r"^supervised\.init='mime': .*did you mean mine\?"):
        named_starts(configured("mime", "supervised"))
    with pytest.raises(ValueError, match=r"^supervised\.init=supervised: expected scratch, or"):
        configured("supervised", "supervised")


@pytest.mark.parametrize("phase", ["self_training", "adversarial"])
def test_a_teacher_must_have_learnt_its_last_layers(drums, phase):
    more = {"adversarial": {"init": str(drums), "taught": True}} if phase == "adversarial" else {}
    with pytest.raises(ValueError, match=r"bass would be new and the teacher's .*phases=\[super"):
        check_refinements(configured(drums, phase, **more))
    check_refinements(configured(drums, phase, ("drums", "accompaniment"), **more))
    check_refinements(configured(drums, "supervised"))
    check_refinements(configured(drums, "adversarial"))


def test_new_last_layers_are_not_left_to_low_rank_updates(drums):
    with pytest.raises(ValueError, match=r"trainable=lora leaves them .*trainable=heads first"):
        check_refinements(configured(drums, "supervised", trainable="lora"))
    check_refinements(configured(drums, "supervised", trainable="heads"))
