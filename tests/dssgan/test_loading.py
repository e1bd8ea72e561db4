"""Which engine opens an exported separator."""

import pytest

from common.json_files import read_json, write_json
from dssgan import exports, loading
from dssgan.exporting import onnx_file
from dssgan.exports import ONNX
from dssgan.models import build, export
from dssgan.runtime.onnx_separator import OnnxSeparator
from dssgan.separator import Separator
from tests.dssgan.models.test_conformance import BANDSPLIT


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A small separator in both formats."""
    place = tmp_path_factory.mktemp("separator")
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, place)
    onnx_file.write(model, place, 16000)
    return place


def test_which_engine_computes(both, tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "has_gpu", lambda: False)

    def engine(place=both, name="auto", segment=None, precision=None):
        return loading.choose(place, name, segment, precision)

    assert engine() == engine(precision="float32") == engine(name="onnx") == "onnx"
    assert engine(segment=1.0) == "onnx"
    assert engine(name="tensorflow") == engine(precision="bfloat16") == "tensorflow"
    with pytest.raises(ValueError, match="--engine onnx: its file computes in float32"):
        engine(name="onnx", precision="float16")
    monkeypatch.setattr(exports, "has_gpu", lambda: True)
    assert engine() == "tensorflow"
    monkeypatch.setattr(exports, "has_gpu", lambda: False)
    # Of a file that takes chunks of one length alone.
    for file in both.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = read_json(tmp_path / exports.CONFIG)
    del config["onnx"]["any_length"]
    write_json(tmp_path / exports.CONFIG, config)
    assert engine(tmp_path) == "onnx" and engine(tmp_path, segment=1.0) == "tensorflow"
    with pytest.raises(ValueError, match="leave out --segment"):
        engine(tmp_path, name="onnx", segment=1.0)
    # Other weights were exported to the same folder since.
    export.save(build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"]), tmp_path)
    assert engine(tmp_path) == "tensorflow"
    with pytest.raises(ValueError, match=r"of other weights: python -m dssgan\.export"):
        engine(tmp_path, "onnx")
    (tmp_path / ONNX).unlink()
    with pytest.raises(ValueError, match=r"has no separator\.onnx"):
        engine(tmp_path, "onnx")
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None)
    assert engine() == "tensorflow"
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        engine(name="onnx")


def test_what_is_loaded_is_what_was_chosen(both, monkeypatch):
    monkeypatch.setattr(exports, "has_gpu", lambda: False)
    assert isinstance(loading.load(both), OnnxSeparator)
    assert isinstance(loading.load(both, overlap=0.5), OnnxSeparator)
    assert loading.load(both, segment=0.5).segment == 4032  # a multiple of its hop
    separator = loading.load(both, "tensorflow", segment=1.0)
    assert isinstance(separator, Separator) and separator.segment == separator.sample_rate
    assert isinstance(loading.load(both, precision="bfloat16"), Separator)
