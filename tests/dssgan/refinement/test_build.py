"""From a configuration to critics, teacher and step; what a refinement tells about itself."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.config.schema import Tracking, from_dict
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS, export
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.refinement.build import build_critics, build_refinement, describe, margin_samples
from dssgan.refinement.checks import check_refinements
from dssgan.refinement.critic_health import CriticHealth
from dssgan.refinement.samples import Samples
from dssgan.training.build import build_model
from dssgan.training.options import check_choices
from dssgan.training.start import start_from
from tests.dssgan.small_refinement import Unpaired
from tests.dssgan.small_training import make_state
from tests.dssgan.stand_ins import TinySeparator, error

SMALL = {"name": "dcgan", "frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4}
PAIR = SMALL | {"name": "dependency", "objective": "logistic", "penalty": 0}


class Far(TinySeparator):
    """Needs 300 samples of context."""

    context = 300


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(SEPARATORS, "far", Far)
    monkeypatch.setitem(LOSSES, "error", error)


def configured(critics=(SMALL,), **changes):
    """A configuration with small critics; excerpts of 800 samples."""
    values = {
        "sources": ["drums", "vocals"],
        "phases": ["supervised", "self_training", "adversarial"],
        "alpha": 0.1,
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "data": {"seconds": 0.1, "batch": 4},
        "adversarial": {"critics": list(critics)} | changes.pop("adversarial", {}),
    }
    return from_dict(values | changes)


def test_a_critic_per_source_and_two_for_the_whole():
    config = configured([SMALL, PAIR], seed=4)
    found = build_critics(config, build_model(config), 800)
    sources, dependency = found.sources, found.dependency
    assert [entry.name for entry in sources] == ["dcgan/drums", "dcgan/vocals"]
    assert [entry.source for entry in sources] == [0, 1]
    assert [entry.name for entry in dependency] == ["dependency"]
    assert (sources[0].penalty, dependency[0].penalty) == (10.0, 0.0)
    assert dependency[0].real.input_channels == 3
    found = found.models
    seeds = [critic.hyperparameters["seed"] for critic in found]
    assert len(set(seeds)) == 4
    again = build_critics(config, build_model(config), 800).models
    for one, other in zip(found, again):
        for own, same in zip(one.get_weights(), other.get_weights()):
            np.testing.assert_array_equal(own, same)
    different = build_critics(configured([SMALL], seed=5), build_model(config), 800).models
    assert (different[0].get_weights()[0] != found[0].get_weights()[0]).any()


def test_some_sources_may_have_a_critic_each():
    config = configured([SMALL | {"sources": ["vocals"]}])
    sources = build_critics(config, build_model(config), 800).sources
    assert [(entry.name, entry.source) for entry in sources] == [("dcgan/vocals", 1)]


def test_critics_hear_what_has_full_context():
    config = configured()
    assert margin_samples(config, build_model(config), 800) == 0
    far = configured(model={"name": "far"})
    assert margin_samples(far, build_model(far), 800) == 300
    near = configured(model={"name": "far"}, data={"seconds": 0.075, "batch": 4})
    with pytest.raises(ValueError, match=r"data.seconds=0.075: .* more than 0.07 s, or a shorter"):
        margin_samples(near, build_model(near), 600)
    given = configured(adversarial={"margin": 0.02})
    assert margin_samples(given, build_model(given), 800) == 160
    sources = build_critics(given, build_model(given), 800).sources
    assert sources[0].critic.hyperparameters["samples"] == 480


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adversarial": {"margin": 0.05}}, "adversarial.margin=0.05: excerpts last 0.1 s"),
        ({"adversarial": {"margin": -0.01}}, "adversarial.margin=-0.01: "),
        ({"critics": [SMALL | {"frames": 64}]}, "adversarial.critics[0]: dcgan: excerpts of 800"),
        ({"critics": [SMALL, PAIR | {"frames": 64}]}, "critics[1]: dependency: excerpts of 800"),
        ({"critics": [SMALL | {"width": 0}]}, "critics[0]: dcgan: width is 0"),
        ({"critics": [PAIR], "data": {"seconds": 0.1, "batch": 1}}, "takes two excerpts"),
        (
            {"self_training": {"drop": 0.2}},
            "self_training.drop=0.2 leaves out none of the 4 songs of a batch on a device; "
            "expected 0.25 or more",
        ),
        (
            {"adversarial": {"taught": True}, "self_training": {"drop": 0.2}},
            "self_training.drop=0.2 leaves out none",
        ),
    ],
)
def test_what_critics_cannot_hear_is_told_before_the_first_phase(changes, message):
    config = configured(**changes)
    with pytest.raises(ValueError) as caught:
        check_refinements(config)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    assert "Exception encountered" not in text


@pytest.mark.parametrize(
    ("critic", "message"),
    [
        ({"name": "dcgn"}, "adversarial.critics[0].name='dcgn': expected one of"),
        ({"objective": "hing"}, "critics[0].objective='hing': expected one of"),
        ({"widht": 3}, "did you mean adversarial.critics[0].width?"),
        ({"width": "wide"}, "adversarial.critics[0].width='wide': expected a whole number"),
        ({"name": "period", "periods": 3}, "critics[0].periods=3: expected a list such as"),
        ({"name": "spectral", "windows": 512}, "critics[0].windows=512: expected a list such as"),
        ({"name": "spectral", "bands": 1}, "critics[0].bands=1: expected a list such as [a, b]"),
        ({"name": "spectral", "bands": ["a", 1]}, "critics[0].bands[0]='a': expected a number"),
        ({"samples": 9}, "unknown key adversarial.critics[0].samples"),
        ({"name": "dependency", "estimates": 3}, "unknown key adversarial.critics[0].estimates"),
        ({"name": "dependency", "sources": ["drums"]}, "leave the sources out"),
    ],
)
def test_critics_that_do_not_exist_are_told_in_one_line(critic, message):
    with pytest.raises(ValueError) as caught:
        check_choices(configured([critic]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_yaml_reads_as_texts_serves_as_numbers_of_critics():
    entry = {"name": "spectral", "penalty": 0, "windows": [256, 128], "width": 2}
    config = configured([entry | {"bands": ["5e-1", 1], "compression": "3e-1"}])
    sources = build_critics(config, build_model(config), 800).sources
    told = sources[0].critic.hyperparameters
    assert (told["windows"], told["bands"], told["compression"]) == ([256, 128], [0.5, 1.0], 0.3)
    config = configured([entry | {"windows": None}], data={"seconds": 1.0, "batch": 4})
    sources = build_critics(config, build_model(config), 800).sources
    assert sources[0].critic.hyperparameters["windows"]


@pytest.mark.parametrize(
    ("margin", "said"),
    [(None, None), (46 * 32 / 8000, None), (0.1, "14 places of real excerpts are scored and 8 of")],
)
def test_spectra_of_full_context_have_no_other_margin(margin, said):
    """A frame less at each end does no harm, more excerpts than spectra do."""
    network = {"name": "unet", "frame_length": 64, "hop": 32, "sample_rate": 8000, "filters": 1}
    config = configured(
        model=network,
        loss={"name": "log_magnitudes"},
        data={"seconds": 158 * 32 / 8000, "batch": 4},
        adversarial={"margin": margin},
    )
    if said is None:
        check_refinements(config)
        return
    with pytest.raises(ValueError, match=f"critic dcgan/drums: {said} gen.*leave adv"):
        check_refinements(config)


def test_critics_that_nobody_asks_are_not_built():
    check_refinements(configured([SMALL | {"frames": 64}], alpha=0))
    phases = {"phases": ["supervised"], "alpha": 0}
    check_refinements(configured([SMALL | {"frames": 64}], **phases))
    config = configured(alpha=0, beta=0.1)
    strategy = tf.distribute.get_strategy()
    step, state = build_refinement(config, "adversarial", strategy, build_model(config), 800)
    assert not state.critics
    assert state.critic_optimiser is None
    assert step.turns.cycle == 1


@pytest.mark.parametrize("teacher", ["best", "average"])
def test_each_phase_has_what_it_needs(teacher):
    config = configured([SMALL, PAIR], self_training={"teacher": teacher, "decay": 0.5})
    strategy = tf.distribute.get_strategy()
    step, state = build_refinement(config, "self_training", strategy, build_model(config), 800)
    assert not state.critics
    assert state.follow == (teacher == "average")
    assert (step.turns.cycle, step.terms.alpha) == (1, 0.0)
    assert step.update.average == (0.5 if state.follow else 0.0)
    assert describe("self_training", config, step) == f"self_training: teacher: {teacher}"
    step, state = build_refinement(config, "adversarial", strategy, build_model(config), 800)
    assert (state.teacher, step.terms.pseudo_labels) == (None, None)
    assert (step.turns.cycle, step.terms.alpha, len(state.critics)) == (6, 0.1, 4)
    line = describe("adversarial", config, step)
    size = sum(int(np.prod(v.shape)) for c in state.critics for v in c.trainable_variables)
    assert line == (
        f"adversarial: critics dcgan/drums, dcgan/vocals, dependency ({size:,} weights); "
        "alpha=0.1, beta=0"
    )
    both = configured(adversarial={"taught": True}, self_training={"teacher": teacher})
    step, state = build_refinement(both, "adversarial", strategy, build_model(both), 800)
    assert state.teacher is not None
    assert "teacher: " in describe("adversarial", both, step)


def test_a_phase_starts_from_the_weights_of_another_separator(tmp_path):
    kept = TinySeparator(seed=8)
    export.save(kept, tmp_path / "kept")
    model = TinySeparator(seed=9)
    start_from(model, tmp_path / "kept", "adversarial.init")
    for own, other in zip(model.get_weights(), kept.get_weights()):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: TinySeparator(width=4), "has width=8, the configuration 4; the architecture"),
        (lambda: TinySeparator(("drums", "bass")), "has sources=['drums', 'vocals'], the conf"),
        (lambda: Far(), "choose the same model.name"),
    ],
)
def test_another_architecture_is_refused_in_one_line(tmp_path, model, message):
    export.save(TinySeparator(), tmp_path)
    with pytest.raises(ValueError) as caught:
        start_from(model(), tmp_path, "adversarial.init")
    assert str(caught.value).startswith(f"adversarial.init: {tmp_path} ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(OSError, match=r"^adversarial.init: .*that of an exported separator"):
        start_from(TinySeparator(), tmp_path / "nothing", "adversarial.init")


def test_where_a_phase_starts_is_looked_at_before_any_phase(tmp_path):
    export.save(TinySeparator(width=4), tmp_path)
    for phase in ("self_training", "adversarial"):
        section = {"init": str(tmp_path)} | ({"critics": [SMALL]} if phase == "adversarial" else {})
        config = configured(alpha=0, **{phase: section})
        with pytest.raises(
            ValueError, match=rf"^{phase}\.init: .* has width=4, the configuration 8"
        ):
            check_refinements(config)


def told(collapse, values, name="dcgan/drums"):
    return [collapse(i, {f"train/critic/{name}/accuracy": v}) for i, v in enumerate(values)]


def test_a_collapsed_critic_is_remarked_once_per_stretch():
    remarks = told(
        CriticHealth(["dcgan/drums"], patience=3), [1.0] * 7 + [0.8] + [0.995] * 3 + [0.7]
    )
    assert [bool(remark) for remark in remarks] == [i in (2, 10) for i in range(12)]
    assert remarks[2].startswith("step 2: critic dcgan/drums tells real from generated every time")
    assert "lower adversarial.critic_schedule.learning_rate" in remarks[2]
    remarks = told(CriticHealth(["dcgan/drums"], patience=3), [0.5, 0.51, 0.49, 0.5])
    assert [bool(remark) for remark in remarks] == [False, False, True, False]
    assert "only guesses; raise adversarial.critic_steps" in remarks[2]
    assert "solo recordings" in remarks[2]
    assert not any(
        told(CriticHealth(["dcgan/drums"], patience=3), [0.5, 0.6, 0.5, 1.0, 0.5, 1.0] * 3)
    )
    assert not any(told(CriticHealth(["dcgan/drums"], patience=3), [0.0] * 5, name="other"))


@pytest.mark.parametrize(("batch", "averaged"), [(6, 10), (8, 25), (12, 25)])
def test_critics_that_guess_are_told_from_those_that_do_not(batch, averaged):
    """With accuracies as critics have them: of few excerpts, averaged over some updates."""
    rng = np.random.default_rng(0)

    def points(better, count=400):
        real = rng.normal(better, 1.0, (count, averaged, batch, 1))
        fake = rng.normal(0.0, 1.0, (count, averaged, 1, batch))
        return np.mean(real > fake, (1, 2, 3))

    assert any(
        "only guesses" in remark for remark in told(CriticHealth(["dcgan/drums"]), points(0.0))
    )
    assert not any(told(CriticHealth(["dcgan/drums"]), points(0.5)))


def test_dependency_critics_are_watched_as_well():
    collapse = CriticHealth([], ["dependency"], patience=2)
    remarks = told(collapse, [0.5, 0.5], name="dependency/real")
    assert "critic dependency/real only guesses" in remarks[1]
    assert "solo recordings" not in remarks[1]
    remarks = told(collapse, [1.0, 1.0], name="dependency/generated")
    assert "dependency/generated tells songs from shuffled stems every time" in remarks[1]


class Kept(TensorBoard):
    """Remembers what would be written."""

    def __init__(self, folder):
        self.folder, self.shown = folder, []

    def sounds(self, step, name, sounds, sample_rate):
        self.shown.append((step, name, sounds, sample_rate))


def test_real_and_generated_solos_are_pictured_now_and_then():
    source, logs = Unpaired(), Kept("somewhere")
    state = make_state()
    model = state.model
    pictures = Samples(state, source, Tracking(listen_every=2))
    for step in range(6):
        pictures(step, logs)
    assert [step for step, *_ in logs.shown] == [0, 1, 2, 4]
    _, name, sounds, rate = logs.shown[0]
    assert (name, rate) == ("unpaired", 8000)
    assert set(sounds) == {
        "mixture",
        "drums/generated",
        "drums/real",
        "vocals/generated",
        "vocals/real",
    }
    batch = source.batch(0)
    np.testing.assert_array_equal(sounds["drums/real"], batch["solos"]["drums"][0])
    estimates = model(batch["mixtures"][:1]).numpy()[0]
    np.testing.assert_allclose(sounds["vocals/generated"], estimates[1], atol=1e-6)
    Samples(state, source, Tracking(listen_every=2, examples=0))(0, logs)
    Samples(state, source, Tracking(listen_every=2))(0, Kept(None))
    assert len(logs.shown) == 4
