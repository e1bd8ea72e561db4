"""The original Wavenet's checkpoints: the full-size layer map, both back ends, damaged files."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from dssgan.convert import main
from dssgan.published.wavenet import from_wavenet
from dssgan.separator import Separator
from tests.dssgan.models import wavenet_plain as plain

ROOT = Path(__file__).resolve().parents[3]
TINY = {"layers": 3, "stacks": 2, "residual": 6, "skip": 5, "wide": 12, "narrow": 7}
PAPER = {"layers": 10, "stacks": 4, "residual": 64, "skip": 64, "wide": 2048, "narrow": 256}


def tiny(path, rng, *, outputs=3, offset=0, change=None, **options):
    """Write a small checkpoint; `change` alters its kernels and names first."""
    kernels, bias = plain.random_kernels(rng, **TINY, outputs=outputs)
    names = plain.layer_names(TINY["layers"], TINY["stacks"], offset)
    if change is not None:
        change(kernels, names)
    plain.write(path, kernels, bias, names, **options)
    return kernels, bias


@pytest.mark.parametrize(("outputs", "count"), [(3, 3_277_763), (1, 3_277_249)])
def test_the_full_size_layer_map(tmp_path, rng, outputs, count):
    """40 blocks under the authors' names, against the plain network on one short fragment."""
    # Glorot's scale lets the sum of 40 skips grow; full scale is what the tolerance is about.
    kernels, bias = plain.random_kernels(rng, **PAPER, outputs=outputs, scale=0.5)
    names = plain.layer_names(10, 4)
    assert names[-5:] == ["res_40_dilated_conv_d512_s3", *(f"conv1d_{n}" for n in range(40, 44))]
    path = tmp_path / "checkpoint.hdf5"
    plain.write(path, kernels, bias, names, length=9785)
    model = from_wavenet(path)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count
    assert model.target_field == 1601
    audio = 0.3 * rng.standard_normal(8184 + 23).astype(np.float32)
    dilations = [2**layer for layer in range(10)] * 4
    expected = plain.network(audio, kernels, bias, dilations, 25)
    found = model.network(tf.constant(audio[None]), model.inference_state(), same=True)[0]
    assert np.abs(expected).max() > 0.01  # not a silent network
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
@pytest.mark.parametrize("offset", [0, 17])
def test_back_ends_bare_weights_and_other_numbers(tmp_path, rng, whole, backend, offset):
    path = tmp_path / "weights.hdf5"
    kernels, bias = tiny(path, rng, offset=offset, whole=whole, backend=backend, length=49)
    model = from_wavenet(path)
    assert model.sources == ("vocals", "drums", "bass", "other")
    assert model.target_field == (21 if whole else 1601)  # weights alone do not tell
    audio = rng.standard_normal(60).astype(np.float32)
    padded = np.pad(audio, 40)
    expected = plain.network(padded, kernels, bias, [1, 2, 4, 1, 2, 4], 68)[:, 4:-4]
    found = model(audio[None, :, None])[0, :3, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_command_converts_a_checkpoint(tmp_path, shared, capsys, rng):
    path = shared / "fixtures" / "originals" / "wavenet_tiny_singing-voice.hdf5"
    assert main(["wavenet", str(path), str(tmp_path / "out")]) == 0
    assert "16000 Hz" in capsys.readouterr().out
    separator = Separator.load(tmp_path / "out", segment=1.0)
    for ours, theirs in zip(separator.model.weights, from_wavenet(path).weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    song = 0.1 * rng.standard_normal((44100, 2)).astype(np.float32)
    stems = separator.separate(song, 44100)
    assert set(stems) == {"vocals", "accompaniment"}
    np.testing.assert_allclose(sum(stems.values()), song, atol=3e-5)


def without(place):
    def change(kernels, names):
        del kernels[place], names[place]

    return change


def with_shape(place, shape):
    def change(kernels, names):
        kernels[place] = np.ones(shape, np.float32)

    return change


def renamed(place, name):
    def change(kernels, names):
        names[place] = name

    return change


def doubled(kernels, names):
    kernels.insert(-1, kernels[-1])
    names.insert(-1, "conv1d_extra")


def mixed_less(kernels, names):
    for place in range(2, 14, 2):
        kernels[place] = np.ones((1, 6, 5), np.float32)


def spoilt(kernels, names):
    kernels[4][0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # 0 first; 1, 2 … 11, 12 blocks; 13, 14, 15 last
        (without(0), ["res_1_dilated_conv_d1_s0", "(3, 1, 6)", "(3, 6, 12)"]),
        (without(4), ["res_3_dilated_conv_d4_s0", "(1, 6, 11)", "(3, 6, 12)"]),
        (without(5), ["conv1d_3", "dilated convolution of block 3", "(3, 6, 12)", "(1, 6, 11)"]),
        (without(13), ["conv1d_8", "(3, 5, any)", "(3, 12, 7)"]),
        (without(14), ["conv1d_9", "second of the last three", "(3, 12, any)", "(1, 7, 3)"]),
        (without(15), ["conv1d_8", "second of the last three", "found kernel, bias of (3, 12, 7)"]),
        (slice(14, None), ["conv1d_7", "first of the last three", "(3, 5, any)", "kernel, bias"]),
        (slice(3, 5), ["res_3_dilated_conv_d4_s0", "dilation 4, expected 2"]),
        (slice(11, 13), ["res_5_dilated_conv_d2_s1", "expected dilation 4"]),
        (slice(12, None), ["res_6_dilated_conv_d4_s1", "dilated convolution of block 6"]),
        (slice(13, None), ["conv1d_6", "block 6", "found kernel, bias"]),
        (doubled, ["conv1d_9", "expected 3"]),
        (with_shape(0, (3, 1, 7)), ["initial_causal_conv", "(3, 1, 6)", "(3, 1, 7)"]),
        (with_shape(1, (3, 7, 12)), ["res_1_dilated_conv_d1_s0", "(3, 6, 12)", "(3, 7, 12)"]),
        (with_shape(5, (3, 6, 13)), ["res_3_dilated_conv_d4_s0", "(3, 6, 12)", "(3, 6, 13)"]),
        (with_shape(11, (3, 6, 13)), ["res_6_dilated_conv_d4_s1", "(3, 6, 12)", "(3, 6, 13)"]),
        (with_shape(2, (1, 6, 6)), ["conv1d_1", "(1, 6, 11)", "(1, 6, 6)"]),
        (mixed_less, ["conv1d_1", "5 outputs, expected more than the 6"]),
        (with_shape(6, (1, 6, 10)), ["conv1d_3", "(1, 6, 11)", "(1, 6, 10)"]),
        (with_shape(14, (3, 11, 7)), ["conv1d_8", "(3, 12, any)", "(3, 11, 7)"]),
        (with_shape(3, (3, 6)), ["res_2_dilated_conv_d2_s0", "(3, 6)"]),
        (renamed(3, "convolution"), ["'convolution'", "dilated_conv_d4_s0"]),
        (spoilt, ["conv1d_2", "expected finite numbers"]),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(tmp_path, rng, change, words):
    if isinstance(change, slice):
        cut = change

        def change(kernels, names):
            del kernels[cut], names[cut]

    path = tmp_path / "weights.hdf5"
    tiny(path, rng, change=change)
    with pytest.raises(ValueError, match=r"weights\.hdf5") as caught:
        from_wavenet(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("conv1d_8", "the output layer, kernel and bias of shape (1, 7, any)"),
        ("conv1d_7", "the second of the last three layers, kernel of shape (3, 12, any)"),
        ("conv1d_6", "the first of the last three layers, kernel of shape (3, 5, any)"),
        ("res_6_dilated_conv_d4_s1", "the 1×1 convolution of block 6, kernel of shape (1, 6, 11)"),
    ],
)
def test_what_is_missing_at_the_end_is_named(tmp_path, rng, last, words):
    path = tmp_path / "weights.hdf5"
    tiny(path, rng)
    with h5py.File(path, "a") as file:
        names = list(file["model_weights"].attrs["layer_names"])
        kept = names[: names.index(last) + 1]
        file["model_weights"].attrs["layer_names"] = kept
    with pytest.raises(ValueError) as caught:
        from_wavenet(path)
    assert (
        str(caught.value) == f"{path}: ends after layer {last!r}: expected {words}; it is missing"
    )


def test_other_keras_files_are_refused(tmp_path, rng):
    path = tmp_path / "weights.hdf5"
    tiny(path, rng, outputs=2)
    with pytest.raises(ValueError, match="2 outputs, expected 1"):
        from_wavenet(path)
    tiny(path, rng, backend="mystery")
    with pytest.raises(ValueError, match="'mystery', expected theano"):
        from_wavenet(path)
    tiny(path, rng)
    with h5py.File(path, "a") as file:
        del file["model_weights"]["conv1d_2"]["conv1d_2"]["kernel"]
    with pytest.raises(ValueError, match="'conv1d_2/kernel' is listed but missing"):
        from_wavenet(path)
    with h5py.File(path, "a") as file:
        del file["model_weights"]["conv1d_2"]
    with pytest.raises(ValueError, match="layer 'conv1d_2' is listed but missing"):
        from_wavenet(path)
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(ValueError, match="layer_names"):
        from_wavenet(path)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"], file.attrs["backend"] = [b"dense"], b"theano"
        file.create_group("dense").attrs["weight_names"] = [b"kernel"]
        file["dense"]["kernel"] = np.zeros((3, 1, 8), np.float32)
    with pytest.raises(ValueError, match="is this a Wavenet"):
        from_wavenet(path)


def test_weights_must_lie_in_the_file(tmp_path, rng):
    path, other = tmp_path / "weights.hdf5", tmp_path / "other.hdf5"
    tiny(path, rng)
    tiny(other, rng)
    with h5py.File(path, "a") as file:
        layer = file["model_weights/conv1d_2/conv1d_2"]
        del layer["kernel"]
        layer["kernel"] = h5py.ExternalLink(other, "model_weights/conv1d_2/conv1d_2/kernel")
    with pytest.raises(ValueError, match=r"conv1d_2.* in another file"):
        from_wavenet(path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.95, 0.999])
def test_truncated_files_are_one_line(tmp_path, rng, share):
    path = tmp_path / "weights.hdf5"
    tiny(path, rng)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"weights\.hdf5") as caught:
        from_wavenet(path)
    assert "\n" not in str(caught.value)


def test_a_bad_file_is_one_line_on_the_command_line(tmp_path):
    path = tmp_path / "weights.hdf5"
    path.write_bytes(b"not a checkpoint at all")
    command = [sys.executable, "-m", "dssgan.convert", "wavenet", str(path), str(tmp_path / "o")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "weights.hdf5" in lines[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()
