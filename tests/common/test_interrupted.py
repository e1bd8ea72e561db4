"""What commands leave when they are stopped, terminated or killed in the middle of a file."""

import os
import signal
import subprocess
import sys

import pytest

from common import files
from common.files import atomic_path, remove_abandoned, write_text

WRITE = """
import threading, time
from common import cli
from common.files import atomic_path

def main(argv):
    with atomic_path(argv[0]) as path:
        path.write_text("half")
        if "thread" in argv:
            threading.Thread(target=time.sleep, args=(60,)).start()
        print("begun", flush=True)
        time.sleep(60)

cli.run(main)
"""


def begun(path, *words):
    """A command that has written half of a file."""
    command = [sys.executable, "-c", WRITE, str(path), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("words", [(), ("thread",)])
@pytest.mark.parametrize(
    ("number", "code", "said"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")]
)
def test_a_stopped_command_leaves_nothing_and_says_so(tmp_path, number, code, said, words):
    process = begun(tmp_path / "song.wav", *words)
    process.send_signal(getattr(signal, number))
    _, printed = process.communicate(timeout=20)
    assert (process.returncode, printed) == (code, said + "\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "YOUNG", 0.0)
    killed, alive = begun(tmp_path / "song.wav"), begun(tmp_path / "other.wav")
    killed.kill()
    killed.communicate()
    assert len(list(tmp_path.glob(".partial-*"))) == 2
    (tmp_path / ".partial").write_text("somebody's own")
    write_text(tmp_path / "mine.txt", "whole")
    assert [path.read_text() for path in tmp_path.glob(".partial-*")] == ["half"]  # in work
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"mine.txt"}
    alive.kill()
    alive.communicate()
    write_text(tmp_path / "mine.txt", "again")  # this process has looked there already
    assert len(list(tmp_path.glob(".partial-*"))) == 1


def test_a_file_that_was_made_just_now_stays(tmp_path):
    (tmp_path / ".partial-x").write_text("not locked yet")
    remove_abandoned(tmp_path)
    assert (tmp_path / ".partial-x").exists()


def test_no_descriptor_stays_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        with atomic_path(tmp_path / str(number)) as path:
            path.write_text("whole")
    assert len(os.listdir("/proc/self/fd")) == before
