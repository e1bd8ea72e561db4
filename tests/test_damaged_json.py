"""Every JSON that the project reads, damaged in every small way: one line, and nothing written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from datasets import audio
from datasets.__main__ import main as datasets_main
from datasets.activity.lists import list_path, listed
from datasets.cache.manifest import MANIFEST, read_manifest, serialise
from datasets.cache.prepare import UNFINISHED
from datasets.cache.tracks import load
from dssgan.separation.records import RECORD, record_stems, recorded_stems
from evaluation.__main__ import main as evaluation_main
from evaluation.protocols import PROTOCOLS
from experiments import leaderboard
from experiments.compare import run as compared
from experiments.compare.__main__ import main as compare_main
from experiments.sweep import run_state
from experiments.tracking import records
from experiments.tracking.documents import run_document
from experiments.tracking.gridfs import files_of
from tests.damaged_json import damages, survives, texts
from tests.experiments.fake_runs import make_run, usual_scores

RATE = 8000


@pytest.fixture
def cache(tmp_path, rng):
    for stem in ("drums", "vocals"):
        signal = rng.uniform(-0.5, 0.5, (400, 1)).astype("float32")
        audio.write(tmp_path / "songs" / "train" / "one" / f"{stem}.wav", signal, RATE)
    assert datasets_main(preparing(tmp_path)) == 0
    return tmp_path / "cache"


def preparing(place):
    words = ["prepare", "folders", str(place / "songs"), "--out", str(place / "cache")]
    return [*words, "--rates", str(RATE), "--workers", "1"]


def test_manifests(cache):
    good = read_manifest(cache)
    for changed in damages(good):
        text = serialise(changed) if isinstance(changed, dict) else json.dumps(changed)
        (cache / MANIFEST).write_text(text)
        survives(lambda: [track.read() for track in load(cache)], cache)
    for text in texts(good, ()):
        (cache / MANIFEST).write_text(text)
        assert survives(lambda: load(cache), cache)


def test_unfinished_records(cache):
    song = read_manifest(cache)["songs"][0]
    (cache / MANIFEST).unlink()
    path = cache / UNFINISHED / "one.json"
    path.parent.mkdir(exist_ok=True)
    for text in texts(song):
        path.write_text(text)
        survives(lambda: datasets_main(preparing(cache.parent)), cache)
        (cache / MANIFEST).unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)


def test_lists_of_active_stretches(cache):
    assert datasets_main(["activity", str(cache), "--target", "drums"]) == 0
    path = list_path(cache, "drums")
    (track,) = load(cache)
    for number, text in enumerate(texts(json.loads(path.read_text()))):
        path.unlink()
        path.write_text(text + " " * (number % 97))  # another time of change is not certain
        listed.__globals__["_songs"].cache_clear()
        survives(lambda: listed(track, ("drums",)))


def score(**changes):
    frames = [
        {"time": 0.0, "duration": 1.0, "metrics": {"SDR": 1.0, "SIR": None}},
        {"time": 1.0, "duration": 1.0, "metrics": {"SDR": 2.5, "SIR": 3.0}},
    ]
    targets = [{"name": name, "frames": frames} for name in ("drums", "vocals")]
    song = {"song": "One", "identity": "x", "samples": 88200, "sample_rate": 44100}
    return song | {"settings": PROTOCOLS["musdb18"].settings(), "targets": targets} | changes


def test_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("evaluation.reports.page.picture", lambda summary, target: b"drawn")
    path = tmp_path / "test" / "One.json"
    path.parent.mkdir()
    for text in texts(score()):
        for old in ("summary.json", "report.md", "report.html"):
            (tmp_path / old).unlink(missing_ok=True)
        path.write_text(text)
        survives(lambda: evaluation_main(["summary", str(tmp_path)]), tmp_path)
    assert "Error" not in capsys.readouterr().err


def test_settings_that_say_little_are_reported_as_they_are(shared, tmp_path, capsys):
    folder = shared / "cases" / "scores"
    for number, case in enumerate(sorted(folder.glob("settings_*.json"))):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "S.json").write_bytes(case.read_bytes())
        told = survives(lambda place=place: evaluation_main(["summary", str(place)]), place)
        assert bool(told) == (json.loads(case.read_bytes())["settings"] == "x")
        assert bool(told) != (place / "report.html").exists()


@pytest.mark.parametrize("name", ["run.json", "config.json", "metrics.json", "info.json"])
def test_records_of_runs(tmp_path, capsys, name):
    folder = make_run(tmp_path / "runs" / "one", scores=usual_scores(count=2))
    good = json.loads((folder / name).read_text())
    if name == "config.json":
        good = {key: good[key] for key in ("name", "sources", "phases", "model", "evaluation")}
    for text in texts(good):
        (folder / name).write_text(text)
        read_everywhere(folder)
    assert not re.search(r"error: \w+Error", capsys.readouterr().err)


def test_summaries_of_runs(tmp_path, capsys):
    folder = make_run(tmp_path / "runs" / "one", scores=usual_scores(count=1))
    path = folder / "scores" / "summary.json"
    for text in texts(json.loads(path.read_text())):
        path.write_text(text)
        read_everywhere(folder)
    assert not re.search(r"error: \w+Error", capsys.readouterr().err)


def read_everywhere(folder: Path) -> None:
    """What leaderboards, comparisons, sweeps and databases read of a run."""
    log: list[str] = []
    survives(lambda: leaderboard.main([str(folder.parent)]), folder)
    survives(lambda: compared.read(folder, log.append), folder)
    run_state.finished(folder)
    run_state.scores(folder)
    run_state.curve(folder, "validation/si_sdr")

    def delivered():
        record = records.read_record(folder)
        uid = records.identity(folder, record)
        run_document(folder, record, files_of(folder, record, uid, log.append), log.append)

    survives(delivered, folder)
    assert all("\n" not in line for line in log)


@pytest.mark.slow
def test_comparisons_of_damaged_runs(tmp_path, capsys):
    folder = make_run(tmp_path / "runs" / "one", scores=usual_scores(count=2))
    make_run(tmp_path / "runs" / "two", scores=usual_scores(1.0, count=2))
    path = folder / "scores" / "summary.json"
    out = tmp_path / "out"
    for text in list(texts(json.loads(path.read_text())))[::101]:
        path.write_text(text)
        words = [str(tmp_path / "runs"), "--out", str(out), "--without-audio"]
        survives(lambda words=words: compare_main(words), folder)


def test_requests_to_end(tmp_path):
    for text in texts({"reason": "pruned", "why": "bad"}):
        (tmp_path / "stop.json").write_text(text)
        found = run_state.stopped(tmp_path)
        assert not found or isinstance(found["reason"], str)


def test_records_of_separations(tmp_path):
    (tmp_path / "drums.wav").write_bytes(bytes(100))
    record_stems([tmp_path / "drums.wav"])
    good = json.loads((tmp_path / RECORD).read_text())
    assert recorded_stems(tmp_path) == {tmp_path / "drums.wav"}
    for text in (*texts(good), json.dumps(good).replace("drums.wav", "..")):
        (tmp_path / RECORD).write_text(text)
        assert recorded_stems(tmp_path) <= {tmp_path / "drums.wav"}


def test_configurations_of_exports(tmp_path):
    from dssgan import exports
    from dssgan.models import export

    small = {"sources": ["drums", "bass"], "stages": 1, "width": 8, "bottleneck": 8, "hidden": 8}
    small |= {"layers": 1, "stacks": 1, "embedding_size": 2, "code_size": 2, "mels": 0}
    model = export.models.build("multistage", **small)
    export.save(model, tmp_path, {"run": "one"})
    good = json.loads((tmp_path / "config.json").read_text())
    for text in texts(good, BAD_FEW):
        (tmp_path / "config.json").write_text(text)
        survives(lambda: export.load(tmp_path), tmp_path)
        survives(lambda: exports.identity(tmp_path), tmp_path)


BAD_FEW = (None, -1, "x", [[]], np.inf)


def test_headers_of_checkpoints(tmp_path):
    import dataclasses

    from dssgan.training.checkpoints import read_progress
    from dssgan.training.state import Progress

    header = {"format": 1, "progress": dataclasses.asdict(Progress(best=1.0))}
    path = tmp_path / "last.npz"
    np.savez(path, header=np.array(json.dumps(header)))
    assert read_progress(path) == Progress(best=1.0)
    for text in texts(header):
        np.savez(path, header=np.array(text))
        survives(lambda: read_progress(path), tmp_path)
    for array in (np.array([{}], object), np.zeros(3), np.array(3), np.array("x" * 300_000)):
        np.savez(path, header=array, allow_pickle=True)
        assert str(path) in survives(lambda: read_progress(path), tmp_path)
