"""The spectrogram U-Net: sizes of the original, what goes in and out, training with its critics."""

import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf

from dssgan.critics.dcgan import Dcgan
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.losses.log_magnitudes import log_magnitudes
from dssgan.models.unet.model import UNet
from dssgan.models.unet.network import (
    Doubling,
    ValidUNet,
    context,
    lowest_size,
    output_size,
    reopening_relu,
)
from dssgan.optimisers import rules
from dssgan.refinement.critic_losses import SourceCritic
from dssgan.separator import Separator
from tests.dssgan.small_refinement import make_refinement
from tests.dssgan.small_training import make_state, make_step

PATCH = 157 * 256  # samples of the original's excerpts: 158 frames
INNER = 65 * 256  # samples of the 66 frames with full context


@pytest.fixture(scope="module")
def small():
    return UNet(filters=4, seed=3)


@pytest.fixture
def excerpts(rng):
    """Two-second sines of one source beside noise bursts of the other, in context."""
    time = np.arange(PATCH) / 8192
    tones = [np.sin(2 * np.pi * f * time) for f in (220.0, 330.0)]
    bursts = [rng.standard_normal(PATCH) * (np.sin(2 * np.pi * 4 * time) > 0.7) for _ in tones]
    stems = 0.2 * np.stack([np.stack([b, t]) for b, t in zip(bursts, tones)])
    return stems[..., None].astype(np.float32)


def test_sizes_of_the_original():
    model = UNet()
    count = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert count == 958_596
    assert (context(4), lowest_size(257, 4, even=True), lowest_size(64, 4, even=True)) == (
        46,
        18,
        6,
    )
    assert (output_size(18, 4), output_size(6, 4)) == (258, 66)
    assert model.network(tf.zeros((1, 350, 158))).shape == (1, 2, 258, 66)


def keras_layer(network, kind, name, filters, size, stride=1):
    """A Keras layer with the weights of the network's layer `name`."""
    values = {variable.path: variable.numpy() for variable in network.trainable_variables}
    made = kind(filters, size, strides=stride, activation="relu")

    def run(x):
        made.build(x.shape)
        made.set_weights([values[f"{name}/{part}"] for part in ("kernel", "bias")])
        return made(x)

    return run


