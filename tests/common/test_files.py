"""The lock that keeps two processes apart."""

import subprocess
import sys
import threading

import pytest

from common.files import locked

HOLD = """
import sys
from common.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Busy(ValueError):
    pass


@pytest.fixture(params=["folder", "file"])
def place(request, tmp_path):
    if request.param == "folder":
        return tmp_path
    return tmp_path / "song.lock"


@pytest.fixture
def holder(place):
    """Another process that holds `place` until it reads a line."""
    command = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_what_another_process_holds_is_refused_until_it_ends(place, holder):
    with pytest.raises(Busy, match="wait for it"), locked(place, Busy("wait for it")):
        raise AssertionError("both hold it")
    holder.kill()  # however it ends
    holder.wait()
    with locked(place, Busy("wait for it")):
        pass


def test_who_waits_says_so_once_and_goes_on_afterwards(place, holder):
    told = []

    def let_go():
        told.append("let go")
        holder.communicate("\n")

    def wait():
        told.append("waiting")
        timer.start()

    timer = threading.Timer(0.1, let_go)
    with locked(place, wait=wait):
        assert told == ["waiting", "let go"]
    timer.join()


def test_nobody_waits_for_a_lock_that_is_free(place):
    for _ in range(2):
        with locked(place, Busy(), wait=lambda: pytest.fail("it is free")):
            pass


def test_an_error_inside_lets_go(place):
    with pytest.raises(ZeroDivisionError), locked(place):
        raise ZeroDivisionError
    with locked(place, Busy()):
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"), locked(tmp_path / "nowhere" / "a.lock"):
        pass
