"""Ctrl-C is answered also while a library computes and Python cannot act on it."""

import signal
import subprocess
import sys
import time

import pytest

from common.files import ROOT
from common.interrupts import Interrupted, deferred, immediate

#: What keeps the main thread busy for minutes without letting go, but for the lock of Python.
BUSY = "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)"
PROGRAM = f"""
import hashlib, sys, time
from common import cli
from common.interrupts import announced, deferred

def main(argv):
    with announced("the work goes on"):
        print("ready", flush=True)
        if argv == ["native"]:
            {BUSY}
        elif argv == ["deferred"]:
            with deferred():
                {BUSY}
        time.sleep(600)

cli.run(main, sys.argv[1:])
"""
LINE = "interrupted: the work goes on; Ctrl-C again ends at once\n"


def started(kind):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    return process


@pytest.mark.parametrize("kind", ["native", "deferred"])
def test_work_that_cannot_stop_says_so_and_a_second_signal_ends_it(kind):
    process = started(kind)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == LINE
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and LINE not in said and "Traceback" not in said


def test_work_that_stops_at_once_says_no_more_than_that():
    process = started("python")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said == "interrupted\n"


@pytest.mark.parametrize(("block", "signals"), [(immediate, 1), (deferred, 2)])
def test_an_interruption_that_a_library_turns_into_its_own_error_stays_one(block, signals):
    with pytest.raises(Interrupted) as stop, block():
        try:
            for _ in range(signals):
                signal.raise_signal(signal.SIGINT)
        except Interrupted:
            raise SystemError("a callback returned with an exception set") from None
    assert stop.value.code == 130 and isinstance(stop.value.__cause__, SystemError)


@pytest.mark.parametrize("block", [immediate, deferred])
def test_an_error_without_an_interruption_stays_what_it_is(block):
    with pytest.raises(ValueError, match="of its own"), block():
        raise ValueError("of its own")
