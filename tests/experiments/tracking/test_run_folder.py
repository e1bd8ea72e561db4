"""Records of runs: the files in the run's folder, and addresses of databases."""

import datetime
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacred.utils import apply_backspaces_and_linefeeds

from common.redact import redacted
from experiments.tracking import records, run_folder
from experiments.tracking.run_folder import RunFolder, as_shown
from experiments.tracking.server import parse_url

ROOT = Path(__file__).parents[3]
NOW = datetime.datetime(2026, 1, 2)


def start(folder, log=print):
    observer = RunFolder(folder, log)
    info = {"base_dir": ".", "sources": [], "name": "dssgan"}
    what = (info, "train", {"hostname": platform.node()}, NOW, {"seed": 1}, {}, None)
    assert observer.started_event(*what) == folder.name
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


def test_points_beyond_a_checkpoint_are_recorded_once(tmp_path):
    observer = start(tmp_path / "mine")
    for step in range(5):
        observer.point("loss", step / 2, step)
        copy = {"loss": {"values": [step / 2], "steps": [step], "timestamps": [NOW]}}
        observer.log_metrics(copy, {})  # Sacred's
        if step == 2:
            vouched = observer.settle()
    assert vouched == 3
    observer._held.close()  # as a kill does
    for points, steps in ((None, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4]), (vouched, [0, 1, 2])):
        again = RunFolder(tmp_path / "mine", print, points)
        info = {"base_dir": ".", "sources": [], "name": "dssgan"}
        again.started_event(info, "train", {"hostname": platform.node()}, NOW, {}, {}, None)
        losses = json.loads((tmp_path / "mine" / "metrics.json").read_text())["loss"]
        assert losses["steps"] == steps
        again._held.close()
    again.point("loss", 1.5, 3)
    assert again.settle() == 4
    curves = records.whole_curves(tmp_path / "mine")
    assert curves["loss"]["values"] == [0.0, 0.5, 1.0, 1.5]


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


def test_numbers_of_numpy_are_recorded_as_numbers(tmp_path):
    observer = start(tmp_path / "mine")
    one = {"values": [np.float32(0.5)], "steps": [np.int64(3)], "timestamps": [NOW]}
    observer.log_metrics({"loss": one}, {})
    observer.heartbeat_event({"gains": np.arange(2), "where": tmp_path}, "", NOW, None)
    observer.completed_event(NOW, {"SDR/drums": np.float64(5.0)})
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["result"] == {"SDR/drums": 5.0}
    info = json.loads((tmp_path / "mine" / "info.json").read_text())
    assert info == {"gains": [0, 1], "where": str(tmp_path)}
    loss = json.loads((tmp_path / "mine" / "metrics.json").read_text())["loss"]
    assert (loss["values"], loss["steps"]) == ([0.5], [3])


def test_progress_bars_leave_what_they_show_last(tmp_path):
    observer, printed = start(tmp_path / "mine"), ""
    for piece in ("epoch 1\n10 %", "\r50 %", "\r99 %\nepoch", " 2\n", "é"):
        printed = as_shown(printed + piece)
        observer.heartbeat_event({}, printed, NOW, None)
    observer.completed_event(NOW, None)
    assert (tmp_path / "mine" / "cout.txt").read_text() == "epoch 1\n99 %\nepoch 2\né"


@given(st.lists(st.text("ab\r\b\n", max_size=12), max_size=4))
def test_what_a_terminal_shows_is_what_sacred_says_it_is(pieces):
    ours = theirs = ""
    for piece in pieces:
        ours, theirs = as_shown(ours + piece), apply_backspaces_and_linefeeds(theirs + piece)
    assert ours == theirs


def points(count, first=0):
    steps = list(range(first, first + count))
    return {"loss": {"values": [0.5] * count, "steps": steps, "timestamps": [NOW] * count}}


