"""Checkpoints and configurations that are damaged, of another system, or not supported."""

import json
import shutil

import numpy as np
import pytest
import yaml

from common import cli
from dssgan import convert
from dssgan.published.field import checkpoint, safetensors, settings
from dssgan.published.field.opening import SYSTEMS, open_checkpoint, system_of
from tests.dssgan.published.test_convert import save_zip


@pytest.fixture
def fixtures(shared):
    return shared / "fixtures" / "field"


@pytest.fixture
def named(fixtures):
    def read(name):
        found, _ = checkpoint.tensors_of(checkpoint.read(fixtures / name / "model.ckpt"))
        return dict(found)

    return read


def refused(path, content, config=None, system=None):
    with pytest.raises(ValueError) as raised:
        open_checkpoint(path, content, config, system)
    text = str(raised.value)
    assert "\n" not in text and text.startswith(str(path.parent))
    return text


CASES = {
    "bs_roformer_one": "layers.1.0.layers.0.0.to_qkv.weight",
    "mel_band_roformer": "mask_estimators.0.to_freqs.3.0.2.bias",
    "scnet": "separation_net.dp_modules.1.lstm_layers.0.weight_hh_l0",
    "mdx23c": "decoder_blocks.1.tfc_tdf.blocks.0.tdf.2.weight",
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_layers_that_are_missing_left_over_or_misshapen_are_named(fixtures, named, name):
    path, layer, good = fixtures / name / "model.ckpt", CASES[name], named(name)
    text = refused(path, {key: value for key, value in good.items() if key != layer})
    assert f"layer {layer!r}: expected shape {good[layer].shape}, found no such layer" in text
    text = refused(path, good | {layer: good[layer][:-1]})
    assert repr(layer) in text and f"found {good[layer][:-1].shape}" in text
    text = refused(path, good | {layer: good[layer] * np.nan})
    assert f"layer {layer!r}: expected finite numbers" in text
    text = refused(path, good | {"layers.0.0.hyper.weight": np.zeros((2, 2), np.float32)})
    assert "1 layers more than" in text and "'layers.0.0.hyper.weight'" in text


OPTIONS = [
    ("bs_roformer_one", "linear_transformer_depth", 1, "model.linear_transformer_depth is 1"),
    ("bs_roformer_one", "num_residual_streams", 4, "model.num_residual_streams: an option that"),
    ("bs_roformer_one", "stft_win_length", 1024, "model.stft_win_length"),
    ("bs_roformer_one", "stft_hop_length", 5000, "hop 5000"),
    ("bs_roformer_one", "stft_hop_length", "x", "model.stft_hop_length is 'x', expected a whole"),
    ("mel_band_roformer", "use_pope", True, "model.use_pope is True: not supported"),
    ("mdx23c", "norm", "BatchNorm", "model.norm is 'BatchNorm': not supported"),
    ("mdx23c", "act", "selu", "activation 'selu'"),
    ("scnet", "nfft", 10**9, "model.nfft=1000000000: expected"),
    ("scnet", "dims", [6, 8], "model.dims is [6, 8], expected 4 first"),
]


@pytest.mark.parametrize("case", OPTIONS, ids=lambda case: "-".join(map(str, case[:3])))
def test_options_that_are_not_supported_are_named(fixtures, named, tmp_path, case):
    name, key, value, told = case
    values = settings.read(fixtures / name / "config.yaml").values
    values["model"][key] = value
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    with pytest.raises(ValueError) as raised:
        open_checkpoint(fixtures / name / "model.ckpt", named(name), config)
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_names_of_sources_must_fit_the_outputs(fixtures, named, tmp_path):
    values = settings.read(fixtures / "mdx23c" / "config.yaml").values
    values["training"]["instruments"] = ["kick", "snare"]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ValueError, match="training names kick, snare, the checkpoint has 6"):
        open_checkpoint(fixtures / "mdx23c" / "model.ckpt", named("mdx23c"), tmp_path / "c.yaml")


def test_a_configuration_runs_nothing_and_is_needed(fixtures, tmp_path, named):
    where = tmp_path / "model.ckpt"
    assert "--config model.yaml" in refused(where, named("scnet"))
    config = tmp_path / "config.yaml"
    for text in ("!!python/object/apply:os.system ['touch x']", "- a", "a: [", "a: 1\na: 2\n"):
        config.write_text(text)
        text = refused(where, named("scnet"))
        assert text.startswith(str(config)), text
    config.write_text("model: !!python/tuple [1, 2]\n")
    assert settings.read(config).values == {"model": [1, 2]}


