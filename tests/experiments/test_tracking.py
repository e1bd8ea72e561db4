"""Records of runs: files in the run's folder, and a database that may be away."""

import datetime
import json
import socket

import pytest

from experiments.tracking import (
    GRACE,
    PATIENCE,
    PatientMongo,
    RunFolder,
    mongo_observer,
    parse_url,
    redacted,
)

NOW = datetime.datetime(2026, 1, 2)


def start(folder):
    observer = RunFolder(folder)
    info = {"base_dir": ".", "sources": [], "name": "dssgan"}
    given = (info, "train", {"hostname": "here"}, NOW, {"seed": 1}, {}, None)
    assert observer.started_event(*given) == folder.name
    return observer


def test_a_run_is_recorded_in_its_own_folder(tmp_path):
    observer = start(tmp_path / "mine")
    observer.heartbeat_event({"a": 1}, "epoch 1\n", NOW, None)
    metrics = {"loss": {"values": [1.0], "steps": [3], "timestamps": [NOW]}}
    observer.log_metrics(metrics, {})
    observer.completed_event(NOW, {"SDR/drums": 5.0})
    record = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert (record["status"], record["result"]) == ("COMPLETED", {"SDR/drums": 5.0})
    assert json.loads((tmp_path / "mine" / "config.json").read_text())["seed"] == 1
    assert (tmp_path / "mine" / "cout.txt").read_text() == "epoch 1\n"

    again = start(tmp_path / "mine")
    again.heartbeat_event({}, "epoch 2\n", NOW, None)
    again.log_metrics({"loss": {"values": [0.5], "steps": [6], "timestamps": [NOW]}}, {})
    first = json.loads((tmp_path / "mine" / "run-1.json").read_text())
    assert first == record
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["status"] == "RUNNING"
    assert (tmp_path / "mine" / "cout.txt").read_text() == "epoch 1\nepoch 2\n"
    losses = json.loads((tmp_path / "mine" / "metrics.json").read_text())["loss"]
    assert (losses["steps"], losses["values"]) == ([3, 6], [1.0, 0.5])


def test_artefacts_in_the_folder_are_noted_and_others_copied(tmp_path):
    observer = start(tmp_path / "mine")
    inside, outside = tmp_path / "mine" / "separator" / "config.json", tmp_path / "table.csv"
    inside.parent.mkdir()
    inside.write_text("{}")
    outside.write_text("1")
    for path in (inside, outside, inside):
        observer.artifact_event(path.name, path)
    record = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert record["artifacts"] == ["separator/config.json", "table.csv"]
    assert (tmp_path / "mine" / "table.csv").read_text() == "1"


@pytest.mark.parametrize("listening", [False, True])
def test_a_database_that_is_away_costs_a_moment_and_one_warning(listening):
    assert PATIENCE + GRACE <= 3.0
    said = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:  # it takes the connection and never answers
            server.listen()
        port = server.getsockname()[1]
        url = f"mongodb://me:secret@127.0.0.1:{port}/db"
        assert mongo_observer(url, said.append) is None
    assert len(said) == 1
    assert "does not answer" in said[0]
    assert "secret" not in said[0]


class Failing:
    def __init__(self):
        self.events = []

    def __getattr__(self, name):
        def event(*given):
            self.events.append(name)
            if len(self.events) > 2:
                raise ConnectionError("mongodb://me:secret@host is gone")

        return event


def test_a_database_that_goes_away_is_told_once():
    said, inner = [], Failing()
    observer = PatientMongo(lambda: inner, said.append)
    given = ({}, "train", {}, NOW, {}, {}, None)
    assert observer.started_event(*given) is None
    for _ in range(3):
        observer.heartbeat_event({}, "", NOW, None)
        observer.log_metrics({}, {})
    observer.completed_event(NOW, None)
    assert inner.events == ["started_event", "heartbeat_event", "log_metrics"]
    assert len(said) == 1
    assert "secret" not in said[0]


def test_databases_are_named_by_url_or_by_host_and_port():
    assert parse_url("mongodb://h:1/runs?tls=true") == ("mongodb://h:1/runs?tls=true", "runs")
    assert parse_url("mongodb+srv://h.net") == ("mongodb+srv://h.net", "sacred")
    assert parse_url("127.0.0.1:27017:runs") == ("mongodb://127.0.0.1:27017", "runs")
    assert parse_url("host:27017") == ("mongodb://host:27017", "sacred")
    assert parse_url("runs") == ("mongodb://localhost:27017", "runs")
    with pytest.raises(ValueError, match="expected mongodb://host:port/database"):
        parse_url("http://a b")
    assert redacted("x mongodb://u:p@h/d y") == "x mongodb://***@h/d y"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://us:p@ss@host/db", "mongodb://***@host/db"),
        ("mongodb://us:p/ss@host/db", "mongodb://***@host/db"),
        ("mongodb://us:p ss@host/db", "mongodb://***@host/db"),
        ("mongodb://us:p?ss#@host/db", "mongodb://***@host/db"),
        ("mongodb+srv://us:ss@host", "mongodb+srv://***@host"),
        ("mongodb://us:ss@one:1,two:2/db", "mongodb://***@one:1,two:2/db"),
        ("mongodb://us:ss@host/db?authSource=admin", "mongodb://***@host/db?authSource=admin"),
        ("mongodb://host/?proxyPassword=ss&ssl=true", "mongodb://host/?proxyPassword=***&ssl=true"),
        (
            "mongodb://us:ss@host/?w=1&authMechanismProperties=AWS_SESSION_TOKEN:ss",
            "mongodb://***@host/?w=1&authMechanismProperties=***",
        ),
        ("mongodb://host:1/db", "mongodb://host:1/db"),
        ("host:27017:db", "host:27017:db"),
    ],
)
def test_no_part_of_a_password_is_shown(url, shown):
    assert redacted(url) == shown
    assert redacted(f"# a run\nmongo: '{url}'\nroot: /a@b\n") == (
        f"# a run\nmongo: '{shown}'\nroot: /a@b\n"
    )


@pytest.mark.parametrize("url", ["us:p@ss@host/db", "us:ss@host", "ftp://us:p@ss@host"])
def test_no_part_of_a_password_is_in_an_error(url):
    with pytest.raises(ValueError, match="expected mongodb://host:port/database") as caught:
        parse_url(url)
    assert "us:" not in str(caught.value) and "ss@" not in str(caught.value)
