"""Translation to ONNX."""

import json

import numpy as np
import onnx
import pytest
import tensorflow as tf

from dssgan import export as command
from dssgan import signal
from dssgan.exporting import onnx_file, parity
from dssgan.exporting.onnx_nodes import store_in_half
from dssgan.models import build, export
from dssgan.models.layers import lstm
from dssgan.portable import is_portable, portable
from dssgan.separator import Separator
from tests.dssgan.exporting.test_saved_model import rounding
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK
from tests.dssgan.separator_stand_ins import Transforming


@pytest.mark.parametrize("reverse", [False, True])
def test_one_operation_is_the_lstm_of_the_loop(reverse, rng):
    x = rng.standard_normal((7, 3, 5)).astype(np.float32)
    kernel, recurrent = rng.standard_normal((5, 16)), rng.standard_normal((4, 16))
    weights = [tf.constant(value, tf.float32) for value in (kernel, recurrent, kernel[0])]
    expected = lstm.direction(tf.constant(x), *weights, reverse=reverse)
    with portable():
        assert is_portable()
        found = lstm.direction(tf.constant(x), *weights, reverse=reverse)
    assert not is_portable()
    assert np.abs(found - expected).max() < 1e-6


def test_spectra_by_products_are_spectra(rng):
    audio = rng.standard_normal((2, 3000)).astype(np.float32)
    expected = signal.stft(audio, 512, 128).numpy()
    real, imaginary = signal.real_stft(tf.constant(audio), 512, 128)
    assert np.abs(real + 1j * imaginary.numpy() - expected).max() < 1e-4
    audio = tf.constant(audio)
    plain = signal.log_power(audio, 512, 128)
    with portable():
        found = signal.log_power(audio, 512, 128)
    assert np.abs(found - plain).max() < 1e-3


def test_constants_that_half_precision_holds_are_stored_so(rng):
    exact = rng.standard_normal(5000).astype(np.float16).astype(np.float32)
    values = {"exact": exact, "other": exact * 1.0001, "small": exact[:10], "large": exact * 1e9}
    info = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [5000])]
    node = onnx.helper.make_node("Add", ["x", "exact"], ["y"])
    out = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [5000])]
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", info, out, tensors))
    store_in_half(model)
    names = [tensor.name for tensor in model.graph.initializer]
    assert names == ["exact_half", "other", "small", "large"]
    assert model.graph.node[0].op_type == "Cast" and model.graph.node[0].output == ["exact"]
    assert np.array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), exact)


@pytest.mark.parametrize("name", ["unet", "combined"])
def test_spectra_within_the_file(name, tmp_path):
    model = build(name, **QUICK[name])
    separator = Separator(model, segment=0.5)
    onnx_file.write(model, tmp_path, separator.segment, 2)
    assert parity.difference_db(separator, tmp_path, 2) < max(-100.0, rounding(separator) + 6.0)


def test_what_stands_in_the_way_is_named(tmp_path):
    message = "transforming: ONNX has no counterpart of the operations .*IRFFT"
    with pytest.raises(ValueError, match=message) as caught:
        onnx_file.write(Transforming(), tmp_path, 800)
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, capsys):
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, tmp_path / "keras", {"name": "mine"})
    words = [str(tmp_path / "keras"), str(tmp_path / "out"), "--to", "onnx", "--segment", "1"]
    assert command.main(words) == 0
    assert "drums, accompaniment" in (said := capsys.readouterr().out) and "dB" in said
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["provenance"] == {"name": "mine"} and config["onnx"]["samples"] == 8000
    assert Separator.load(tmp_path / "out").sources == ("drums", "accompaniment")
    separator = Separator.load(tmp_path / "out", segment=1.0)
    assert parity.difference_db(separator, tmp_path / "out", 2) < -100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--segment", "0"], "--segment 0: expected more than 0"),
        (["--segment", "900"], "at most 60 seconds"),
        (["--channels", "0"], "--channels 0: expected 1 to 64"),
        ([], "nowhere: no exported separator|nowhere.*not found|nowhere"),
    ],
)
def test_misuse_is_told(words, message, tmp_path):
    with pytest.raises(command.cli.UsageError, match=message):
        command.main(["nowhere", str(tmp_path), "--to", "onnx", *words])


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        command.cli.UsageError, match=r"tf2onnx.* pip install -r requirements-export"
    ):
        command.main([str(tmp_path), str(tmp_path), "--to", "onnx"])
