"""`python -m dssgan.app` as a person starts it."""

import json
import signal
import socket
import time
import urllib.request

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan.app import __main__ as app
from dssgan.exports import PRETRAINED
from tests.commands import begin
from tests.dssgan.app.serving import PIECES


@pytest.fixture
def started(tmp_path):
    """Starts a server on a free port; returns its process and address."""
    running = []

    def start(*words):
        process = begin("dssgan.app", "--port", "0", "--folder", tmp_path / "app", *words)
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ask(url, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_the_shipped_separator_separates_and_ctrl_c_ends_it(started, tmp_path):
    process, url = started("--no-browser")
    (model, kit, *_) = ask(f"{url}api/models")["models"]
    assert kit["name"] == "drums + kit" and kit["sources"] == [*PIECES, "accompaniment"]
    assert "notes as MIDI" in kit["about"]
    assert model["name"] == "drums" and model["engine"] == "onnx" and "6.7 dB" in model["about"]
    clip, rate = audio.read(PRETRAINED / "drums" / "example.opus", 10 * 48000, 12 * 48000)
    audio.write(tmp_path / "clip.flac", clip, rate)
    job = ask(f"{url}api/jobs?name=clip.flac", (tmp_path / "clip.flac").read_bytes())
    while job["state"] in ("queued", "running"):
        time.sleep(0.2)
        job = ask(f"{url}api/jobs/{job['id']}")
    assert job["state"] == "done", job["error"]
    assert job["result"]["null_db"] < -90
    drums = audio.read(tmp_path / "app" / "jobs" / job["id"] / "drums.flac")[0]
    assert drums.shape == clip.shape and np.abs(drums).max() > 0.05
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said == "interrupted\n"


def test_two_servers_on_one_folder(started):
    _, url = started("--no-browser")
    assert url.startswith("http://127.0.0.1:")
    second, line = started("--no-browser")
    _, said = second.communicate(timeout=30)
    assert second.returncode == 1 and line == ""
    assert "another server uses this folder; see --folder" in said and said.count("\n") == 1


def test_another_address_asks_for_a_token(started):
    _, url = started("--host", "0.0.0.0")
    assert url.startswith("http://0.0.0.0:") and "?token=" in url
    local, token = url.replace("0.0.0.0", "127.0.0.1").split("?token=")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{local}api/jobs")
    assert ask(f"{local}api/jobs?token={token}")["jobs"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--disk", "0"], "--disk 0: expected more than 0"),
        (["--model", "nowhere"], "--model nowhere: no such folder"),
        (["--host", "198.51.100.1", "--port", "0"], "--host 198.51.100.1 --port 0: "),
    ],
)
def test_misuse(words, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        app.main(["--folder", str(tmp_path / "app"), *words])


def test_a_port_that_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: Address already in use; choose"):
            app.listening("127.0.0.1", port)
