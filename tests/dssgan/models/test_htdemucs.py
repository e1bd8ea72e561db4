"""Hybrid Transformer Demucs: sizes, channels, padding, precision, compilation, learning."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.models import build
from dssgan.models.htdemucs import sizes, spectra
from dssgan.models.htdemucs.cross_transformer import line_positions, plane_positions
from dssgan.models.htdemucs.encoder_decoder import FrequencyEmbedding
from dssgan.models.layers import attention
from dssgan.separator import Separator
from tests.dssgan.models.test_conformance import HTDEMUCS


def small(**changes):
    tf.keras.utils.set_random_seed(3)
    return build("htdemucs", **HTDEMUCS | changes)


def music(rng, samples=4000, channels=2, batch=1):
    return (0.1 * rng.standard_normal((batch, samples, channels))).astype(np.float32)


def test_the_published_size():
    model = build("htdemucs")
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert weights == 41_984_456
    assert (model.maximum, model.multiple, model.grid) == (343_980, 1, 1)
    assert model.normalises and not model.channels_apart


def test_shorter_mixtures_are_padded_to_the_training_segment(rng):
    model, mixture = small(), music(rng, 2500)
    padded = np.pad(mixture, ((0, 0), (0, 1500), (0, 0)))
    np.testing.assert_array_equal(model(mixture), model(padded)[:, :, :2500])
    alone = small(use_train_segment=False)
    alone.set_weights(model.get_weights())
    assert alone.maximum == 0
    # What is trained is the length that was given.
    np.testing.assert_array_equal(model(mixture, training=True), alone(mixture))
    assert np.abs(alone(mixture) - model(mixture)).max() > 1e-4
    with pytest.raises(ValueError, match="4001 samples are more than the training segment of 4000"):
        model(np.zeros((1, 4001, 2), np.float32))


def test_channels(rng):
    model, mixture = small(), music(rng, channels=1)
    both = model(np.repeat(mixture, 2, 2))
    np.testing.assert_allclose(model(mixture)[..., 0], np.mean(both, -1), atol=1e-6)
    apart, stereo = small(audio_channels=1), music(rng)
    assert apart.channels_apart
    for place in range(2):
        alone = apart(stereo[..., place : place + 1])[..., 0]
        np.testing.assert_allclose(apart(stereo)[..., place], alone, atol=1e-6)
    with pytest.raises(ValueError, match="3 channels, expected a mono or stereo mixture"):
        model(music(rng, channels=3))
    with pytest.raises(ValueError, match="htdemucs: 3 channels"):
        Separator(model, segment=0.5).separate(music(rng, channels=3)[0], 8000)


@pytest.mark.parametrize("samples", [1, 63, 100, 4000])
def test_spectra_come_back(rng, samples):
    """What is lost is the topmost bin, and what lies behind a last whole frame."""
    audio = music(rng, samples, 2, 3)
    parts = spectra.spectrum(tf.constant(audio), 256)
    assert parts.shape == (3, -(-samples // 64), 128, 4)
    found = tf.transpose(spectra.waves(parts, 256, samples), (0, 2, 1))
    inside = slice(192, samples - 192)
    smooth = np.cos(np.arange(samples) * 0.3)[None, :, None] * np.ones((1, 1, 2))
    parts = spectra.spectrum(tf.constant(smooth, tf.float32), 256)
    again = tf.transpose(spectra.waves(parts, 256, samples), (0, 2, 1))
    assert found.shape == audio.shape
    np.testing.assert_allclose(again[:, inside], smooth[:, inside], atol=1e-5)


def test_spectra_are_those_of_plain_frames(rng):
    """Frame k begins 1.5 hops before sample k · hop; real and imaginary part of each channel."""
    audio = music(rng, 500)
    parts = np.asarray(spectra.spectrum(tf.constant(audio), 256))[0]
    padded = np.pad(audio[0], ((96, 96 + 12), (0, 0)), "reflect")
    window = np.hanning(257)[:-1, None]
    for frame in (0, 3, 7):
        plain = np.fft.rfft(padded[64 * frame : 64 * frame + 256] * window, axis=0)[:128] / 16
        expected = np.stack([plain.real, plain.imag], -1).reshape(128, 4)
        np.testing.assert_allclose(parts[frame], expected, atol=1e-6)


def test_positions_follow_their_formulas():
    line = line_positions(5, 8)
    assert line[3, 2] == pytest.approx(np.cos(3 / 10000 ** (2 / 3)))
    assert line[3, 5] == pytest.approx(np.sin(3 / 10000 ** (1 / 3)))
    plane = plane_positions(4, 3, 16)
    row = plane[2 * 3 + 1]  # the third time, the second bin
    assert row[2] == pytest.approx(np.sin(2 * 10000 ** (-2 / 8)))
    assert row[8 + 5] == pytest.approx(np.cos(1 * 10000 ** (-4 / 8)))


def test_first_weights_are_those_of_the_program():
    model = build("htdemucs", **HTDEMUCS | {"channels": 32, "rescale": 0.1})
    plain = build("htdemucs", **HTDEMUCS | {"channels": 32, "rescale": 0.0})
    for wide, narrow in ((model.encoders[1].entry, plain.encoders[1].entry),):
        drawn = np.std(narrow.kernel)
        assert np.std(wide.kernel) == pytest.approx((drawn * 0.1) ** 0.5, rel=0.05)
    assert np.all(np.asarray(model.encoders[0].residual.rows[0].scale.scale) == np.float32(1e-3))
    layer = model.transformer.layers[0]
    assert np.all(np.asarray(layer.inner_scale.scale) == np.float32(1e-4))
    assert not np.any(layer.attention.bias) and not np.any(layer.attention.exit.bias)
    table = np.asarray(
        FrequencyEmbedding(512, 64, 0.2, smooth=True, boost=10.0).vectors, np.float64
    )
    assert np.std(table) == pytest.approx(0.1, rel=0.1)
    neighbours = np.corrcoef(table[100], table[101])[0, 1]
    assert neighbours > 0.95


def test_long_sequences_attend_a_few_steps_at_a_time(rng, monkeypatch):
    parts = [rng.standard_normal((3, 2, steps, 4)).astype(np.float32) for steps in (10, 7, 7)]
    whole = attention.attend(*map(tf.constant, parts))
    for most in (2 * 7 * 4, 2 * 7 * 25, 1):
        monkeypatch.setattr(attention, "MOST_LOGITS", most)
        np.testing.assert_allclose(attention.attend(*map(tf.constant, parts)), whole, atol=1e-6)
    graph = tf.function(attention.attend).get_concrete_function(*map(tf.constant, parts)).graph
    shapes = [op.outputs[0].shape for op in graph.get_operations() if op.type == "Softmax"]
    assert len(shapes) == 30 and {tuple(shape) for shape in shapes} == {(1, 2, 1, 7)}


@pytest.mark.parametrize(("precision", "near"), [("bfloat16", 0.02), ("float16", 0.004)])
def test_lower_precision_is_close(rng, precision, near):
    model, mixture = small(), music(rng)
    other = small(precision=precision)
    other.set_weights(model.get_weights())
    exact, found = (np.asarray(one(mixture)) for one in (model, other))
    error = np.sqrt(np.mean((exact - found) ** 2) / np.mean(exact**2))
    assert 0 < error < near


def test_compiled_it_gives_the_same_numbers(rng):
    model, mixture = small(), music(rng)
    compiled = tf.function(lambda x: model(x), jit_compile=True)(tf.constant(mixture))
    np.testing.assert_allclose(compiled, model(mixture), atol=2e-6)


def test_it_overfits_one_batch(rng):
    model = small(segment=0.25, sources=["drums", "accompaniment"], t_layers=1)
    time = np.arange(2000)[:, None] / 8000
    drums = rng.standard_normal((2, 2000, 1)) * np.exp(-30 * (time % 0.1))
    tone = np.sin(2 * np.pi * np.array([220.0, 330.0])[:, None, None] * time)
    references = tf.constant(0.1 * np.stack([drums, tone], 1), tf.float32)
    rule = tf.keras.optimizers.Adam(3e-3)

    @tf.function
    def update():
        with tf.GradientTape() as tape:
            estimates = model.training_estimates(tf.reduce_sum(references, 1))["estimates"]
            loss = tf.reduce_mean(tf.abs(estimates - references))
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
        rule.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    losses = [float(update()) for _ in range(200)]
    assert losses[-1] < 0.15 * losses[0]


def test_every_weight_is_moved_by_training(rng):
    """None is multiplied by zero on its way to the estimates."""
    model, mixture = small(), music(rng)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model.training_estimates(mixture)["estimates"]))
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert np.any(gradient), variable.path


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"channels": 0}, "channels is 0, expected an integer"),
        ({"audio_channels": 3}, "audio_channels is 3, expected one of 1, 2"),
        ({"nfft": 4098}, "nfft 4098 at depth 2: expected a multiple"),
        ({"depth": 4}, "before the last layer"),
        ({"kernel_size": 6}, "kernel_size 6 and stride 4"),
        ({"bottom_channels": 18}, "t_heads"),
        ({"t_heads": 3}, "t_heads, 3"),
        ({"dconv_comp": 9}, "dconv_comp is 9"),
        ({"dconv_mode": 4}, "dconv_mode is 4"),
        ({"segment": 0}, "segment is 0, expected a number above 0"),
        ({"segment": 8000}, "expected 2 to"),
        ({"freq_emb": float("nan")}, "freq_emb is nan"),
        ({"emb_smooth": 1}, "emb_smooth is 1, expected true or false"),
        ({"sources": ["drums", "drums"]}, "each once"),
        ({"precision": "int8"}, "precision is 'int8'"),
    ],
)
def test_sizes_that_cannot_be(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        build("htdemucs", **HTDEMUCS | wrong)
    assert str(caught.value).startswith("htdemucs: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cac", False),
        ("wiener_iters", 1),
        ("t_emb", "cape"),
        ("t_emb", "scaled"),
        ("t_sparse_self_attn", True),
        ("t_sparse_cross_attn", True),
        ("multi_freqs", [0.5]),
        ("channels_time", 24),
        ("norm_starts", 3),
        ("context_enc", 1),
        ("t_norm_first", False),
        ("t_max_period", 1000.0),
        ("num_subbands", 4),
    ],
)
def test_options_that_are_not_supported_are_named(option, value):
    with pytest.raises(ValueError, match=f"htdemucs: {option} .* is not supported; expected"):
        sizes.check_options({option: value}, depth=4, channels=48)
    with pytest.raises(ValueError, match="unknown option 'depht'"):
        sizes.check_options({"depht": 4}, depth=4, channels=48)
    sizes.check_options({"cac": True, "t_dropout": 0.02, "norm_starts": 4}, depth=4, channels=48)
