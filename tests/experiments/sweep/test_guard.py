"""The guard of a training run: it is started once, and asked once to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.files import locked
from experiments.sweep import run_state, workers
from tests.experiments.sweeping import wait_for

COUNT = """
import signal, sys, time
told = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
print("ready", flush=True)
while not told:
    time.sleep(0.01)
time.sleep(0.5)
print(len(told), flush=True)
"""


@pytest.mark.parametrize("all_of_them", [True, False])
def test_a_run_is_asked_to_end_once(tmp_path, all_of_them):
    (tmp_path / "log.txt").write_text("before\n")
    command = [sys.executable, "-c", COUNT]
    with subprocess.Popen(workers.guarded(tmp_path, command), stdin=subprocess.PIPE) as guard:
        wait_for(lambda: run_state.last_line(tmp_path) == "ready")
        if all_of_them:  # as a batch system does it
            run = int(Path(f"/proc/{guard.pid}/task/{guard.pid}/children").read_text())
            guard.terminate()
            time.sleep(0.1)
            os.kill(run, signal.SIGTERM)
        guard.stdin.close()
        run_state.stop(tmp_path, run_state.PAUSED)
    assert guard.returncode == 0
    assert run_state.last_line(tmp_path) == "1"


def begin(folder, code):
    """A guard of a Python program."""
    command = workers.guarded(folder, [sys.executable, "-c", code])
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def test_a_guard_waits_for_what_holds_its_folder(tmp_path):
    with locked(tmp_path):
        guard = begin(tmp_path, "print('begun')")
        with pytest.raises(subprocess.TimeoutExpired):
            guard.wait(0.5)
        assert run_state.last_line(tmp_path) == ""
    assert guard.wait() == 0
    assert run_state.last_line(tmp_path) == "begun"
    guard.stdin.close()


def test_a_run_that_was_asked_to_end_beforehand_is_not_started(tmp_path):
    run_state.stop(tmp_path, run_state.PRUNED, "why")
    with begin(tmp_path, "print('begun')") as guard:
        assert guard.wait() == 128 + signal.SIGTERM
    assert not (tmp_path / "log.txt").exists()


@pytest.mark.parametrize(("code", "expected"), [("exit(7)", 7), ("import os; os.abort()", 134)])
def test_the_exit_code_is_that_of_the_run(tmp_path, code, expected):
    with begin(tmp_path, code) as guard:
        assert guard.wait() == expected