def test_a_torn_line_is_cut_off_and_long_curves_are_rewritten_seldom(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(run_folder, "OFTEN", 10)
    whole = records.write_curves
    monkeypatch.setattr(records, "write_curves", lambda folder: written.append(1) or whole(folder))
    observer = start(tmp_path / "mine")
    for beat in range(100):
        observer.log_metrics(points(2, 2 * beat), {})
    assert len(written) < 30
    journal = tmp_path / "mine" / "metrics.jsonl"
    with open(journal, "ab") as file:
        file.write(b'{"loss": {"val')  # as a kill leaves it
    observer.failed_event(NOW, ["killed"])
    again = start(tmp_path / "mine")
    again.log_metrics(points(1, 200), {})
    again.completed_event(NOW, None)
    curves = json.loads((tmp_path / "mine" / "metrics.json").read_text())
    assert curves["loss"]["steps"] == list(range(201))
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_run_begun_before_there_were_journals_goes_on(tmp_path):
    (tmp_path / "mine").mkdir()
    one = {"loss": {"values": [1.0], "steps": [0], "timestamps": [NOW.isoformat()]}}
    (tmp_path / "mine" / "metrics.json").write_text(json.dumps(one))
    observer = start(tmp_path / "mine")
    observer.log_metrics(points(1, 1), {})
    observer.completed_event(NOW, None)
    curves = json.loads((tmp_path / "mine" / "metrics.json").read_text())
    assert curves["loss"]["steps"] == [0, 1]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text("{")
    said = []
    observer = start(tmp_path / "other", said.append)
    observer.completed_event(NOW, None)
    assert len(said) == 1 and "not a JSON file" in said[0]
    assert (tmp_path / "other" / "metrics-1.json").read_text() == "{"


def test_a_full_disk_costs_one_warning_and_nothing_of_the_record(tmp_path):
    """A file cannot grow beyond the limit of the process; then there is space again."""
    said = []
    observer = start(tmp_path / "mine", said.append)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    printed = ""
    try:
        for beat in range(60):
            if beat == 5:
                resource.setrlimit(resource.RLIMIT_FSIZE, (500, kept[1]))
            printed += f"line {beat}\n" * 3
            observer.log_metrics(points(10, 10 * beat), {})
            observer.heartbeat_event({"beat": beat}, printed, NOW, None)
        assert json.loads((tmp_path / "mine" / "run.json").read_text())["status"] == "RUNNING"
        assert len((tmp_path / "mine" / "cout.txt").read_bytes()) <= 500
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    observer.completed_event(NOW, None)
    assert len(said) == 1 and "the record cannot be written (File too large)" in said[0]
    assert (tmp_path / "mine" / "cout.txt").read_text() == printed
    curves = json.loads((tmp_path / "mine" / "metrics.json").read_text())
    assert curves["loss"]["steps"] == list(range(600))
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["status"] == "COMPLETED"
    assert not list(tmp_path.rglob(".partial-*"))


FULL = """
import sys
from tests.experiments.tracking.test_run_folder import NOW, Path, points, start

folder, said = Path(sys.argv[1]) / "runs" / "mine", []
observer = start(folder, said.append)
try:
    with open(folder.parent / "large", "wb", buffering=0) as file:
        while True:
            file.write(bytes(500))
except OSError:
    pass
for beat in range(20):
    observer.log_metrics(points(10, 10 * beat), {})
    observer.heartbeat_event({}, "line\\n" * beat, NOW, None)
observer.failed_event(NOW, ["no space"])
assert len(said) == 1 and "No space left on device" in said[0], said
assert len((folder / "cout.txt").read_text().splitlines()) == 19
assert len((folder / "metrics.jsonl").read_text().splitlines()) == 20
print((folder / "run.json").read_text())
"""


def test_a_disk_that_stays_full_has_room_for_how_the_run_ended(tmp_path):
    """A file system of its own, where this machine lets one be mounted without rights."""
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=600k none "$0" && exec "$@"']
    if not shutil.which("unshare") or subprocess.run([*mount, tmp_path, "true"]).returncode:
        pytest.skip("needs user namespaces")
    program = [sys.executable, "-c", FULL, tmp_path]
    done = subprocess.run(
        [*mount, tmp_path, *program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "FAILED"


def test_one_process_records_in_a_folder_and_the_dead_are_told_apart(tmp_path):
    alive = start(tmp_path / "alive")
    second = RunFolder(tmp_path / "alive", print)
    with pytest.raises(OSError, match="another process records"):
        second.started_event({"base_dir": ".", "sources": []}, "train", {}, NOW, {}, {}, None)
    second.failed_event(NOW, ["another process records"])
    assert (tmp_path / "alive" / ".reserve").exists()
    dead = start(tmp_path / "dead")
    dead.heartbeat_event({}, "", NOW, None)
    dead.log_metrics(points(3), {})
    (tmp_path / "dead" / "metrics.json").unlink()
    dead._held.close()  # as the end of its process does
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("[1, 2")
    start(tmp_path / "third").completed_event(NOW, None)  # closes its neighbours' records
    state = {f: json.loads((tmp_path / f / "run.json").read_text()) for f in ("alive", "dead")}
    assert state["alive"]["status"] == "RUNNING"
    assert state["dead"]["status"] == "DIED"
    assert not (tmp_path / "dead" / ".reserve").exists()
    assert state["dead"]["stop_time"] == NOW.isoformat()
    assert "last sign of life" in state["dead"]["fail_trace"][0]
    curves = json.loads((tmp_path / "dead" / "metrics.json").read_text())
    assert curves["loss"]["steps"] == [0, 1, 2]
    alive.completed_event(NOW, None)


def test_workers_of_a_killed_run_do_not_keep_it_alive(tmp_path):
    observer = start(tmp_path / "mine")
    inner, outer = os.pipe()
    ready, started = os.pipe()
    worker = os.fork()
    if not worker:  # goes on until it is told otherwise
        os.close(outer)
        os.write(started, b"!")
        os.read(inner, 1)
        os._exit(0)
    os.read(ready, 1)
    observer._held.close()
    assert records.close_if_dead(tmp_path / "mine")
    os.close(outer)
    assert os.waitpid(worker, 0)[1] == 0


def test_a_killed_run_that_is_taken_up_keeps_its_name(tmp_path):
    start(tmp_path / "mine")._held.close()
    again = start(tmp_path / "mine")
    first = json.loads((tmp_path / "mine" / "run-1.json").read_text())
    assert first["status"] == "DIED"
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["uid"] == first["uid"]
    again.completed_event(NOW, None)


def test_a_silent_run_elsewhere_counts_as_dead_after_a_while(tmp_path):
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for name, beat in (("short", now), ("long", now - 2 * records.SILENCE)):
        observer = start(tmp_path / name)
        observer.run_entry["host"] = {"hostname": "elsewhere"}
        observer.heartbeat_event({}, "", beat, None)
        observer._held.close()
    assert records.close_if_dead(tmp_path / "long")
    assert not records.close_if_dead(tmp_path / "short")


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