def cropped(larger, smaller):
    rows, columns = ((larger.shape[side] - smaller.shape[side]) // 2 for side in (1, 2))
    return larger[:, rows : rows + smaller.shape[1], columns : columns + smaller.shape[2]]


def test_the_network_equals_one_of_keras_layers(rng):
    network = ValidUNet(2, 2, 4, seed=1)
    for weight in network.trainable_variables[1::2]:
        weight.assign(0.1 * rng.standard_normal(weight.shape))
    convolution, doubling = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    planes = rng.standard_normal((1, 34, 30, 1)).astype(np.float32)
    first = keras_layer(network, convolution, "down_0", 4, 3)(planes)
    second = keras_layer(network, convolution, "down_1", 8, 3)(keras.layers.MaxPooling2D()(first))
    x = keras_layer(network, convolution, "down_2", 16, 3)(keras.layers.MaxPooling2D()(second))
    for level, filters, skip in ((1, 8, second), (0, 4, first)):
        x = keras_layer(network, doubling, f"doubling_{level}", filters, 2, 2)(x)
        x = np.concatenate([cropped(skip, x), x], -1)
        x = keras_layer(network, convolution, f"up_{level}", filters, 3)(x)
    x = np.concatenate([cropped(planes, x), x], -1)
    found = network(planes[..., 0])
    for head in range(2):
        expected = keras_layer(network, convolution, f"head_{head}", 1, 1)(x)[..., 0]
        assert float(tf.reduce_max(expected)) > 0.0
        np.testing.assert_allclose(found[:, head], expected, atol=1e-5)


def test_doubling_equals_keras(rng):
    layer = Doubling(5, 3, seed=1)
    layer.bias.assign(rng.standard_normal(3))
    peer = keras.layers.Conv2DTranspose(3, 2, strides=2)
    x = rng.standard_normal((2, 4, 6, 5)).astype(np.float32)
    peer.build(x.shape)
    peer.set_weights([layer.kernel.numpy(), layer.bias.numpy()])
    np.testing.assert_allclose(layer(x), peer(x), atol=1e-5)


def test_a_shut_head_opens_where_the_loss_wants_more():
    x = tf.Variable([-1.0, -1.0, 2.0, 2.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(reopening_relu(x) * [-3.0, 3.0, -3.0, 3.0])
    np.testing.assert_array_equal(reopening_relu(x), [0.0, 0.0, 2.0, 2.0])
    np.testing.assert_array_equal(tape.gradient(loss, x), [-3.0, 0.0, -3.0, 3.0])


def test_outputs_have_full_context(small, rng):
    planes = rng.standard_normal((1, 350, 190)).astype(np.float32)
    whole = small.network(planes)
    part = small.network(planes[:, :, 16:174])  # 16: the poolings' grid
    np.testing.assert_allclose(part, whole[:, :, :, 16:82], atol=1e-5)


def test_the_mixtures_magnitudes_give_the_mixture(small, rng):
    mixture = rng.standard_normal((2, 40 * 256)).astype(np.float32)
    parts = small.parts(mixture)
    magnitudes = tf.stack([tf.transpose(parts[0], (0, 2, 1))] * 2, 1)
    waves = small.waveform(magnitudes, parts, mixture.shape[1])
    np.testing.assert_allclose(waves, np.stack([mixture, mixture], 1), atol=1e-4)


def test_training_sees_the_originals_patches(small, excerpts):
    outputs = small.training_estimates(excerpts.sum(1), excerpts)
    logs, references = outputs["log_magnitudes"], outputs["reference_log_magnitudes"]
    assert logs.shape == references.shape == (2, 2, 66, 258, 1)
    spectra = librosa.stft(excerpts[1, 0, :, 0], n_fft=512, hop_length=256, pad_mode="reflect")
    expected = np.log1p(np.abs(spectra))[:, 46:112].T
    np.testing.assert_allclose(references[1, 0, :, :257, 0], expected, atol=1e-4)
    assert not np.any(references[:, :, :, 257])
    # The same network on the patch that the original would cut.
    planes = np.log1p(small.parts(excerpts.sum(1)[..., 0])[0])
    patch = np.zeros((2, 350, 158), np.float32)
    patch[:, 46:303] = planes.transpose(0, 2, 1)
    patches = np.transpose(small.network(patch), (0, 1, 3, 2))
    np.testing.assert_allclose(logs[..., 0], patches, atol=1e-4)


def test_estimates_in_training_sound_like_the_log_magnitudes(small, excerpts):
    outputs = small.unpaired_estimates(excerpts.sum(1))
    inner = outputs["estimates"][:, 0, 46 * 256 : 46 * 256 + INNER, 0]
    logs = np.log1p(np.asarray(small.parts(inner)[0]))
    # A mixture's phase does not fit exactly, so the waveform has slightly other magnitudes.
    difference = np.abs(logs[:, 2:-2] - outputs["log_magnitudes"][:, 0, 2:-2, :257, 0])
    assert np.mean(difference) < 0.1 * np.mean(logs[:, 2:-2])
    np.testing.assert_allclose(
        outputs["magnitudes"], np.expm1(outputs["log_magnitudes"]), rtol=1e-5
    )
    mixture = np.asarray(small.parts(excerpts.sum(1)[..., 0])[0])[:, 46:112]
    np.testing.assert_allclose(outputs["mixture_magnitudes"][:, :, :257, 0], mixture, atol=1e-4)


def test_loss_by_hand():
    logs = np.zeros((2, 2, 3, 4, 1), np.float32)
    references = logs.copy()
    logs[:, 0], logs[0, 1] = 2.0, 1.0
    outputs = {"log_magnitudes": tf.constant(logs), "reference_log_magnitudes": references}
    value, parts = log_magnitudes(outputs, None, None)
    assert float(value) == float(parts["log_mse"]) == 4.0 + 0.5


def test_the_loss_of_log_magnitudes_needs_them():
    with pytest.raises(ValueError, match=r"model\.name=unet"):
        log_magnitudes({"estimates": 0.0}, None, None)


def test_short_excerpts_are_refused_in_training(small):
    with pytest.raises(ValueError, match="expected 23808 samples or more"):
        small.training_estimates(tf.zeros((1, 92 * 256, 1)))
    assert small.training_estimates(tf.zeros((1, 23808, 1)))["log_magnitudes"].shape[2] == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [("hop", 300), ("levels", 0), ("sources", ["drums"]), ("precision", "float8")],
)
def test_wrong_sizes_name_the_key(key, value):
    with pytest.raises(ValueError, match=key):
        UNet(**{key: value})


def test_it_overfits_one_batch(excerpts):
    state = make_state(UNet(filters=8, seed=1), rule=rules.Adam())
    step = make_step(state, rate=5e-3, loss=log_magnitudes)
    losses = [float(step(tf.constant(excerpts), update)["loss"]) for update in range(60)]
    assert losses[-1] < 0.05 * losses[0]
    outputs = state.model(excerpts.sum(1))[:, :, 46 * 256 : -46 * 256]
    stems = excerpts[:, :, 46 * 256 : -46 * 256]
    before = np.sum(np.square(stems.sum(1, keepdims=True) - stems))
    assert np.sum(np.square(outputs - stems)) < 0.3 * before


def test_its_own_critics_score_its_spectra(excerpts):
    """The original: critics of log magnitudes, additivity on magnitudes, penalty."""
    model = UNet(filters=4, seed=1)
    critic = Dcgan(sample_rate=8192, samples=INNER, width=4, seed=2)
    assert critic.log_magnitudes_of == model.log_magnitudes_of
    entry = SourceCritic("dcgan/drums", critic, 0, OBJECTIVES["wasserstein"], 10.0, magnitudes=True)
    step, _ = make_refinement(
        model,
        critics=[entry],
        loss=log_magnitudes,
        rate=1e-3,
        alpha=0.001,
        beta=0.001,
        critic_steps=2,
        margin=46 * 256,
    )
    batch = {
        "stems": tf.constant(excerpts),
        "mixtures": tf.constant(excerpts[::-1].sum(1)),
        "solos": {"drums": tf.constant(excerpts[:, 0]), "accompaniment": excerpts[:, 1]},
    }
    first = [critic.get_weights(), model.get_weights()]
    told = [step(batch, update) for update in range(3)]
    assert {"critic/dcgan/drums/penalty", "critic/dcgan/drums/distance"} <= told[0].keys()
    assert {"loss/adversarial", "loss/additivity"} <= told[2].keys()
    assert all(np.isfinite(float(value)) for each in told for value in each.values())
    # What the critics say reaches the separator: without a gradient they would have no share.
    assert float(told[2]["share/adversarial"]) > 0.0
    for before, after in zip(first, [critic.get_weights(), model.get_weights()]):
        assert any(np.any(one != other) for one, other in zip(before, after))


def test_a_song_in_chunks_is_the_song_in_one(small, rng):
    audio = 0.1 * rng.standard_normal((8192 * 24, 1)).astype(np.float32)
    one = Separator(small, segment=24.0, consistent=False).separate(audio, 8192)
    # A hop of whole poolings, and fades where both chunks have context.
    segment, hop = 12.0, 16 * 256 * 14
    chunks = Separator(small, segment=segment, overlap=1 - hop / (segment * 8192), consistent=False)
    assert chunks.hop == hop
    for source, stem in chunks.separate(audio, 8192).items():
        np.testing.assert_allclose(stem, one[source], atol=2e-4)
