"""Ctrl-C while the first update of a recipe is compiled, in a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from common.files import ROOT
from common.interrupts import UPDATE


@pytest.mark.slow
def test_ctrl_c_while_the_first_update_is_compiled_is_answered(tmp_path):
    words = [f"tracking.folder={tmp_path}/runs", f"data.cache={tmp_path}/cache"]
    words += ["supervised.calibration=4", "data.options={songs: 3, seconds: 4.0}"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "dssgan.train", "with", "demo", *words],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        while "weights, " not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        time.sleep(3)  # the update is being traced and compiled; it takes far longer
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        lines = iter(process.stderr.readline, "")
        assert any(UPDATE in line for line in lines)
        answered = time.monotonic() - sent
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130, process.stderr.read()
    assert answered < 10  # 1.0 s on an idle machine
    assert not list(tmp_path.glob("runs/*/checkpoints/*/*.npz"))  # it had not come to the end
