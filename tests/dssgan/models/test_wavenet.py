"""Wavenet: parity with the original program, context, fragments, gradients, loss, streaming."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build
from dssgan.optimisers import rules
from dssgan.published.wavenet import from_wavenet
from dssgan.separator import Separator
from tests.dssgan.models import wavenet_plain as plain
from tests.dssgan.small_training import make_state, make_step

SIZES = {"layers": 3, "stacks": 2, "residual": 6, "skip": 5}
SMALL = {**SIZES, "final": [12, 7]}
WIDTHS = {**SIZES, "wide": 12, "narrow": 7}
DILATIONS = [1, 2, 4, 1, 2, 4]
VARIANTS = {"multi-instrument": 3, "singing-voice": 1}


def small(rng, **options):
    """A small model with the kernels it got."""
    model = build("wavenet", **{**SMALL, **options})
    outputs = len(model.targets)
    weights = plain.random_kernels(rng, **WIDTHS, outputs=outputs)
    plain.assign(model, *weights)
    return model, weights


def noise(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def in_full(audio, weights):
    """The plain network amid silence that is longer than anything it can hear."""
    side = 40
    return plain.network(np.pad(audio, side), *weights, DILATIONS, len(audio) + 8)[:, 4:-4]


@pytest.mark.parametrize("variant", VARIANTS)
def test_parity_of_estimates_and_losses_with_the_original_program(shared, variant):
    path = shared / "fixtures" / "originals" / f"wavenet_tiny_{variant}.hdf5"
    model = from_wavenet(path, exact_original=True)
    with np.load(path.with_suffix(".npz")) as file:
        given = {name: file[name] for name in file.files}
    outputs, (batch, samples) = VARIANTS[variant], given["input"].shape
    assert model.target_field == 21
    # Labels of the original are the field alone: put them into the middle of an excerpt.
    references = np.zeros((batch, len(model.sources), samples, 1), np.float32)
    named = range(3) if outputs == 3 else range(2)
    for place in named:
        references[:, place, 29:52, 0] = given[f"target_{place + 1}"]
    found = model.training_estimates(given["input"][..., None], references)
    field = found["field"]
    assert field["estimates"].shape == (batch, outputs, 23, 1)
    for place in range(outputs):
        np.testing.assert_allclose(
            field["estimates"][:, place, :, 0], given[f"pred_{place + 1}"], atol=1e-5
        )
        np.testing.assert_array_equal(
            field["references"][:, place, :, 0], given[f"target_{place + 1}"]
        )
    weight = 0.0 if outputs == 3 else 0.05
    loss, parts = LOSSES["wavenet"](found, references, None, dissimilarity=weight)
    assert float(loss) == pytest.approx(given["loss"][0], abs=1e-5)
    if outputs == 1:
        assert float(parts["error"]) == pytest.approx(given["loss"][1], abs=1e-5)
        assert -0.05 * float(parts["dissimilarity"]) == pytest.approx(given["loss"][2], abs=1e-5)


@pytest.mark.parametrize(
    ("sources", "count"),
    [(["vocals", "drums", "bass", "other"], 3_277_763), (["vocals", "accompaniment"], 3_277_249)],
)
def test_parameters_of_the_paper(sources, count):
    model = build("wavenet", sources=sources)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count
    assert model.context == 4095 and model.sample_rate == 16000


@pytest.mark.parametrize("samples", [1, 2, 37, 400])
def test_any_length_with_silence_around(rng, samples):
    model, weights = small(rng)
    audio = noise(rng, samples)
    estimates = model(audio[None, :, None])
    assert estimates.shape == (1, 4, samples, 1)
    np.testing.assert_allclose(estimates[0, :3, :, 0], in_full(audio, weights), atol=1e-5)


def test_the_remainder_is_what_the_targets_leave(rng):
    for sources in (["vocals", "drums", "bass", "other"], ["accompaniment", "drums"]):
        model, _ = small(rng, sources=sources)
        mixture = noise(rng, 2, 100, 2)
        np.testing.assert_allclose(np.sum(model(mixture), 1), mixture, atol=1e-5)
    assert model.targets == ("drums",)
    every = build("wavenet", **SMALL, sources=["drums", "accompaniment"], targets=["accompaniment"])
    assert every.targets == ("accompaniment",)


def test_channels_are_separated_apart(rng):
    model, _ = small(rng)
    mixture = noise(rng, 2, 90, 2)
    both = model(mixture)
    np.testing.assert_allclose(both[..., 1:], model(mixture[..., 1:]), atol=1e-5)


def test_context_is_what_an_output_sample_depends_on(rng):
    model, _ = small(rng)
    assert model.context == 17
    mixture = noise(rng, 1, 200, 1)
    before = np.asarray(model(mixture))
    mixture[0, 100] += 3.0
    # The remainder holds the mixture itself: only the targets tell what the network heard.
    changed = np.abs(np.asarray(model(mixture)) - before)[:, :3].max((0, 1, 3))
    reached = np.flatnonzero(changed > 0)
    assert (reached.min(), reached.max()) == (100 - 17, 100 + 17)


def test_fragments_are_those_of_the_original(rng):
    model, weights = small(rng, exact_original=True, target_field=21)
    whole = build("wavenet", **SMALL)
    whole.set_weights(model.get_weights())
    audio = noise(rng, 100)
    padded = np.pad(audio, (14, 14 + 5 * 21 - 100))
    pieces = [padded[21 * place : 21 * place + 49] for place in range(5)]
    expected = [plain.network(piece, *weights, DILATIONS, 23)[:, 1:-1] for piece in pieces]
    expected = np.concatenate(expected, -1)[:, :100]
    found = np.asarray(model(audio[None, :, None]))[0, :3, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # The first and last sample of a fragment lack a tap of the last layers; the two beside them
    # lack the outermost of all that they should hear; the others are those of the whole.
    apart = np.abs(found - np.asarray(whole(audio[None, :, None]))[0, :3, :, 0]).max(0)
    places = np.arange(100) % 21
    clicks, ends = np.isin(places, (0, 20)), np.isin(places, (0, 1, 2, 18, 19, 20))
    assert apart[clicks].max() > 1e-3
    assert apart[ends & ~clicks].max() < 0.1 * apart[clicks].max()
    assert apart[~ends].max() < 1e-6


def test_the_field_is_the_middle_of_the_estimates(rng):
    model, _ = small(rng)
    references = noise(rng, 2, 4, 120, 2)
    mixture = references.sum(1)
    found = model.training_estimates(mixture, references)
    assert found["estimates"].shape == (2, 4, 120, 2)
    field = found["field"]
    np.testing.assert_allclose(field["estimates"], found["estimates"][:, :3, 17:-17], atol=1e-5)
    np.testing.assert_array_equal(field["references"], references[:, :3, 17:-17])
    rests = mixture[:, None] - references[:, :3]
    np.testing.assert_allclose(field["reference_rests"], rests[:, :, 17:-17], atol=1e-5)
    with pytest.raises(ValueError, match=r"data\.seconds"):
        model.training_estimates(mixture[:, :34], references[:, :, :34])


def test_gradients_are_those_of_the_plain_layers(rng):
    """The blocks compute their gradients themselves; here they are left to TensorFlow."""
    model, _ = small(rng)
    audio = noise(rng, 3, 80)

    def convolution(x, kernel, dilation=1):
        padded = tf.pad(x, [[0, 0], [dilation, dilation], [0, 0]])
        shifted = [padded[:, k * dilation : k * dilation + x.shape[1]] for k in range(3)]
        return tf.concat(shifted, -1) @ kernel

    def plainly():
        x = convolution(tf.pad(audio, [[0, 0], [17, 17]])[..., None], model.first)
        total = 0.0
        for block, dilation in enumerate(DILATIONS):
            y = convolution(x, model.dilated[block], dilation)
            z = (tf.tanh(y[..., :6]) * tf.sigmoid(y[..., 6:])) @ model.mixing[block]
            x, total = x + z[..., :6], total + z[..., 6:]
        hidden = tf.nn.relu(convolution(tf.nn.relu(total), model.wide))
        hidden = convolution(hidden, tf.reshape(model.narrow, (36, 7)))
        found = hidden @ model.output_kernel + model.output_bias
        return tf.transpose(found[:, 17:-17], (0, 2, 1))

    pull = noise(rng, 3, 3, 80)
    results = []
    for run in (plainly, lambda: model.whole(tf.constant(audio), model.inference_state())):
        with tf.GradientTape() as tape:
            found = run()
            value = tf.reduce_sum(found * pull)
        results.append((found, tape.gradient(value, model.trainable_variables)))
    (expected, gradients), (found, ours) = results
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for variable, own, other in zip(model.trainable_variables, ours, gradients, strict=True):
        scale = np.abs(other).max()
        assert scale > 0, variable.path
        np.testing.assert_allclose(own, other, atol=1e-4 * scale, err_msg=variable.path)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_close(rng, precision):
    full, weights = small(rng)
    half = build("wavenet", precision=precision, **SMALL)
    plain.assign(half, *weights)
    mixture = noise(rng, 1, 500, 1)
    expected = np.asarray(full(mixture), np.float64)[:, :3]
    found = half(mixture)
    assert found.dtype == tf.float32
    error = np.asarray(found, np.float64)[:, :3] - expected
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 25  # 8 bits of mantissa: 40 dB


@pytest.mark.parametrize("length", [5000, 9000, 20001])
@pytest.mark.parametrize(
    "options", [{}, {"exact_original": True, "target_field": 401}], ids=["whole", "fragments"]
)
def test_chunks_leave_no_seams(rng, options, length):
    """Nor do they begin the original's fragments anew, where the ends of those click."""
    model, _ = small(rng, sample_rate=8000, **options)
    separator = Separator(model, segment=0.5, overlap=0.25, consistent=False)
    song = 0.3 * noise(rng, length, 2)
    stems = separator.separate(song, 8000)
    whole = np.asarray(model(song[None]))[0]
    for place, source in enumerate(model.sources):
        np.testing.assert_allclose(stems[source], whole[place], atol=1e-5)
    blocks = [song[start : start + 777] for start in range(0, length, 777)]
    pieces = list(separator.stream(blocks, 8000))
    for source in model.sources:
        streamed = np.concatenate([piece[source] for piece in pieces])
        np.testing.assert_allclose(streamed, stems[source], atol=1e-6)


