"""Meta-TasNet: parity with the original program, sizes, generated and independent extractors."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses.meta_tasnet import multistage_stage
from dssgan.models import build
from dssgan.models.layers import fused
from dssgan.published.meta_tasnet import from_meta_tasnet

SMALL = {
    "width": 16,
    "mels": 8,
    "bottleneck": 16,
    "hidden": 24,
    "layers": 2,
    "stacks": 1,
}


@pytest.fixture(scope="module")
def fixture(shared):
    path = shared / "fixtures" / "originals" / "meta_tasnet_tiny_generated.npz"
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def weights(fixture):
    return {name[3:]: fixture[name] for name in fixture if name.startswith("sd/")}


def independent_weights(state):
    """The same network with its kernels and norms written out: what the generator would give."""
    independent = {}
    codes = {}
    for name, value in state.items():
        stage, _, rest = name.removeprefix("stages.").partition(".")
        if not rest.startswith(("mask.", "instrument_embedding")) or "prelu" in rest:
            independent[name] = value
        elif rest.endswith("bottleneck.weight"):
            layer = name.removesuffix(".bottleneck.weight")
            embedding = state[f"stages.{stage}.instrument_embedding.weight"].astype(np.float64)
            codes[layer] = embedding @ value.T + state[layer + ".bottleneck.bias"]
    for layer, code in codes.items():
        kind = "kernel" if layer + ".kernel.weight" in state else "affine"
        flat = code @ state[f"{layer}.{kind}.weight"].T + state[f"{layer}.{kind}.bias"]
        flat = flat.astype(np.float32)
        if kind == "affine":
            scale, shift = np.split(flat, 2, -1)
            independent[layer + ".group_norm.weight"] = scale.reshape(-1)
            independent[layer + ".group_norm.bias"] = shift.reshape(-1)
        elif layer.endswith("dconv1d"):
            independent[layer + ".conv.weight"] = flat.reshape(-1, 1, 3)
        else:
            inputs = {"in_conv": 24 * 2 ** int(layer[7]), "conv1d": 16}.get(layer.split(".")[-1])
            if layer.endswith("in_conv") and layer[7] == "0":
                inputs = 16
            if layer.endswith(("res_out", "skip_out")):
                inputs = 24
            if layer.endswith("mask_output"):
                inputs = 16
            independent[layer + ".conv.weight"] = flat.reshape(-1, inputs, 1)
    return independent


@pytest.mark.parametrize("variant", ["generated", "independent"])
def test_parity_with_the_original_program(fixture, variant):
    state = weights(fixture)
    if variant == "independent":
        state = independent_weights(state)
    model = from_meta_tasnet(state, layers=3, stacks=2)
    assert model.hyperparameters["generated"] == (variant == "generated")
    mixtures = [tf.constant(fixture[f"s{i}/mix"][:, 0]) for i in range(3)]
    references = [tf.reshape(fixture[f"s{i}/sep"], (8, -1)) for i in range(3)]
    outputs = model.stage_outputs(mixtures, references, training=False)
    for index, output in enumerate(outputs):
        found = {
            "out": output["estimates"][:, :, None],
            "mix_latent": tf.transpose(output["latent"], (0, 2, 1)),
            "hidden": tf.transpose(output["separated"], (0, 1, 3, 2)),
        }
        for name, value in found.items():
            expected = fixture[f"s{index}/{name}"]
            full_scale = np.abs(expected).max()
            assert np.abs(value - expected).max() <= 1e-4 * full_scale, (index, name)
        latent = fixture[f"s{index}/mix_latent"][:, None]
        clear = np.abs(latent) > 1e-2  # where the original's mask can be told from its product
        masks = (fixture[f"s{index}/hidden"] / np.where(clear, latent, 1.0))[:, :]
        previous = outputs[index - 1]["separated"] if index else None
        stage = model.stages[index]
        ours = stage.mask(output["latent"], previous, stage.mask.kernels(), masks_only=True)
        ours = np.transpose(ours, (0, 1, 3, 2))
        clear = np.broadcast_to(clear, ours.shape)
        assert np.abs(ours - masks)[clear].max() <= 1e-3  # the division above costs a digit
        np.testing.assert_allclose(ours.sum(1), 1.0, atol=1e-5)
        loss, parts = multistage_stage(output)
        assert abs(float(loss) - fixture[f"s{index}/loss"]) <= 1e-3
        stats = [*parts["si_sdr"], parts["reconstruction"]]
        stats += [parts["dissimilarity"], parts["similarity"]]
        np.testing.assert_allclose(np.array(stats), fixture[f"s{index}/stats"], atol=1e-3)


@pytest.mark.parametrize(("generated", "count"), [(True, 45_531_260), (False, 34_673_054)])
def test_parameters_of_the_paper(generated, count):
    model = build("multistage", generated=generated)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count
    # Spectrogram mean and deviation; the original's three windows need no variables here.
    frozen = sum(int(np.prod(v.shape)) for v in model.non_trainable_variables)
    assert frozen == 14_342 - (1024 + 2048 + 4096)


def test_lower_rates_come_from_the_same_excerpt(rng):
    model = build("multistage", **SMALL)
    mixture = tf.constant(rng.standard_normal((1, 32000, 1)).astype(np.float32))
    stages = model.training_estimates(mixture)["stages"]
    assert [stage["mixture"].shape[-1] for stage in stages] == [8000, 16000, 32000]
    np.testing.assert_array_equal(stages[2]["mixture"], mixture[..., 0])


def test_channels_are_separated_independently(rng):
    model = build("multistage", **SMALL)
    mixture = rng.standard_normal((2, 16000, 2)).astype(np.float32)
    both = model(mixture)
    left = model(mixture[..., :1])
    assert both.shape == (2, 4, 16000, 2)
    scale = float(np.abs(left).max())
    np.testing.assert_allclose(both[..., :1], left, atol=1e-4 * scale)


def test_call_and_infer_agree(rng):
    model = build("multistage", **SMALL)
    mixture = rng.standard_normal((1, 16000, 1)).astype(np.float32)
    separate = tf.function(model.infer)
    once = model(mixture)
    again = separate(mixture, model.inference_state())
    np.testing.assert_allclose(once, again, atol=1e-5 * float(np.abs(once).max()))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_close(rng, precision):
    full = build("multistage", **SMALL)
    half = build("multistage", precision=precision, **SMALL)
    half.set_weights(full.get_weights())
    mixture = rng.standard_normal((1, 32000, 1)).astype(np.float32)
    expected = np.asarray(full(mixture), np.float64)
    error = np.asarray(half(mixture), np.float64) - expected
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 25  # 8 bits of mantissa: 40 dB


def test_dropout_drops_in_training_only(rng):
    model = build("multistage", dropout=0.5, **SMALL)
    mixture = tf.constant(rng.standard_normal((1, 16000, 1)).astype(np.float32))
    quiet = [model(mixture, training=False) for _ in range(2)]
    np.testing.assert_array_equal(*quiet)
    noisy = [model(mixture, training=True) for _ in range(2)]
    assert np.abs(noisy[0] - noisy[1]).max() > 1e-3 * np.abs(quiet[0]).max()


def test_dropout_equals_dropping_the_copied_latents(rng):
    """Dropout is applied to sums and kernels; here it is applied to the channels themselves."""
    model = build("multistage", generated=False, **SMALL)
    mask = model.stages[0].mask
    latent = tf.constant(rng.standard_normal((1, 50, 16)).astype(np.float32))
    keep = rng.integers(0, 2, (1, 4, 16)).astype(np.float32) * 2
    ours = mask(latent, None, mask.kernels(), keep=keep)
    for source in range(4):
        dropped = mask(latent * keep[:, source, None], None, mask.kernels(), masks_only=True)
        full = mask(latent, None, mask.kernels(), keep=keep, masks_only=True)
        # The first norm sees only its own source, so that source's TCN input must agree.
        entered = mask.enter(latent * keep[:, source, None], None, mask.kernels())[:, source]
        kept = mask.enter(latent, None, mask.kernels(), keep)[:, source]
        np.testing.assert_allclose(entered, kept, atol=1e-4)
        assert dropped.shape == full.shape
    assert np.isfinite(ours).all()


def test_calibration_fits_mean_and_deviation(rng):
    model = build("multistage", **SMALL)
    mixtures = [rng.standard_normal((2, 16000, 1)).astype(np.float32) for _ in range(3)]
    model.calibrate(mixtures)
    encoder = model.stages[-1].encoder
    spectra = np.concatenate([encoder.log_spectrum(m[..., 0]) for m in mixtures]).reshape(-1, 2049)
    np.testing.assert_allclose(encoder.mean, spectra.mean(0), atol=1e-4)
    np.testing.assert_allclose(encoder.std, spectra.std(0, ddof=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"width": 20}, "multiple of 8"),
        ({"stages": 0}, "stages"),
        ({"sources": ["drums"]}, "sources"),
        ({"sources": ["drums", "drums"]}, "sources"),
        ({"precision": "int8"}, "precision"),
        ({"stride": 15}, "even"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        build("multistage", **{**SMALL, **wrong})
    assert "\n" not in str(caught.value)


def test_an_excerpt_of_the_wrong_length_is_refused():
    model = build("multistage", **SMALL)
    with pytest.raises(ValueError, match="pad the excerpt"):
        model(tf.zeros((1, 16004, 1)))


def test_rates_apart_hears_another_mix_at_each_rate(rng):
    """The original's quirk: stage i is trained on channel i, derived to its own rate."""
    model = build("multistage", rates_apart=True, **SMALL)
    plain = build("multistage", **SMALL)
    plain.set_weights(model.get_weights())
    references = rng.standard_normal((2, 4, 16000, 3)).astype(np.float32)
    mixture = references.sum(1)
    stages = model.training_estimates(mixture, references, training=False)["stages"]
    for index, stage in enumerate(stages):
        alone = references[..., index : index + 1]
        expected = plain.training_estimates(alone.sum(1), alone, training=False)["stages"][index]
        np.testing.assert_allclose(stage["mixture"], expected["mixture"], atol=1e-6)
        np.testing.assert_allclose(stage["references"], expected["references"], atol=1e-6)
    with pytest.raises(ValueError, match="mixes=3"):
        model.training_estimates(mixture[..., :1])


def test_context_is_what_an_output_sample_depends_on(rng, monkeypatch):
    """With the norms' statistics held fixed, only samples within `context` matter."""

    def still(first, second, frames, groups, affine):
        scale, shift = tf.split(affine, 2, -1)
        return scale + 0.0 * first, shift + 0.0 * second

    monkeypatch.setattr(fused, "group_scale_shift", still)
    model = build("multistage", stages=2, **{**SMALL, "layers": 3})
    samples = 3 * model.context // model.multiple * model.multiple
    mixture = rng.standard_normal((1, samples, 1)).astype(np.float32)
    before = np.asarray(model(mixture))
    place = samples // 2
    mixture[0, place] += 10.0
    changed = np.abs(np.asarray(model(mixture)) - before).max((0, 1, 3)) > 1e-6
    reached = np.flatnonzero(changed)
    assert place in reached
    assert reached.min() >= place - model.context
    assert reached.max() <= place + model.context
    assert reached.max() - reached.min() > model.context  # not overstated by more than half
