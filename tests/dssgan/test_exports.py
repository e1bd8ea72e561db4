"""What identifies the estimates of an exported separator, and scores that are taken over by it."""

import json
import shutil

import pytest

from datasets import audio
from dssgan.exports import identity
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS, export
from dssgan.separator import Separator
from evaluation import __main__ as evaluation
from experiments.run import train
from tests.dssgan.stand_ins import Excerpts, TinySeparator, error


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(LOSSES, "error", error)


def test_identity_is_of_the_weights_the_architecture_and_the_chunks(tmp_path, registered):
    with pytest.raises(ValueError, match="not an exported separator"):
        identity(tmp_path)
    export.save(TinySeparator(), tmp_path / "one", {"run": "one"})
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copied = json.loads((tmp_path / "two" / "config.json").read_text())
    (tmp_path / "two" / "config.json").write_text(json.dumps(copied | {"provenance": {}}))
    export.save(TinySeparator(seed=2), tmp_path / "other")
    first = identity(tmp_path / "one")
    assert identity(tmp_path / "two") == first  # what is known of the training changes nothing
    assert identity(tmp_path / "one", segment=8, overlap=0.25, shifts=1) == first
    assert identity(tmp_path / "other") != first
    for option in ({"segment": 4.0}, {"overlap": 0.5}, {"shifts": 2}):
        assert identity(tmp_path / "one", **option) != first
    (tmp_path / "one" / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json: not that of an exported separator"):
        identity(tmp_path / "one")


def test_an_export_may_name_its_own_chunks(tmp_path, registered):
    export.save(TinySeparator(), tmp_path)
    plain = identity(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"chunks": {"segment": 4, "overlap": 0.125}}))
    separator = Separator.load(tmp_path, segment=None, overlap=None)
    rate = separator.sample_rate
    assert (separator.segment, separator.hop) == (4 * rate, 3.5 * rate)
    assert Separator.load(tmp_path, overlap=0.25).hop == 3 * rate
    assert identity(tmp_path) == identity(tmp_path, 4.0, 0.125) != plain
    assert identity(tmp_path, 8.0, 0.25) == plain
    words = {"window": "triangle", "last": "centred", "level": "mono", "consistent": False}
    path.write_text(json.dumps(config | {"chunks": words | {"overlap": 0.3}}))
    separator = Separator.load(tmp_path)
    assert separator.model.chunks == {"overlap": 0.3, **words} and not separator.consistent
    assert separator.hop == int(0.7 * separator.segment)
    assert Separator.load(tmp_path, consistent=True).consistent
    assert identity(tmp_path) != plain
    separator.save(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert again["chunks"] == {"overlap": 0.3, **words}
    for chunks in (
        {"overlap": 1},
        {"segment": "long"},
        {"segment": 0},
        {"overlap": True},
        {"window": "hann"},
        {"last": ["centred"]},
        {"level": True},
        {"consistent": 1},
        [8, 0.25],
    ):
        path.write_text(json.dumps(config | {"chunks": chunks}))
        with pytest.raises(ValueError, match=r"config\.json: chunks"):
            Separator.load(tmp_path)


def test_identity_without_a_checksum_is_of_the_file(tmp_path, registered):
    export.save(TinySeparator(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    with_checksum = identity(tmp_path)
    del config["weights_sha256"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert identity(tmp_path) == with_checksum


@pytest.mark.slow
def test_the_scores_of_a_run_are_taken_over_by_the_scorer(tmp_path, registered, capsys):
    """`python -m evaluation separator` on the songs of a run's own test separates nothing again."""
    for split, name, seed in (("train", "one", 1), ("test", "two", 2)):
        stems = Excerpts(1, 16000, seed).batch(0)["stems"][0]
        for stem, signal in zip(("drums", "vocals"), stems):
            audio.write(tmp_path / "songs" / split / name / f"{stem}.wav", signal, 8000)
    words = [
        "sources=[drums,vocals]",
        "model.name=tiny",
        "loss.name=error",
        "data.name=folders",
        f"data.root={tmp_path / 'songs'}",
        f"data.cache={tmp_path / 'cache'}",
        "data.seconds=0.1",
        "data.batch=2",
        "validation.metric=none",
        "supervised={epochs: 1, steps: 2, calibration: 2}",
        f"tracking.folder={tmp_path}",
        "name=run",
        "tracking.tensorboard=false",
        "compute.deterministic=false",
    ]
    assert train.main(["with", *words]) == 0
    run = tmp_path / "run"
    scores = next((run / "scores").glob("test/*.json"))
    before = scores.stat().st_mtime_ns
    again = ["separator", str(run / "separator"), "--data", "folders"]
    again += ["--root", str(tmp_path / "songs"), "--out", str(run / "scores")]
    assert evaluation.main(again) == 0
    assert scores.stat().st_mtime_ns == before
    assert "SDR" in capsys.readouterr().out
