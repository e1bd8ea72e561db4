"""The causal variant: nothing from later on, and the same numbers in pieces as in one go."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build

SIZES = {
    "sources": ["drums", "accompaniment"],
    "width": 16,
    "mels": 8,
    "bottleneck": 16,
    "hidden": 16,
    "layers": 2,
    "stacks": 2,
    "filter_length": 40,
    "stride": 40,
}
VARIANTS = {
    "one stage": {"stages": 1, "base_rate": 8000},
    "three stages": {"stages": 3, "base_rate": 8000},
    "44.1 kHz": {"stages": 2, "base_rate": 22050, "filter_length": 112, "stride": 112},
    "without spectra": {"stages": 2, "mels": 0},
    "independent, with biases": {"stages": 2, "generated": False, "residual_bias": True},
}


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def model(request):
    return build("causal_multistage", **SIZES | VARIANTS[request.param])


def noise(model, frames, rng):
    return rng.standard_normal((2, frames * model.multiple)).astype(np.float32)


def whole(model, audio):
    return model(audio[..., None]).numpy()[..., 0]


def test_in_pieces_it_is_what_it_is_in_one_go(model, rng):
    audio = noise(model, 61, rng)
    expected = whole(model, audio)
    kernels = model.inference_state()
    advance = tf.function(lambda block, state: model.advance(block, state, kernels))
    state, pieces = model.start(tf.constant(audio[:, : model.first])), []
    samples = 2 * model.multiple
    for place in range(model.first, audio.shape[1] - samples + 1, samples):
        found, state = advance(tf.constant(audio[:, place : place + samples]), state)
        assert found.shape == (2, 2, samples)
        pieces.append(found.numpy())
    found = np.concatenate(pieces, -1)[..., model.delay - model.first :]
    assert found.shape[-1] > 0.7 * audio.shape[1]
    assert_close(found, expected[..., : found.shape[-1]])


def assert_close(found, expected):
    error = np.sqrt(np.mean(np.square(found - expected, dtype=np.float64)))
    assert error < 1e-4 * np.sqrt(np.mean(np.square(expected)))  # -80 dB


def test_what_comes_later_than_its_delay_has_no_influence(model, rng):
    audio = noise(model, 40, rng)
    changed, cut = audio.copy(), audio.shape[1] // 2
    changed[:, cut:] *= -3
    difference = np.abs(whole(model, audio) - whole(model, changed)).max((0, 1))
    first = int(np.argmax(difference > 0)) - cut
    assert -model.delay <= first < 0
    assert difference[cut:].max() > 1e-3 * np.abs(whole(model, audio)).max()


def test_the_delay_is_that_of_filters_and_low_passes():
    model = build("causal_multistage", **SIZES | VARIANTS["44.1 kHz"])
    # Twice half of what a filter of 20 ms is longer than its step of 5 ms, and 135 samples.
    assert model.delay == 336 + 135 + 1 + 336
    assert model.delay / model.sample_rate < 0.0184


def test_levels_come_out_as_they_go_in(rng):
    """Running norms follow the level: drums of a song that is twice as loud are twice as loud."""
    model = build("causal_multistage", **SIZES | VARIANTS["without spectra"])
    audio = noise(model, 40, rng)
    assert_close(whole(model, 2 * audio), 2 * whole(model, audio))


def test_long_silence_and_what_follows_are_finite(model, rng):
    audio = np.concatenate([np.zeros((2, 300 * model.multiple)), noise(model, 30, rng)], 1)
    found = whole(model, audio.astype(np.float32))
    assert np.isfinite(found).all()


def test_the_longest_excerpt_has_finite_sums(rng):
    model = build("causal_multistage", **SIZES | {"stages": 1, "layers": 1, "stacks": 1})
    assert model.maximum > 120 * model.sample_rate
    assert np.isfinite(whole(model, noise(model, model.maximum // model.multiple, rng))).all()


def test_a_batch_is_learnt():
    """Overfitting: the loss of one batch falls to a third."""
    model = build("causal_multistage", **SIZES | VARIANTS["without spectra"])
    time = np.arange(60 * model.multiple) / model.sample_rate
    tone = 0.3 * np.sin(2 * np.pi * 220 * time)
    hits = 0.3 * np.random.default_rng(1).standard_normal(len(time)) * (time % 0.06 < 0.01)
    references = np.stack([hits, tone])[None, :, :, None].astype(np.float32)
    optimiser = tf.keras.optimizers.Adam(1e-2)

    @tf.function
    def update():
        with tf.GradientTape() as tape:
            outputs = model.training_estimates(references.sum(1), references)
            loss, _ = LOSSES["multistage_l1"](outputs, references, None)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    losses = [float(update()) for _ in range(80)]
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"rates_apart": True}, "rates_apart is for multistage alone"), ({"width": 17}, "multiple")],
)
def test_sizes_that_cannot_be(changed, said):
    with pytest.raises(ValueError, match=said):
        build("causal_multistage", **SIZES | changed)


def test_excerpts_of_odd_lengths_are_refused():
    model = build("causal_multistage", **SIZES)
    with pytest.raises(ValueError, match="expected a static multiple of 160"):
        model(np.zeros((1, 321, 1), np.float32))
