"""Runs in a database: a real server that is away, killed, restarted, and lacks things."""

import datetime
import json
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import bson
import gridfs
import pymongo
import pytest

from common import cli
from experiments.run import train
from experiments.tracking import __main__ as tracking
from experiments.tracking import delivery as delivery_module
from experiments.tracking.__main__ import main, sync
from experiments.tracking.delivery import CHUNK, Delivery
from experiments.tracking.gridfs import send_files
from experiments.tracking.mongo_observer import GRACE, PATIENCE, mongo_observer
from experiments.tracking.records import read_record
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.server import Server
from tests.experiments.mongo_server import MongoServer
from tests.experiments.tracked_run import STEPS, small_run

ROOT = Path(__file__).parents[3]
NOW = datetime.datetime(2026, 1, 2)
LIMIT = 16 * 1024 * 1024  # bytes that a document of MongoDB may have


@pytest.fixture
def another(tmp_path):
    """A server of a test's own, not started yet."""
    server = MongoServer(tmp_path / "server")
    yield server
    server.kill()


def start(folder, *others):
    observers = [RunFolder(folder), *others]
    info = {"base_dir": ".", "sources": [], "name": "small"}
    host = {"hostname": platform.node()}
    for observer in observers:
        observer.started_event(info, "train", host, NOW, {"seed": 1}, {}, None)
    return observers


def beat(observers, steps, printed=""):
    steps = list(steps)
    points = {"values": [s / 2 for s in steps], "steps": steps, "timestamps": [NOW] * len(steps)}
    for observer in observers:
        observer.log_metrics({"loss": points}, {})
        observer.heartbeat_event({}, printed, NOW, None)


def end(observers):
    for observer in observers:
        observer.completed_event(NOW, {"SDR/drums": 1.0})
    for observer in observers:
        observer.join()


def document(database, folder):
    found = list(database.runs.find({"uid": read_record(folder)["uid"]}))
    assert len(found) <= 1
    return found[0] if found else None


def curve(database, run, name="loss"):
    chunks = sorted(
        (c for c in database.metrics.find({"run_id": run["_id"]}) if c["name"] == name),
        key=lambda chunk: chunk["chunk"],
    )
    return [
        [item for chunk in chunks for item in chunk[key]]
        for key in ("steps", "values", "timestamps")
    ]


def everything(database):
    return {
        name: sorted(map(repr, database[name].find({})))
        for name in ("runs", "metrics", "fs.files", "fs.chunks")
    }


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_is_in_the_database_as_omniboard_reads_it(tmp_path, server):
    folder = tmp_path / "runs" / "one"
    small_run(folder, server.url)
    database = server.database()
    run = document(database, folder)
    assert isinstance(run["_id"], int)
    assert (run["status"], run["result"]) == ("COMPLETED", {"SDR/drums": 3.5})
    assert (run["config"]["seed"], run["config"]["rate"]) == (3, 1e-3)
    assert run["experiment"]["name"] == "small"
    assert run["host"]["hostname"] == platform.node()
    assert run["captured_out"].splitlines()[-1] == f"step {STEPS - 1}"
    assert run["info"]["gains"] == {"a,b": 2.0, "@c": None}
    steps, values, _ = curve(database, run)
    assert (steps, values) == (list(range(STEPS)), [1 / (1 + step) for step in steps])
    assert curve(database, run, "bad")[1] == [None] * STEPS
    named = {metric["name"]: bson.ObjectId(metric["id"]) for metric in run["info"]["metrics"]}
    assert set(named) == {"loss", "bad"}
    assert database.metrics.find_one({"_id": named["loss"]})["name"] == "loss"
    files = gridfs.GridFS(database)
    (artifact,) = run["artifacts"]
    assert artifact["name"] == "separator/weights.bin"
    assert files.get(artifact["file_id"]).read() == bytes(range(256)) * 2000
    sources = dict(run["experiment"]["sources"])
    source = (ROOT / "common" / "files.py").read_bytes()
    assert files.get(sources["common/files.py"]).read() == source


