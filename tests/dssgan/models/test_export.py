"""Exported separators: what is saved is loaded, and what is damaged is named."""

import json

import numpy as np
import pytest

from common.cli import one_line
from dssgan import models
from dssgan.separator import Separator
from tests.dssgan.separator_stand_ins import Filter, Splitter


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(models.SEPARATORS, "splitter", Splitter)
    monkeypatch.setitem(models.SEPARATORS, "filter", Filter)


@pytest.fixture
def exported(tmp_path):
    model = Splitter(unit_variance=True)
    model.gains.assign((0.9, 0.05))
    Separator(model).save(tmp_path / "export", {"song": "none", "steps": 3})
    return tmp_path / "export"


def change(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_saved_and_loaded_separators_say_the_same(exported, rng):
    assert sorted(path.name for path in exported.iterdir()) == [
        "config.json",
        "separator.weights.h5",
    ]
    config = json.loads((exported / "config.json").read_text())
    assert config["format"] == 1 and config["separator"] == "splitter"
    assert config["sources"] == ["drums", "accompaniment"] and config["sample_rate"] == 8000
    assert config["provenance"] == {"song": "none", "steps": 3}
    separator = Separator.load(exported, segment=0.5, consistent=False)
    audio = rng.standard_normal((4000, 1)).astype(np.float32)
    assert np.allclose(separator.separate(audio, 8000)["drums"], 0.9 * audio, atol=1e-5)
    assert separator.sources == ("drums", "accompaniment") and separator.sample_rate == 8000


def test_saving_again_replaces_both_files(exported, rng):
    Separator(Filter(width=9)).save(exported)
    separator = Separator.load(exported)
    assert isinstance(separator.model, Filter) and separator.model.width == 9


def test_another_precision_keeps_the_weights(exported):
    separator = Separator.load(exported, precision="bfloat16")
    assert separator.model.compute.name == "bfloat16"
    assert np.allclose(separator.model.gains, (0.9, 0.05))


def test_a_model_without_a_line_in_the_registry_is_refused(tmp_path, monkeypatch):
    monkeypatch.delitem(models.SEPARATORS, "filter")
    with pytest.raises(ValueError, match=r"Filter is not in dssgan.models.SEPARATORS"):
        Separator(Filter()).save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: f.rename(f.parent / "away"), "export: not found: expected the folder"),
        (lambda f: (f / "config.json").unlink(), "config.json: not found"),
        (lambda f: (f / "separator.weights.h5").unlink(), "separator.weights.h5: not found"),
        (lambda f: (f / "config.json").write_text('{"format":'), "config.json: not valid JSON"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "config.json: not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
        (lambda f: change(f, format=7), "format 7, this version reads format 1"),
        (lambda f: change(f, sources=None), "expected the key 'sources'"),
        (lambda f: change(f, separator="magic"), "config.json.*unknown separator 'magic'"),
        (lambda f: change(f, hyperparameters={"depth": 3}), "config.json.*depth"),
        (lambda f: change(f, sample_rate=44100), "sample_rate says 44100.*give 8000"),
        (lambda f: change(f, sources=["a", "b"]), "sources says"),
        (lambda f: (f / "separator.weights.h5").write_bytes(b"x" * 999), "weights.h5: damaged"),
    ],
)
def test_damage_is_named_in_one_line(exported, damage, words):
    damage(exported)
    with pytest.raises((ValueError, OSError), match=words) as caught:
        Separator.load(exported)
    assert "\n" not in one_line(caught.value) and len(one_line(caught.value)) < 400


def test_weights_that_do_not_fit_are_refused_without_a_checksum_too(exported):
    config = json.loads((exported / "config.json").read_text())
    del config["weights_sha256"]
    config["hyperparameters"]["gains"] = [1, 2, 3]
    (exported / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"weights.h5: these weights do not fit config.json"):
        Separator.load(exported)
    (exported / "separator.weights.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(ValueError, match=r"weights.h5: these weights do not fit config.json"):
        Separator.load(exported)


def test_a_failed_save_leaves_the_old_export(exported, monkeypatch):
    before = {path.name: path.read_bytes() for path in exported.iterdir()}

    def fail(path):
        raise OSError(28, "No space left on device")

    model = Splitter()
    monkeypatch.setattr(model, "save_weights", fail)
    with pytest.raises(OSError, match="No space"):
        Separator(model).save(exported)
    assert {path.name: path.read_bytes() for path in exported.iterdir()} == before