def test_training_overfits_one_batch(rng):
    model = build("wavenet", **SMALL, sources=["drums", "accompaniment"])
    time = np.arange(400)
    waves = [np.sin(2 * np.pi * time / 9 + phase) for phase in range(2)]
    waves += [np.sin(2 * np.pi * time / 31 + phase) for phase in range(2)]
    stems = 0.5 * np.array(waves, np.float32).reshape(2, 2, 400).transpose(1, 0, 2)[..., None]
    rule = rules.build("adam", beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    step = make_step(make_state(model, rule=rule), rate=5e-3, loss=LOSSES["wavenet"])
    losses = [float(step(tf.constant(stems), place)["loss"]) for place in range(120)]
    assert losses[-1] < 0.15 * losses[0]
    estimates = np.asarray(model(stems.sum(1)))[:, :, 17:-17]
    wanted = stems[:, :, 17:-17]
    assert np.mean((estimates - wanted) ** 2) < 0.1 * np.mean(wanted**2)


def test_a_compiled_step_is_the_same_step(rng):
    """On a GPU the whole update is one XLA program."""
    stems = tf.constant(0.3 * noise(rng, 2, 2, 60, 1))
    metrics = []
    for xla in (False, True):
        short = {"layers": 1}  # XLA compiles every layer
        model = build("wavenet", **{**SMALL, **short}, sources=["drums", "accompaniment"])
        weights = plain.random_kernels(np.random.default_rng(1), **{**WIDTHS, **short}, outputs=1)
        plain.assign(model, *weights)
        step = make_step(make_state(model), loss=LOSSES["wavenet"], xla=xla)
        metrics.append({name: float(value) for name, value in step(stems, 0).items()})
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-3)