def test_runs_share_sources_and_an_artifact_written_anew_replaces_the_old_one(tmp_path, server):
    folders = [tmp_path / "runs" / name for name in ("one", "two")]
    for folder in folders:
        small_run(folder, server.url)
    database = server.database()
    one, two = (document(database, folder) for folder in folders)
    assert one["experiment"]["sources"] == two["experiment"]["sources"]
    assert one["artifacts"] != two["artifacts"]
    (folders[0] / "separator" / "weights.bin").write_bytes(b"other")
    assert sync([tmp_path / "runs"], server.url) == 0
    (new,) = document(database, folders[0])["artifacts"]
    files = gridfs.GridFS(database)
    assert files.get(new["file_id"]).read() == b"other"
    assert not files.exists(one["artifacts"][0]["file_id"])
    assert files.exists(two["artifacts"][0]["file_id"])


def test_a_server_killed_in_the_middle_is_told_what_it_missed_when_it_returns(tmp_path, another):
    said, folder = [], tmp_path / "runs" / "mine"
    observer = mongo_observer(another.start().url, folder, said.append, pause=0.1)
    observers = start(folder, observer)
    beat(observers, range(10), "one\n")
    database = another.database()
    wait_for(lambda: document(database, folder) and curve(database, document(database, folder))[0])
    another.kill()
    for step in range(10, 30):
        beat(observers, [step], "one\ntwo\n")
    wait_for(lambda: said)
    another.start()
    beat(observers, range(30, 35), "one\ntwo\nthree\n")
    wait_for(lambda: len(curve(database, document(database, folder))[0]) == 35)
    beat(observers, range(35, 40), "one\ntwo\nthree\nfour\n")
    end(observers)
    run = document(database, folder)
    assert curve(database, run)[0] == list(range(40))
    assert (run["status"], run["captured_out"]) == ("COMPLETED", "one\ntwo\nthree\nfour\n")
    assert len([line for line in said if line.startswith("warning")]) == 1
    assert "no answer" in said[0] and "answers" in said[-1]


