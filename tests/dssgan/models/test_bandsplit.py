"""Band-Split RNN: bands, parity with the public program, sizes, loss, learning, streaming."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.losses import LOSSES
from dssgan.models import build
from dssgan.models.bandsplit.bands import Bands, band_widths
from dssgan.optimisers import rules
from dssgan.portable import portable
from dssgan.published.bandsplit import from_bandsplit_rnn
from dssgan.separator import Separator
from dssgan.training.build import excerpt_samples
from dssgan.training.state import TrainingState
from experiments.systems.arithmetic import macs
from tests.dssgan.small_training import make_step

SMALL = {
    "sample_rate": 8000,
    "frame_length": 256,
    "hop": 64,
    "split": [[1000, 250], [4000, 1000]],
    "features": 12,
    "hidden": 16,
    "repeats": 1,
    "mask_hidden": 16,
}
FIXED = {**SMALL, "variant": "amanteur", "frames": 41}
V7 = "5 5 4 5 5 4 5 5 4 5 12 11 12 11 12 12 11 12 11 12 12 11 23 24 23 23 23 24 23 23"
V7 += " 46 47 46 47 46 47 46 47 92 93 96"
BASS = "3 2 2 3 2 2 3 2 2 3 4 5 5 4 5 23 23 24 23 23 23 47 46 47 46 93 93 93 93 281"
DRUMS = "3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 2 3 2 5 4 5 5 4 5 4 5 5 4 12 12 11 12 11 12 12 11"
DRUMS += " 23 24 23 23 23 24 23 23 46 47 46 47 46 47 46 47 281"


@pytest.mark.parametrize(("split", "widths"), [("v7", V7), ("bass", BASS), ("drums", DRUMS)])
def test_the_bands_of_the_paper(split, widths):
    assert band_widths(split, 2048, 44100) == [int(width) for width in widths.split()]


@pytest.mark.parametrize("split", ["v7", "bass", "drums", [[500, 30], [7000, 900]]])
@pytest.mark.parametrize(("length", "rate"), [(2048, 44100), (1024, 16000), (512, 48000)])
def test_bands_cover_every_bin_once_at_any_rate(split, length, rate):
    widths = band_widths(split, length, rate)
    assert sum(widths) == length // 2 + 1 and min(widths) >= 1
    bands = Bands(widths)
    assert sorted(np.concatenate(bands.bins)) == list(range(length // 2 + 1))


def test_a_band_ends_below_its_edge():
    # Bins lie 62.5 Hz apart: 0 to 187.5 Hz, 250 to 437.5 Hz, 500 Hz and above.
    assert band_widths([[500, 250], [9000, 1000]], 128, 8000) == [4, 4, 8, 16, 16, 17]
    assert band_widths([[100, 20], [4000, 2000]], 128, 8000) == [1, 1, 30, 33]


@pytest.mark.parametrize(
    "split", ["v8", [[500, 0]], [[500, 50], [400, 50]], [[500]], [[9000, 5000]], []]
)
def test_impossible_splits_are_one_line(split):
    with pytest.raises(ValueError, match="split") as caught:
        band_widths(split, 256, 8000)
    assert "\n" not in str(caught.value)


def test_cut_and_join_are_inverse(rng):
    bands = Bands([3, 1, 2, 3, 4, 1])
    parts = rng.standard_normal((2, 4, 5, 14)).astype(np.float32)
    cuts = bands.cut(tf.constant(parts))
    assert [cut.shape[-1] for cut in cuts] == [4 * width for width in (1, 2, 3, 4)]
    np.testing.assert_array_equal(bands.join(cuts, 4), parts)
    fourth = cuts[2][1]  # of the bands of three bins the second: bins 6 to 8
    expected = np.moveaxis(parts[..., 6:9], 2, 0).reshape(5, 2, 12)
    np.testing.assert_array_equal(fourth, expected)


@pytest.fixture(scope="module")
def fixture(shared):
    with np.load(shared / "fixtures" / "originals" / "bsrnn_tiny_complex.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("training", [False, True])
def test_parity_with_the_public_program(fixture, training):
    state = {name[3:]: fixture[name] for name in fixture if name.startswith("sd/")}
    model = from_bandsplit_rnn(state)
    assert model.count_params() == sum(value.size for value in state.values())
    spectrum = tf.constant(np.swapaxes(fixture["x"], 2, 3))
    found = model.standardised(spectrum, training).numpy()[:, 0]
    expected = np.swapaxes(fixture["y"], 2, 3)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("target", "count", "work"),
    [("vocals", 32_414_628, 845), ("bass", 33_371_812, 622), ("drums", 35_954_340, 1134)],
)
def test_parameters_and_arithmetic_of_the_public_program(target, count, work, monkeypatch):
    shapes = []

    def add_weight(self, shape, **given):
        shapes.append(shape)
        return tf.zeros(()) if len(shape) == 1 else tf.broadcast_to(tf.zeros(()), shape)

    # Only the shapes count: no memory is filled with weights.
    layers = "dssgan.models.bandsplit.layers.Layer.add_weight"
    monkeypatch.setattr(layers, add_weight, raising=False)
    model = build("bandsplit", sources=[target, "accompaniment"], variant="amanteur")
    assert sum(int(np.prod(shape)) for shape in shapes) == count
    assert (model.minimum, model.maximum, model.multiple) == (134144,) * 3
    assert round(macs(model, 134144) / 263 / 1e6) == work  # of a frame of both channels


def test_the_split_of_the_paper_is_taken_for_a_target():
    for target, split in (("drums", "drums"), ("bass", "bass"), ("vocals", "v7"), ("x", "v7")):
        model = build("bandsplit", sources=[target], repeats=1, features=2, hidden=2, mask_hidden=2)
        assert model.hyperparameters["split"] == split
        assert model.targets == model.sources == (target,)


def test_channels_are_separated_by_themselves(rng):
    model = build("bandsplit", **SMALL)
    mixture = rng.standard_normal((2, 1280, 2)).astype(np.float32)
    both, right = model(mixture), model(mixture[..., 1:])
    np.testing.assert_allclose(both[..., 1:], right, atol=1e-5)
    assert model.channels_apart and not build("bandsplit", **FIXED).channels_apart


def test_the_authors_model_takes_any_length_and_the_other_only_its_own(rng):
    model, fixed = build("bandsplit", **SMALL), build("bandsplit", **FIXED)
    for samples in (192, 640, 2560):
        mixture = rng.standard_normal((1, samples, 1)).astype(np.float32)
        assert model(mixture).shape == (1, 2, samples, 1)
        other = np.repeat(mixture, 2, 1) if samples == 2560 else mixture
        with pytest.raises(ValueError, match=r"2560 samples of one|multiple of 2560"):
            fixed(other)
    for samples in (128, 200):
        with pytest.raises(ValueError, match="multiple of 64 from 192; pad the excerpt"):
            model(np.zeros((1, samples, 1), np.float32))
    with pytest.raises(ValueError, match="3 channels"):
        fixed(np.zeros((1, 2560, 3), np.float32))
    # What is not twice as long is not taken for an excerpt of training either.
    config = {"model": {"name": "bandsplit"}, "data": {"seconds": 5.0}}
    assert excerpt_samples(from_dict(config), fixed) == 2560


def test_mono_is_heard_on_both_channels(rng):
    model = build("bandsplit", **FIXED)
    mono = rng.standard_normal((1, 2560, 1)).astype(np.float32)
    both = model(np.repeat(mono, 2, -1)).numpy()
    np.testing.assert_allclose(model(mono), both.mean(-1, keepdims=True), atol=1e-5)


def test_what_the_targets_leave_is_the_last_source(rng):
    sources = ["drums", "other", "vocals"]
    model = build("bandsplit", **SMALL, sources=sources, targets=["drums", "vocals"])
    assert len(model.masks) == 2  # one network, two masks
    mixture = rng.standard_normal((2, 1280, 2)).astype(np.float32)
    outputs = model.training_estimates(mixture, np.stack([mixture] * 3, 1))
    estimates = outputs["estimates"].numpy()
    np.testing.assert_allclose(estimates.sum(1), mixture, atol=1e-5)
    np.testing.assert_array_equal(outputs["targets"], estimates[:, [0, 2]])
    assert np.abs(estimates[:, 0] - estimates[:, 2]).max() > 1e-3
    assert outputs["spectra"].shape == (2, 2, 2, 21, 129, 2)
    assert outputs["reference_spectra"].shape == (2, 2, 2, 21, 129, 2)
    np.testing.assert_allclose(model(mixture), estimates, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_close(rng, precision):
    full = build("bandsplit", **SMALL)
    half = build("bandsplit", precision=precision, **SMALL)
    half.set_weights(full.get_weights())
    mixture = rng.standard_normal((1, 8000, 1)).astype(np.float32)
    expected = np.asarray(full(mixture)[:, 0], np.float64)
    error = np.asarray(half(mixture)[:, 0], np.float64) - expected
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 25


def test_the_loss_by_hand(rng):
    spectra, references = rng.standard_normal((2, 2, 1, 2, 3, 5, 2)).astype(np.float32)
    waves, targets = rng.standard_normal((2, 2, 1, 7, 2)).astype(np.float32)
    outputs = {
        "spectra": tf.constant(spectra),
        "reference_spectra": tf.constant(references),
        "targets": tf.constant(waves),
        "reference_targets": tf.constant(targets),
    }
    loss, parts = LOSSES["bandsplit"](outputs, None, None, real=1.0, imaginary=0.5, waveform=3.0)
    real, imaginary = np.abs(spectra - references).mean((0, 1, 2, 3, 4))
    waveform = np.abs(waves - targets).mean()
    np.testing.assert_allclose(parts["real"], real, rtol=1e-5)
    np.testing.assert_allclose(parts["imaginary"], imaginary, rtol=1e-5)
    np.testing.assert_allclose(loss, real + 0.5 * imaginary + 3 * waveform, rtol=1e-5)
    with pytest.raises(ValueError, match=r"model\.name=bandsplit"):
        LOSSES["bandsplit"]({"estimates": 0}, None, None)


def test_a_perfect_estimate_has_no_loss(rng):
    model = pass_everything(build("bandsplit", sources=["drums"], **SMALL))
    stems = rng.standard_normal((1, 1, 1280, 1)).astype(np.float32)
    outputs = model.training_estimates(stems[:, 0], stems)
    assert float(LOSSES["bandsplit"](outputs, stems, stems[:, 0])[0]) < 1e-4


@pytest.mark.parametrize("sizes", [SMALL, {**FIXED, "frames": 21}], ids=["authors", "amanteur"])
def test_one_batch_is_learnt(rng, sizes):
    """Low and high tones: a band split can tell them apart."""
    time = np.arange(1280) / 8000
    drums = np.stack([np.sin(2 * np.pi * f * time) for f in (300.0, 420.0)])
    rest = np.stack([np.sin(2 * np.pi * f * time) for f in (2100.0, 2900.0)])
    stems = 0.1 * np.stack([drums, rest], 1)[..., None].repeat(2, -1).astype(np.float32)
    model = build("bandsplit", sources=["drums", "accompaniment"], **sizes)
    state = TrainingState(model, rules.Adam())
    step = make_step(state, rate=5e-3, loss=LOSSES["bandsplit"], clip=5.0)
    losses = [float(step(tf.constant(stems), number)["loss"]) for number in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    error = np.square(model(stems.sum(1))[:, 0] - stems[:, 0]).mean()
    assert error < 0.05 * np.square(stems[:, 0]).mean()


def pass_everything(model):
    """Masks of one: gates far open, value 1, no imaginary part."""
    for mask in model.masks:
        for kernel, bias in mask.last:
            kernel.assign(tf.zeros_like(kernel))
            half = np.zeros(bias.shape, np.float32)
            size = half.shape[-1] // 2
            width = size // mask.parts
            for channel in range(mask.parts // 2):
                half[..., 2 * channel * width : (2 * channel + 1) * width] = 1.0
            half[..., size:] = 30.0
            bias.assign(half)
    return model


@pytest.mark.parametrize("sizes", [SMALL, FIXED], ids=["authors", "amanteur"])
@pytest.mark.parametrize("channels", [1, 2])
def test_streaming_has_no_seams(rng, sizes, channels):
    """Masks that let everything pass give back the mixture, across chunks of any length."""
    model = pass_everything(build("bandsplit", sources=["drums", "accompaniment"], **sizes))
    separator = Separator(model, segment=2.0, consistent=False)
    expected = 2560 if sizes is FIXED else 16000
    assert separator.segment == expected
    song = rng.standard_normal((41234, channels)).astype(np.float32)
    whole = separator.separate(song, 8000)["drums"]
    np.testing.assert_allclose(whole, song, atol=1e-4)
    blocks = [song[start : start + 3331] for start in range(0, len(song), 3331)]
    pieces = [piece["drums"] for piece in separator.stream(blocks, 8000)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_weights_that_differ_join_within_the_overlap(rng):
    """A random network: chunks and one long pass agree well where chunks meet.

    The chunks begin at multiples of the hop of the spectra; a trained network has learnt not to
    mind, a random one has not.
    """
    model = build("bandsplit", sources=["drums", "accompaniment"], **SMALL)
    song = rng.standard_normal((24000, 1)).astype(np.float32)
    one = Separator(model, segment=3.0).separate(song, 8000)["drums"]
    several = Separator(model, segment=1.0, overlap=0.52)
    assert several.hop % 64 == 0
    several = several.separate(song, 8000)["drums"]
    error = np.square(one - several).mean() / np.square(one).mean()
    assert 0 < error < 0.01


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hop": 129}, "at most half"),
        ({"frame_length": 255}, "even"),
        ({"features": 0}, "features is 0"),
        ({"repeats": 1.5}, "repeats is 1.5"),
        ({"variant": "author"}, "expected one of authors, amanteur"),
        ({"precision": "int8"}, "precision"),
        ({"variant": "amanteur", "frames": 3}, "too short"),
        ({"sources": ["drums", "drums"]}, "stands twice"),
        ({"sources": ["drums", "bass", "other"], "targets": ["drums"]}, "all or all but one"),
        ({"targets": ["vocals", "flute"]}, "flute"),
        ({"targets": []}, "one or more"),
        ({"split": "v8"}, "split 'v8', expected one of v7, bass, drums"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        build("bandsplit", **{**SMALL, **wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variant", "channels"), [("authors", 2), ("amanteur", 1), ("amanteur", 2)]
)
def test_real_numbers_give_what_complex_ones_do(variant, channels, rng):
    model = build("bandsplit", **SMALL, variant=variant, frames=41)
    mixture = 0.1 * rng.standard_normal((2, 40 * 64, channels)).astype(np.float32)
    expected = model(mixture)
    with portable():
        found = model(mixture)
    np.testing.assert_allclose(found, expected, atol=1e-6)
