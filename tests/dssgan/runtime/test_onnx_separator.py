"""Separators in ONNX Runtime against the same ones in TensorFlow."""

import json

import numpy as np
import pytest

from common.json_files import read_json, write_json
from datasets import audio
from dssgan import exports
from dssgan.exporting import onnx_file
from dssgan.exports import CONFIG, ONNX, PRETRAINED
from dssgan.models import build, export
from dssgan.runtime.onnx_separator import OnnxSeparator
from dssgan.separation.stream import Report
from dssgan.separator import Separator
from tests.commands import run_without
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK

RATE = 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small separator in both formats."""
    place = tmp_path_factory.mktemp("separator")
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, place)
    onnx_file.write(model, place, 2 * RATE)
    return place


def song(seconds, channels):
    """Noise that starts and ends with silence."""
    rng = np.random.default_rng(channels)
    audio = 0.2 * rng.standard_normal((round(seconds * RATE), channels))
    audio[:1000] = audio[-2000:] = 0
    return audio.astype(np.float32)


@pytest.mark.parametrize(
    ("seconds", "channels", "rate", "options"),
    [
        (7.3, 2, RATE, {}),
        (0.5, 1, RATE, {}),
        (5.0, 3, 11025, {"overlap": 0.5, "batch_size": 3}),
        (4.0, 1, RATE, {"shifts": 2, "consistent": False}),
    ],
)
def test_stems_are_those_of_tensorflow(folder, seconds, channels, rate, options):
    mixture = song(seconds, channels)
    reports = Report(), Report()
    kinds = OnnxSeparator.load(folder, **options), Separator.load(folder, segment=2.0, **options)
    found, expected = (
        kind.separate(mixture, rate, report=report) for kind, report in zip(kinds, reports)
    )
    assert list(found) == list(expected) == ["drums", "accompaniment"]
    for source, stem in expected.items():
        assert found[source].shape == stem.shape and found[source].dtype == np.float32
        assert np.abs(found[source] - stem).max() < 10 ** (-90 / 20)
        assert np.abs(stem).max() > 1e-3
    assert reports[0].samples == reports[1].samples == len(mixture)


@pytest.mark.parametrize("segment", [0.5, 1.25, 3.0])
def test_chunks_of_other_lengths(folder, segment):
    """One file for all, where what it computes are masks of a spectrum."""
    mixture = song(4.1, 1)
    found = OnnxSeparator.load(folder, segment=segment).separate(mixture, RATE)
    expected = Separator.load(folder, segment=segment).separate(mixture, RATE)
    for source, stem in expected.items():
        assert np.abs(found[source] - stem).max() < 10 ** (-100 / 20)


def test_what_it_cannot_do_is_told(folder, tmp_path):
    config = read_json(folder / CONFIG)
    write_json(tmp_path / CONFIG, config | {"onnx": config["onnx"] | {"any_length": False}})
    (tmp_path / ONNX).write_bytes((folder / ONNX).read_bytes())
    with pytest.raises(ValueError, match=r"segment is 3 s, and the model was exported for 2 s"):
        OnnxSeparator.load(tmp_path, segment=3.0)
    assert OnnxSeparator.load(tmp_path, segment=2.0).segment == 2 * RATE
    for name in (CONFIG, ONNX):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / ONNX).write_bytes((folder / ONNX).read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged or of another export"):
        OnnxSeparator.load(tmp_path)
    config = json.loads((folder / CONFIG).read_text())
    for key, value in (("samples", 100), ("hop", 0), ("channels", 0), ("samples", "two")):
        broken = config | {"onnx": config["onnx"] | {key: value}}
        (tmp_path / CONFIG).write_text(json.dumps(broken))
        with pytest.raises(ValueError, match=r"config\.json: onnx"):
            OnnxSeparator.load(tmp_path)
    (tmp_path / ONNX).unlink()
    with pytest.raises(FileNotFoundError):
        OnnxSeparator.load(tmp_path)


def test_a_file_that_is_no_model(folder, tmp_path):
    config = json.loads((folder / CONFIG).read_text())
    (tmp_path / ONNX).write_bytes(b"no model")
    config["onnx"]["sha256"] = exports.file_digest(tmp_path / ONNX)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"separator\.onnx: ONNX Runtime cannot open it"):
        OnnxSeparator.load(tmp_path)


def test_separation_without_tensorflow(folder, tmp_path):
    """The command in a process that can import what requirements-run.txt names, and no more."""
    audio.write(tmp_path / "song.wav", song(3.0, 2), RATE)
    heavy = ["tensorflow", "keras", "h5py", "scipy", "librosa", "mir_eval", "sacred", "pymongo"]
    heavy += ["tensorboard", "matplotlib", "yaml", "psutil", "onnx", "tf2onnx", "pandas"]
    words = [str(tmp_path / "song.wav"), "-o", str(tmp_path / "stems"), "--model", str(folder)]
    words += ["--bits", "32f", "--engine", "onnx"]
    run_without(heavy, f"from dssgan import separate\nsys.exit(separate.main({words!r}))\n")
    mixture, rate = audio.read(tmp_path / "song.wav")
    expected = Separator.load(folder, segment=2.0).separate(mixture, rate)
    for source, stem in expected.items():
        found, _ = audio.read(tmp_path / "stems" / "song" / f"{source}.wav")
        assert np.abs(found - stem).max() < 10 ** (-90 / 20)


def test_the_shipped_model_has_a_file_of_its_own_weights():
    for place in sorted(PRETRAINED.iterdir()):
        assert not exports.why_not_onnx(place, None, None), place.name
        assert OnnxSeparator.load(place).sources == exports.sources_of(place)


@pytest.mark.slow
def test_the_shipped_model_computes_the_same():
    place = PRETRAINED / "drums"
    mixture = np.random.default_rng(1).standard_normal((30000, 1)).astype(np.float32) * 0.1
    mixture *= np.exp(-np.arange(30000) % 9000 / 2000)[:, None].astype(np.float32)
    found = OnnxSeparator.load(place).separate(mixture, 44100)
    expected = Separator.load(place).separate(mixture, 44100)
    for source, stem in expected.items():
        assert np.abs(found[source] - stem).max() < 10 ** (-90 / 20)
        assert np.std(stem) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wavenet", "multistage"])
def test_separators_of_waveforms(name, tmp_path):
    """Graphs from waveform to waveform, scale and level of the track recovered around them."""
    model = build(name, **QUICK[name])
    plain = Separator(model, segment=0.5)
    onnx_file.write(model, tmp_path, plain.segment, channels=2)
    mixture = song(1.2, 2)
    found = OnnxSeparator.load(tmp_path).separate(mixture, model.sample_rate)
    for source, stem in plain.separate(mixture, model.sample_rate).items():
        assert np.std(found[source] - stem) < 10 ** (-80 / 20) * np.std(stem)