def test_what_a_dead_server_lacks_is_delivered_once(tmp_path, another, capsys):
    said, folders = [], [tmp_path / "runs" / name for name in ("one", "deep/two")]
    small_run(folders[0], another.url, log=said.append)
    assert len([line for line in said if line.startswith("warning")]) == 1
    assert f"sync {folders[0]} --mongo URL" in said[-1]
    small_run(folders[1], "")
    for thread in threading.enumerate():
        if thread.name == f"delivery of {folders[0]}":  # its last attempt ends
            thread.join()
    capsys.readouterr()
    database = another.start().database()
    for number, delivered in ((1, 2), (2, 0)):
        assert main(["sync", str(tmp_path / "runs"), "--mongo", another.url]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == delivered + 1
        assert printed[-1].startswith(f"{delivered} delivered, {2 - delivered} had nothing new")
        there = everything(database)
        if number == 1:
            first = there
    assert there == first
    database.runs.update_many({}, {"$set": {"delivered": ""}})  # as if broken off at the end
    assert sync([tmp_path / "runs"], another.url) == 0
    assert everything(database) == first
    runs = [document(database, folder) for folder in folders]
    assert sorted(run["_id"] for run in runs) == [1, 2]
    assert all(curve(database, run)[0] == list(range(STEPS)) for run in runs)


def test_a_delivery_broken_off_anywhere_is_completed(tmp_path, another, monkeypatch):
    folder = tmp_path / "runs" / "one"
    small_run(folder, "")
    database = another.start().database()
    real, calls = send_files, []

    def breaks(database, uid, files):
        calls.append(1)
        if len(calls) == 1:
            key = max(files, key=lambda key: files[key]["path"].stat().st_size)
            database["fs.chunks"].insert_one({"files_id": key, "n": 0, "data": b"half of it"})
            raise pymongo.errors.AutoReconnect("gone")
        real(database, uid, files)

    monkeypatch.setattr(delivery_module, "send_files", breaks)
    delivery = Delivery(folder, print)
    with pytest.raises(pymongo.errors.AutoReconnect):
        delivery(database)
    assert delivery(database) == 1
    assert delivery(database) is None
    (artifact,) = document(database, folder)["artifacts"]
    content = gridfs.GridFS(database).get(artifact["file_id"]).read()
    assert content == bytes(range(256)) * 2000
    assert curve(database, document(database, folder))[0] == list(range(STEPS))


def program(folder, url, seconds):
    words = [str(folder), url, str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.experiments.tracked_run", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_runs_that_start_at_the_same_moment_have_documents_of_their_own(tmp_path, server):
    folders = [tmp_path / "runs" / str(number) for number in range(3)]
    processes = [program(folder, server.url, 0.0) for folder in folders]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said
    # On a busy machine a server may answer too late for a run's end, which says so.
    assert sync([tmp_path / "runs"], server.url) == 0
    database = server.database()
    runs = [document(database, folder) for folder in folders]
    assert len({run["_id"] for run in runs}) == 3
    for run, folder in zip(runs, folders):
        assert (run["config"]["where"], run["status"]) == (str(folder), "COMPLETED")
        assert curve(database, run)[0] == list(range(STEPS))


def test_two_deliveries_of_one_run_make_one_document(tmp_path, server, monkeypatch):
    folder = tmp_path / "runs" / "one"
    end(start(folder))
    record = read_record(folder)
    numbers = [
        delivery_module._new_number(server.database(), record["uid"], record) for _ in range(2)
    ]
    assert numbers[0] == numbers[1] == document(server.database(), folder)["_id"]


def test_a_killed_run_is_no_longer_said_to_run(tmp_path, server, capsys):
    folder = tmp_path / "runs" / "mine"
    process = program(folder, server.url, 60.0)
    database = server.database()
    wait_for(lambda: (folder / "run.json").exists() and document(database, folder))
    assert sync([tmp_path / "runs"], server.url) == 0  # it is alive
    assert document(database, folder)["status"] == "RUNNING"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_record(folder)["status"] == "RUNNING"
    capsys.readouterr()
    assert sync([tmp_path / "runs"], server.url) == 0
    assert "its process is gone: DIED" in capsys.readouterr().out
    assert read_record(folder)["status"] == "DIED"
    run = document(database, folder)
    assert run["status"] == "DIED"
    assert "last sign of life" in run["fail_trace"][0]


def test_a_log_of_20_megabytes_and_long_curves_fit(tmp_path, server):
    folder = tmp_path / "runs" / "long"
    observers = start(folder, mongo_observer(server.url, folder, pause=0.1))
    line, printed = "x" * 99 + "\n", ""
    count = 2 * CHUNK + 5000
    for part in range(4):
        printed += line * 50_000
        beat(observers, range(part * count // 4, (part + 1) * count // 4), printed)
    end(observers)
    database = server.database()
    run = document(database, folder)
    assert (folder / "cout.txt").stat().st_size == 20_000_000
    assert len(bson.encode(run)) < 2_000_000
    assert "the whole log is the artifact cout.txt" in run["captured_out"]
    (log,) = run["artifacts"]
    assert gridfs.GridFS(database).get(log["file_id"]).read() == printed.encode()
    chunks = list(database.metrics.find({"run_id": run["_id"]}))
    assert len(chunks) == 3
    assert max(len(bson.encode(chunk)) for chunk in chunks) < LIMIT / 10
    steps, values, times = curve(database, run)
    assert (steps, values) == (list(range(count)), [step / 2 for step in range(count)])
    assert times == [NOW] * count


def test_a_run_that_is_taken_up_stays_one_document(tmp_path, server):
    folder = tmp_path / "runs" / "mine"
    for first in (0, 5):
        observers = start(folder, mongo_observer(server.url, folder, pause=0.1))
        beat(observers, range(first, first + 5), f"from {first}\n")
        end(observers)
    run = document(server.database(), folder)
    assert curve(server.database(), run)[0] == list(range(10))
    assert run["captured_out"] == "from 0\nfrom 5\n"
    assert [session["status"] for session in run["sessions"]] == ["COMPLETED"]


def test_folders_that_cannot_be_read_do_not_stop_the_others(tmp_path, server, capsys):
    runs = tmp_path / "runs"
    for name in ("a", "b", "c", "d", "good"):
        observers = start(runs / name)
        beat(observers, range(3))
        end(observers)
    (runs / "a" / "run.json").write_text('{"status": "COMPL')
    (runs / "b" / "run.json").write_text('{"status": 3}')
    with open(runs / "c" / "metrics.jsonl", "a") as file:
        file.write("nonsense\n")
    (runs / "c" / "config.json").write_text("[]")
    (tmp_path / "secret").write_text("not the run's")
    record = json.loads((runs / "d" / "run.json").read_text())
    record["artifacts"] = ["../../secret", "gone.bin"]
    (runs / "d" / "run.json").write_text(json.dumps(record))
    assert sync([runs], server.url) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    for start_of, part in zip(
        ("a/run.json", "b/run.json", "c/config.json", "c/metrics", "d/../../secret", "d/gone.bin"),
        ("not a JSON", "no record of a run", "one JSON object", "left out", "outside", "No such"),
        strict=True,
    ):
        assert len([line for line in lines if f"{runs}/{start_of}" in line and part in line]) == 1
    assert len(lines) == 6
    assert printed.out.splitlines()[-1].startswith("3 delivered, 0 had nothing new, 2 failed")
    assert document(server.database(), runs / "d")["artifacts"] == []
    assert curve(server.database(), document(server.database(), runs / "c"))[0] == [0, 1, 2]


@pytest.mark.parametrize("listening", [False, True])
def test_a_database_that_is_away_costs_a_moment_and_one_warning(tmp_path, listening):
    assert PATIENCE + 2 * GRACE <= 3.0
    said = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:  # it takes the connection and never answers
            server.listen()
        url = f"mongodb://me:secret@127.0.0.1:{server.getsockname()[1]}/db"
        end(start(tmp_path / "mine", mongo_observer(url, tmp_path / "mine", said.append)))
    assert len([line for line in said if line.startswith("warning")]) == 1
    assert "no answer" in said[0]
    assert not any("secret" in line for line in said)
    assert read_record(tmp_path / "mine")["status"] == "COMPLETED"


def test_no_password_is_said_or_recorded(tmp_path, server, capsys, monkeypatch):
    url = server.url.replace("//", "//me:secret@")  # the server knows no users and refuses
    small_run(tmp_path / "mine", url)
    errors = (
        pymongo.errors.OperationFailure("me:secret is refused", 18),
        pymongo.errors.ConfigurationError("me:secret"),
    )
    for error, part in zip(errors, ("refuses the user or the password", "cannot be used")):

        def fails(self, error=error):
            raise error

        monkeypatch.setattr(Server, "database", fails)
        end(start(tmp_path / part, mongo_observer(url, tmp_path / part)))
        printed = capsys.readouterr()
        assert part in printed.out + printed.err
        assert "secret" not in printed.out + printed.err
        with pytest.raises(SystemExit) as ended:
            cli.run(main, ["sync", str(tmp_path), "--mongo", url])
        said = capsys.readouterr().err
        assert ended.value.code == 1
        assert said.count("\n") == 1 and said.startswith("error: MongoDB at mongodb://***@")
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (main, ["sync", "mongodb://me:secret@host/db", "--mongo", "host:1:db"]),
        (main, ["sync", ".", "--mongo", "me:secret@host"]),
        (train.main, ["with", "mongodb://me:secret@host/db"]),
        (train.main, ["with", "seed=1", "--unknown", "-m", "mongodb://me:secret@host/db"]),
        (train.main, ["with", "tracking.mango=mongodb://me:secret@host/db"]),
        (train.main, ["with", "seed=mongodb://me:secret@host/db"]),
    ],
)
def test_misuse_says_no_password(command, words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(command, words)
    assert ended.value.code in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert "secret" not in said


def test_a_hidden_password_is_asked_for(tmp_path):
    said = []
    assert mongo_observer("mongodb://***@host/db", tmp_path / "mine", said.append) is None
    assert len(said) == 1 and "passwords are not recorded" in said[0]
    with pytest.raises(ValueError, match="passwords are not recorded"):
        sync([tmp_path], "mongodb://***@host/db")


def test_a_server_that_goes_away_ends_the_delivery_with_one_line(tmp_path, another, monkeypatch):
    end(start(tmp_path / "runs" / "one"))
    monkeypatch.setattr(tracking, "PATIENCE", 0.2)
    with pytest.raises(OSError, match=r"MongoDB at mongodb://127.*no answer"):
        sync([tmp_path / "runs"], another.url)
    with pytest.raises(ValueError, match="no such folder"):
        sync([tmp_path / "nowhere"], another.url)
