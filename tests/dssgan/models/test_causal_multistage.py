"""The causal variant: nothing from later on, and the same numbers in pieces as in one go."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build

SIZES = {
    "sources": ["drums", "accompaniment"],
    "width": 32,
    "mels": 8,
    "bottleneck": 32,
    "hidden": 32,
    "layers": 2,
    "stacks": 1,
    "filter_length": 40,
    "stride": 40,
}
VARIANTS = {
    "44.1 kHz": {"stages": 2, "base_rate": 22050, "filter_length": 112, "stride": 112},
    "three stages": {"stages": 3, "mels": 0},
    "independent, with biases": {"stages": 1, "generated": False, "residual_bias": True},
}
FRAMES = 48  # of all excerpts, so that each model is compiled once


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def model(request):
    return prepared(request.param)


@functools.cache
def prepared(variant):
    """A model, and `whole`, what it makes of (batch, samples)."""
    model = build("causal_multistage", **SIZES | VARIANTS[variant])
    model.whole = tf.function(lambda audio: model(audio[..., None])[..., 0], autograph=False)
    return model


def noise(model, rng, frames=FRAMES):
    return rng.standard_normal((2, frames * model.multiple)).astype(np.float32)


def whole(model, audio):
    return model.whole(tf.constant(audio, tf.float32)).numpy()


def test_in_pieces_it_is_what_it_is_in_one_go(model, rng):
    audio = noise(model, rng)
    expected = whole(model, audio)
    kernels = model.inference_state()
    advance = tf.function(lambda *given: model.advance(*given, kernels), autograph=False)
    state, pieces = model.start(tf.constant(audio[:, : model.first])), []
    samples = 2 * model.multiple
    for place in range(model.first, audio.shape[1] - samples + 1, samples):
        found, state = advance(tf.constant(audio[:, place : place + samples]), state)
        assert found.shape == (2, 2, samples)
        pieces.append(found.numpy())
    found = np.concatenate(pieces, -1)[..., model.delay - model.first :]
    assert found.shape[-1] > 0.7 * audio.shape[1]
    assert_close(found, expected[..., : found.shape[-1]])


def assert_close(found, expected, share=1e-4):
    """The error is below that share of what is expected; 1e-4 is -80 dB."""
    error = np.sqrt(np.mean(np.square(found - expected, dtype=np.float64)))
    assert error < share * np.sqrt(np.mean(np.square(expected)))


def test_what_comes_later_than_a_frame_and_its_delay_has_no_influence(model, rng):
    audio = noise(model, rng)
    changed, cut = audio.copy(), audio.shape[1] // 2
    changed[:, cut:] *= -3
    difference = np.abs(whole(model, audio) - whole(model, changed)).max((0, 1))
    first = int(np.argmax(difference > 0)) - cut
    assert -(model.delay + model.multiple) <= first < 0
    assert difference[cut:].max() > 1e-3 * np.abs(whole(model, audio)).max()


def test_the_delay_is_that_of_filters_and_low_passes():
    model = prepared("44.1 kHz")
    # Twice half of what a filter of 20 ms is longer than its step of 5 ms, and 135 samples.
    assert model.delay == 336 + 135 + 1 + 336
    assert model.delay / model.sample_rate < 0.0184


def test_levels_come_out_as_they_go_in(rng):
    """Running norms follow the level: drums of a song that is twice as loud are twice as loud."""
    model = prepared("three stages")
    audio = noise(model, rng)
    # But for what is added to variances, so that the quiet stays quiet.
    assert_close(whole(model, 2 * audio), 2 * whole(model, audio), 0.02)


def test_silence_and_what_follows_are_finite(model, rng):
    audio = noise(model, rng)
    audio[:, : audio.shape[1] // 2] = 0
    assert np.isfinite(whole(model, audio)).all()
    assert np.isfinite(whole(model, 0 * audio)).all()


def test_the_longest_excerpt_has_finite_sums(rng):
    model = prepared("independent, with biases")
    assert model.maximum > 120 * model.sample_rate
    audio = noise(model, rng, model.maximum // model.multiple)
    assert np.isfinite(whole(model, audio)).all()


def test_a_batch_is_learnt():
    """Overfitting: the loss of one batch falls to a third."""
    model = build("causal_multistage", **SIZES | {"stages": 1, "mels": 0})
    time = np.arange(60 * model.multiple) / model.sample_rate
    tone = 0.3 * np.sin(2 * np.pi * 220 * time)
    hits = 0.3 * np.random.default_rng(1).standard_normal(len(time)) * (time % 0.06 < 0.01)
    references = np.stack([hits, tone])[None, :, :, None].astype(np.float32)
    optimiser = tf.keras.optimizers.Adam(1e-2)

    @tf.function(autograph=False)
    def update():
        with tf.GradientTape() as tape:
            outputs = model.training_estimates(references.sum(1), references)
            loss, _ = LOSSES["multistage_l1"](outputs, references, None)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    losses = [float(update()) for _ in range(150)]
    assert losses[-1] < losses[0] / 3, losses[::10]


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
        model(np.zeros((1, 324, 1), np.float32))
