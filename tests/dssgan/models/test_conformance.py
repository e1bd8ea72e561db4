"""Every registered separator keeps the contract of `SeparatorModel`; new ones are found here."""

import json

import numpy as np
import pytest
import tensorflow as tf

from dssgan.models import SEPARATORS, build
from dssgan.models.base import SeparatorModel
from dssgan.models.registry import name_of

BANDSPLIT = {
    "sample_rate": 8000,
    "frame_length": 256,
    "hop": 64,
    "split": [[1000, 500], [4000, 1500]],
    "features": 6,
    "hidden": 4,
    "repeats": 1,
    "mask_hidden": 6,
}
MULTISTAGE = {
    "stages": 2,
    "width": 16,
    "mels": 8,
    "bottleneck": 8,
    "hidden": 8,
    "layers": 2,
    "stacks": 1,
}
SPECTRUM = {"sample_rate": 8000, "frame_length": 256, "hop": 64, "channels": 1}
ROFORMER = SPECTRUM | {
    "sources": ["drums", "accompaniment"],
    "features": 8,
    "blocks": 2,
    "heads": 2,
    "head_width": 4,
}
HTDEMUCS = {
    "sample_rate": 8000,
    "segment": 0.5,
    "channels": 8,
    "depth": 2,
    "nfft": 256,
    "dconv_comp": 4,
    "bottom_channels": 16,
    "t_layers": 2,
    "t_heads": 2,
}
# A size that is quick to build, for separators whose default is the published one.
QUICK = {
    "bandsplit": BANDSPLIT,
    "bs_roformer": ROFORMER | {"bands": [8] * 16 + [1], "sums": True},
    "combined": {
        "models": [
            {
                "name": "bandsplit",
                "hyperparameters": {**BANDSPLIT, "sources": [source, "accompaniment"]},
                "take": [source],
            }
            for source in ("drums", "bass")
        ]
    },
    "causal_multistage": MULTISTAGE,
    "mdx23c": SPECTRUM
    | {
        "channels": 2,
        "bins": 128,
        "subbands": 2,
        "width": 4,
        "growth": 2,
        "scales": 2,
        "blocks": 1,
        "sources": ["kick", "snare", "hats"],
    },
    "mel_band_roformer": ROFORMER | {"channels": 2, "bands": 8, "recompute": True},
    "htdemucs": HTDEMUCS,
    "multistage": MULTISTAGE,
    "openunmix": SPECTRUM | {"heard": 100, "units": 8, "depth": 2, "channels": 2},
    "scnet": SPECTRUM | {"widths": [4, 8], "paths": 2, "channels": 2},
    "unet": {"filters": 4},
    "wavenet": {"layers": 3, "stacks": 2, "residual": 4, "skip": 4, "final": [8, 4]},
}


@pytest.fixture(scope="module", params=sorted(SEPARATORS))
def model(request) -> SeparatorModel:
    return build(request.param, **QUICK[request.param])


def length(model: SeparatorModel) -> int:
    wanted = max(model.minimum, model.sample_rate // 4)
    return -(-wanted // model.multiple) * model.multiple


def test_every_separator_has_a_quick_size():
    assert set(QUICK) == set(SEPARATORS)


@pytest.mark.parametrize("channels", [1, 2])
def test_shapes_and_finite_values(model, channels, rng):
    samples = length(model)
    mixture = rng.standard_normal((2, samples, channels)).astype(np.float32)
    estimates = model(mixture)
    assert estimates.shape == (2, len(model.sources), samples, channels)
    assert estimates.dtype == tf.float32
    assert np.isfinite(estimates).all()


def test_the_minimum_length_works(model, rng):
    assert model.minimum % model.multiple == 0
    mixture = rng.standard_normal((1, model.minimum, 1)).astype(np.float32)
    assert np.isfinite(model(mixture)).all()


def test_silence_gives_finite_estimates(model):
    assert np.isfinite(model(tf.zeros((1, length(model), 1)))).all()


def test_every_weight_gets_a_gradient(model, rng):
    samples = length(model)
    references = rng.standard_normal((2, len(model.sources), samples, 1)).astype(np.float32)

    @tf.function(autograph=False)  # as in training; piece by piece takes three times as long
    def differentiate(mixture, references):
        with tf.GradientTape() as tape:
            outputs = model.training_estimates(mixture, references)
            assert {"estimates", *model.training_outputs} <= set(outputs)
            loss = tf.add_n(
                [
                    tf.reduce_sum(tf.square(value))
                    for value in tf.nest.flatten(outputs)
                    if value.dtype.is_floating
                ]
            )
        return tape.gradient(loss, model.trainable_variables)

    gradients = differentiate(references.sum(1), references)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path


def test_hyperparameters_rebuild_the_model(model, rng):
    again = build(name_of(model), **json.loads(json.dumps(model.hyperparameters)))
    again.set_weights(model.get_weights())
    mixture = rng.standard_normal((1, length(model), 1)).astype(np.float32)
    np.testing.assert_array_equal(again(mixture), model(mixture))


def test_the_contract_names_plain_numbers(model):
    for name in ("sample_rate", "context", "multiple", "grid", "minimum"):
        assert isinstance(getattr(model, name), int), name
    assert 0 <= model.context < 60 * model.sample_rate
    assert isinstance(model.scale_free, bool)
    assert isinstance(model.unit_variance, bool)


def test_one_trace_for_repeated_calls(model, rng):
    traces = []

    @tf.function
    def separate(mixture, state):
        traces.append(1)
        return model.infer(mixture, state)

    for _ in range(3):
        mixture = rng.standard_normal((1, length(model), 1)).astype(np.float32)
        separate(mixture, model.inference_state())
    assert len(traces) == 1


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="multistage"):
        build("metatasnet")
