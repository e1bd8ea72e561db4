"""Self-training and critics refine every registered separator, new ones too."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.models import SEPARATORS
from dssgan.refinement.build import build_refinement
from dssgan.refinement.checks import check_refinements
from dssgan.training.build import build_model, excerpt_samples
from dssgan.training.options import check_choices
from tests.dssgan.models.test_conformance import QUICK

LOSS = {
    "bandsplit": "bandsplit",
    "multistage": "multistage",
    "causal_multistage": "multistage_l1",
    "unet": "log_magnitudes",
    "wavenet": "wavenet",
}
CRITICS = [
    {"name": "dcgan", "frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4},
    {"name": "spectral", "objective": "hinge", "penalty": 0, "width": 2},
]
PAIR = CRITICS[0] | {"name": "dependency", "objective": "logistic", "penalty": 0}


@pytest.fixture(autouse=True)
def untraced():
    """Operation by operation: tracing eleven systems takes longer than a few small steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def configured(name, channels, **changes):
    """A configuration of a small separator with everything that a refinement has."""
    model = {key: value for key, value in QUICK[name].items() if key != "sources"}
    sources = list(SEPARATORS[name](**QUICK[name]).sources)
    values = {
        "sources": sources,
        "phases": ["supervised", "self_training", "adversarial"],
        "alpha": 0.1,
        "beta": 0.1,
        "model": {"name": name} | model,
        "loss": {"name": LOSS.get(name, "l1")},
        "data": {"seconds": 0.25, "batch": 2, "channels": channels},
        "self_training": {"drop": 0.5, "teacher": "average"},
        "adversarial": {
            "critics": [*CRITICS, PAIR],
            "critic_steps": 1,
            "taught": True,
            "balance": True,
            "matching": 0.5,
            "margin": 0.0,
        },
    }
    if name == "unet":  # critics receive the frames that have full context, see dssgan_original
        values["data"]["seconds"] = 4.90625
        del values["adversarial"]["margin"]
        values["adversarial"]["critics"] = [
            {"name": "dcgan", "frame_length": 512, "hop": 256, "frames": 64, "width": 2}
        ]
    return from_dict(values | changes)


def batch(config, samples, seed):
    rng = np.random.default_rng(seed)

    def noise(*shape):
        return tf.constant(0.1 * rng.standard_normal(shape).astype(np.float32))

    shape = (config.data.batch, samples, config.data.channels)
    return {
        "stems": noise(shape[0], len(config.sources), *shape[1:]),
        "mixtures": noise(*shape),
        "solos": {source: noise(*shape) for source in config.sources},
    }


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "channels"), [("self_training", 1), ("adversarial", 2)])
@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_a_few_steps(name, phase, channels):
    config = configured(name, channels)
    check_choices(config)
    check_refinements(config)
    model = build_model(config)
    samples = excerpt_samples(config, model)
    step, state = build_refinement(config, phase, tf.distribute.get_strategy(), model, samples)
    state.begin()
    before = [weight.numpy() for weight in state.weights]
    for number in range(2 * step.turns.cycle):
        figures = step(batch(config, samples, number), number)
        wrong = {key: float(value) for key, value in figures.items() if not np.isfinite(value)}
        assert not wrong, number
    for term in ("supervised", "taught"):
        assert float(figures[f"loss/{term}"]) > 0 or config.loss.name != "l1"
    if phase == "adversarial":
        assert float(figures["share/adversarial"]) > 0
        assert float(figures["share/additivity"]) >= 0
    moved = [not np.array_equal(w.numpy(), old) for w, old in zip(state.weights, before)]
    assert sum(moved) > 0.9 * len(moved)
