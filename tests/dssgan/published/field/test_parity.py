"""What the public programs make of a mixture, and what this library makes of it."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan import convert
from dssgan.models import SEPARATORS
from dssgan.portable import portable
from dssgan.published.field import checkpoint, settings
from dssgan.published.field.opening import open_checkpoint
from dssgan.separator import Separator

FULL_SCALE = 1e-5  # of the largest sample that is possible, 1
SYSTEMS = {
    "bs_roformer_four": "bs_roformer",
    "bs_roformer_one": "bs_roformer",
    "htdemucs": "htdemucs",
    "mdx23c": "mdx23c",
    "mel_band_roformer": "mel_band_roformer",
    "openunmix": "openunmix",
    "scnet": "scnet",
}


@pytest.fixture
def fixtures(shared):
    return shared / "fixtures" / "field"


def file_of(folder):
    """What is converted: a file of the folder, or itself."""
    if folder.name == "openunmix":
        return folder
    return next(path for path in folder.iterdir() if path.suffix in (".ckpt", ".th"))


def opened(folder):
    return open_checkpoint(file_of(folder))[0]


def estimated(model, mixture):
    """The targets of a mixture (channels, samples), (targets, channels, samples)."""
    found = model(tf.constant(mixture.T[None]))
    targets = [model.sources.index(target) for target in model.targets]
    return np.moveaxis(np.asarray(found)[0][targets], 1, 2)


def reference(folder):
    with np.load(folder / "reference.npz") as file:
        mixture, estimates = file["mixture"], file["estimates"]
    return mixture, estimates if estimates.ndim == 3 else estimates[None]


@pytest.mark.parametrize("name", ["mdx23c", "mel_band_roformer", "openunmix", "scnet"])
def test_estimates_are_those_of_the_public_program(fixtures, name):
    model = opened(fixtures / name)
    mixture, expected = reference(fixtures / name)
    found = estimated(model, mixture)
    assert found.shape[-1] == mixture.shape[-1]  # one of the programs gives less than it got
    np.testing.assert_allclose(found[..., : expected.shape[-1]], expected, atol=FULL_SCALE)


@pytest.mark.parametrize("name", ["bs_roformer_four", "bs_roformer_one"])
def test_a_roformer_is_that_of_the_public_program_where_all_bands_sound(fixtures, data, name):
    """The fixture's mixture has a band below the rounding errors of a transform in 32 bits.

    The network makes it as loud as the others, so that the program's own estimates in 64 bits are
    3.5e-3 and 4.9e-3 from those in 32. With noise in the mixture they are 1e-7 apart.
    """
    mixture, _ = reference(fixtures / name)
    noise = np.random.default_rng(1).normal(0, 1e-2, (2, 8000))
    found = estimated(opened(fixtures / name), (mixture[:, :8000] + noise).astype(np.float32))
    with np.load(data / "bs_roformer_with_noise.npz") as file:
        np.testing.assert_allclose(found[0], file[name], atol=FULL_SCALE)


@pytest.mark.parametrize("name", ["bs_roformer_four", "bs_roformer_one"])
def test_a_roformer_is_as_near_as_rounding_allows_where_a_band_is_silent(fixtures, name):
    mixture, expected = reference(fixtures / name)
    found = estimated(opened(fixtures / name), mixture)
    error = np.sqrt(np.mean(np.square(found - expected)) / np.mean(np.square(expected)))
    assert error < 0.02


@pytest.fixture
def data(request):
    return request.path.parents[1] / "data"


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_the_command_tells_the_system_and_exports_it(fixtures, name, tmp_path, capsys, rng):
    assert convert.main(["auto", str(file_of(fixtures / name)), str(tmp_path / "out")]) == 0
    model = opened(fixtures / name)
    system = SYSTEMS[name]
    assert type(model) is SEPARATORS[system]
    weights = sum(np.prod(variable.shape) for variable in model.trainable_variables)
    out = capsys.readouterr().out
    assert out == f"{tmp_path / 'out'}: {system}, {weights:,} parameters, 44100 Hz\n"
    separator = Separator.load(tmp_path / "out")
    for ours, expected in zip(separator.model.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, expected)
    song = 0.1 * rng.standard_normal((50_000, 2)).astype(np.float32)
    stems = separator.separate(song, 44100)
    assert all(stem.shape == song.shape and np.isfinite(stem).all() for stem in stems.values())
    if separator.consistent:  # Demucs' own way to cut songs leaves its stems alone
        np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)


def test_chunks_are_those_of_the_configuration(fixtures, tmp_path):
    convert.main(["auto", str(fixtures / "mdx23c" / "model.ckpt"), str(tmp_path / "out")])
    separator = Separator.load(tmp_path / "out")
    assert separator.segment == 32256
    assert separator.hop == separator.segment // 2 // 512 * 512


@pytest.mark.parametrize("name", ["scnet", "mdx23c", "openunmix", "mel_band_roformer"])
def test_formats_without_a_transform_get_the_same_estimates(fixtures, name):
    model, mixture = opened(fixtures / name), reference(fixtures / name)[0]
    expected = estimated(model, mixture)
    with portable():
        found = estimated(model, mixture)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_a_mixture_of_one_channel_gives_the_mean_of_both(fixtures):
    model, mixture = opened(fixtures / "mdx23c"), reference(fixtures / "mdx23c")[0]
    both = estimated(model, np.stack([mixture[0], mixture[0]]))
    np.testing.assert_allclose(estimated(model, mixture[:1])[:, 0], both.mean(1), atol=1e-6)
    with pytest.raises(ValueError, match="mdx23c: a mixture of 3 channels; expected one or two"):
        model(tf.zeros((1, 40_000, 3)))


def test_weights_in_half_precision_and_averages_are_read(fixtures):
    named, _ = checkpoint.tensors_of(checkpoint.read(fixtures / "scnet" / "model.ckpt"))
    half = {name: value.astype(np.float16) for name, value in named.items()}
    places = [half, {"state": half, "epoch": 3}, {"model_state_dict": half, "optimizer": {}}]
    places += [{"state_dict": {f"model.{name}": value for name, value in half.items()}}]
    other = {name: np.zeros_like(value) for name, value in half.items()}
    places += [{"model": other, "ema_state_dict": half}]
    both = {f"ema_model.{name}": value for name, value in half.items()}
    places += [both | {f"online_model.{name}": value for name, value in other.items()}]
    for content in places:
        found, _ = checkpoint.tensors_of(content)
        assert found.keys() == half.keys()
        assert all(found[name] is half[name] for name in half)
    config = settings.read(fixtures / "scnet" / "config.yaml")
    from dssgan.published.field.scnet import from_scnet

    model = from_scnet(half, config)
    mixture, expected = reference(fixtures / "scnet")
    np.testing.assert_allclose(estimated(model, mixture), expected, atol=0.02)
