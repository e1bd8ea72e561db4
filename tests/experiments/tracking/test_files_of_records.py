"""Only the run's own files are delivered, whatever its record names."""

import json
import os

import pytest

from experiments.tracking.gridfs import files_of
from tests.experiments.fake_runs import make_run


@pytest.mark.parametrize(
    "name",
    [
        "../two/secret.json",
        "/etc/hostname",
        "linked",
        "pipe",
        "none",
        "",
        "a\0",
        3,
        None,
        ["x"],
        {},
    ],
)
def test_artifacts_and_sources_lie_in_the_run_and_in_its_sources(tmp_path, name):
    pytest.importorskip("bson")
    folder = make_run(tmp_path / "one")
    make_run(tmp_path / "two")
    (tmp_path / "two" / "secret.json").write_text("{}")
    (folder / "linked").symlink_to(tmp_path / "two" / "secret.json")
    os.mkfifo(folder / "pipe")
    record = json.loads((folder / "run.json").read_text())
    record["artifacts"] = [name, "config.json"]
    record["experiment"]["sources"] = [["a.py", name], ["b.py", "two/secret.json"], ["c.py"]]
    told = []
    found = files_of(folder, record, "uid", told.append)
    assert [file["name"] for file in found.values()] == ["config.json"]
    assert len(told) == 3 and all("left out" in line and "\n" not in line for line in told)


def test_sources_of_all_runs_are_delivered(tmp_path):
    pytest.importorskip("bson")
    folder = make_run(tmp_path / "one")
    (tmp_path / "_sources").mkdir()
    (tmp_path / "_sources" / "a_12.py").write_text("pass")
    record = json.loads((folder / "run.json").read_text())
    record["experiment"]["sources"] = [["a.py", "_sources/a_12.py"]]
    assert [file["name"] for file in files_of(folder, record, "u", print).values()] == ["a.py"]