def test_the_loss_by_hand():
    field = {
        "estimates": tf.constant([[[[1.0], [2.0]], [[0.0], [4.0]]]]),
        "references": tf.constant([[[[0.0], [0.0]], [[0.0], [1.0]]]]),
        "reference_rests": tf.constant([[[[1.0], [0.0]], [[0.0], [0.0]]]]),
    }
    loss = LOSSES["wavenet"]
    # Mean absolute errors 1.5 and 1.5, squares 2.5 and 4.5; to the rests 1 and 2, squares 2 and 8.
    assert float(loss({"field": field}, None, None)[0]) == pytest.approx(3.0)
    assert float(loss({"field": field}, None, None, l2=0.1)[0]) == pytest.approx(3.7)
    value, parts = loss({"field": field}, None, None, dissimilarity=0.05)
    assert float(value) == pytest.approx(3.0 - 0.05 * 3.0)
    assert float(parts["dissimilarity"]) == pytest.approx(3.0)
    weighted = loss({"field": field}, None, None, 0.0, 1.0, 0.5, target_weights=[2.0, 1.0])[0]
    assert float(weighted) == pytest.approx(2 * 2.5 + 4.5 - 0.5 * (2 * 2.0 + 8.0))
    with pytest.raises(ValueError, match="one per target"):
        loss({"field": field}, None, None, target_weights=[1.0])


def test_the_loss_takes_any_separator(rng):
    references = noise(rng, 2, 2, 30, 1)
    outputs = {"estimates": references + 0.5}
    value, _ = LOSSES["wavenet"](outputs, references, references.sum(1))
    assert float(value) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"layers": 0}, "layers"),
        ({"residual": 2.5}, "residual"),
        ({"final": [8]}, "two layers"),
        ({"final": [8, 0]}, "final"),
        ({"target_field": 20}, "odd"),
        ({"precision": "int8"}, "precision"),
        ({"sources": ["drums", "drums"]}, "each once"),
        ({"sources": ["other"]}, "at least one"),
        ({"targets": ["guitar"]}, "all but one"),
        ({"targets": ["drums"]}, "all but one"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        build("wavenet", **{**SMALL, **wrong})
    assert "\n" not in str(caught.value)