def test_other_systems_are_called_by_their_names(fixtures, named):
    path = fixtures / "scnet" / "model.ckpt"
    assert "layers of scnet, not of mdx23c" in refused(path, named("scnet"), system="mdx23c")
    for layer, told in {
        "fc1.weight": "layers 'output_mean' and 'fc1.weight'",
        "tencoder.0.conv.weight": "Demucs without a transformer",
        "bandsplit.fcs.0.weight": "python -m dssgan.convert bandsplit",
        "blocks.0.weight": "no known system; known are",
    }.items():
        assert told in refused(path, {layer: np.zeros((2, 2), np.float32)})
    for system, (_, *_) in SYSTEMS.items():
        folder = system.replace("bs_roformer", "bs_roformer_one")
        if (fixtures / folder / "model.ckpt").is_file():
            assert system_of(named(folder)) == system


@pytest.mark.parametrize("cut", [0, 10, 1000, -100])
def test_a_truncated_file_is_told_in_one_line(fixtures, tmp_path, capsys, cut):
    data = (fixtures / "scnet" / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(data[:cut])
    with pytest.raises(SystemExit) as left:
        cli.run(convert.main, ["auto", str(tmp_path / "model.ckpt"), str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert left.value.code == 1 and error.count("\n") == 1 and "model.ckpt" in error
    assert not (tmp_path / "out").exists()


def test_pickles_with_other_classes_run_nothing(tmp_path, monkeypatch):
    content = {"state_dict": {}, "hyper_parameters": print}
    save_zip(tmp_path / "model.ckpt", content, monkeypatch)
    with pytest.raises(ValueError, match="expected tensors by their names"):
        open_checkpoint(tmp_path / "model.ckpt")


def test_folders_of_open_unmix(fixtures, tmp_path):
    for name in ("separator.json", "drums.json", "drums-00000000.pth"):
        shutil.copy(fixtures / "openunmix" / name, tmp_path)
    model, told = open_checkpoint(tmp_path)
    assert model.sources == ("drums", "accompaniment") and told == {"system": "openunmix"}
    assert "which scnet is not converted from" in refused_folder(tmp_path, "scnet")
    shutil.copy(tmp_path / "drums-00000000.pth", tmp_path / "drums.pth")
    assert "2 files drums-….pth or drums.pth; expected one" in refused_folder(tmp_path)
    (tmp_path / "drums.pth").unlink()
    (tmp_path / "bass.json").write_text("{}")
    assert "0 files bass-….pth" in refused_folder(tmp_path)
    (tmp_path / "separator.json").write_text('{"nfft": "x"}')
    assert "separator.json" in refused_folder(tmp_path)
    (tmp_path / "separator.json").unlink()
    assert "no separator.json" in refused_folder(tmp_path)


def test_one_network_of_open_unmix_and_the_rest(fixtures, tmp_path):
    model, told = open_checkpoint(fixtures / "openunmix" / "drums-00000000.pth")
    assert model.sources == ("drums", "accompaniment") and told == {"system": "openunmix"}
    assert (model.frame_length, model.hop, model.channels) == (4096, 1024, 2)
    together, _ = open_checkpoint(fixtures / "openunmix")
    for ours, expected in zip(model.networks[0].weights, together.networks[0].weights):
        np.testing.assert_array_equal(ours, expected)


def refused_folder(folder, system=None):
    with pytest.raises(ValueError) as raised:
        open_checkpoint(folder, system=system)
    return str(raised.value)


def write_safetensors(path, tensors, types=None):
    header, blobs, place = {"__metadata__": {"format": "pt"}}, [], 0
    for name, value in tensors.items():
        data = value.tobytes()
        kind = (types or {}).get(name, {"f4": "F32", "f2": "F16"}[value.dtype.str[1:]])
        header[name] = {
            "dtype": kind,
            "shape": list(value.shape),
            "data_offsets": [place, place + len(data)],
        }
        blobs.append(data)
        place += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def test_safetensors_hold_the_same(fixtures, named, tmp_path):
    tensors = named("scnet")
    write_safetensors(tmp_path / "model.safetensors", tensors)
    shutil.copy(fixtures / "scnet" / "config.yaml", tmp_path)
    ours, _ = open_checkpoint(tmp_path / "model.safetensors")
    expected, _ = open_checkpoint(fixtures / "scnet" / "model.ckpt")
    for found, wanted in zip(ours.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_safetensors_in_sixteen_bits(tmp_path):
    numbers = np.array([1.5, -2.0, 3e38], np.float32)
    upper = (numbers.view(np.uint32) >> 16).astype(np.uint16).view(np.float16)
    write_safetensors(tmp_path / "m.safetensors", {"a": upper}, {"a": "BF16"})
    found = safetensors.load(tmp_path / "m.safetensors")["a"]
    np.testing.assert_allclose(found, numbers, rtol=2**-7)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "Q4", "shape": [], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [1e9], "data_offsets": [0, 0]}}',
    ],
)
def test_damaged_safetensors_are_told_in_one_line(tmp_path, header):
    path = tmp_path / "m.safetensors"
    for size in (len(header), 2**40, 2**70 % 2**64):
        path.write_bytes(size.to_bytes(8, "little") + header + b"1234")
        with pytest.raises(ValueError, match=r"m\.safetensors: ") as raised:
            safetensors.load(path)
        assert "\n" not in str(raised.value)
