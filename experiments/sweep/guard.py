"""Keeps one training run: starts it, ends it when it is asked to or when nobody waits any more.

    python sweep_guard.py FOLDER COMMAND …

The run is asked once, by SIGTERM, to save and end when FOLDER/stop.json appears or when standard
input is closed, which happens by itself when the process that holds its other end (a worker, the
sweep) is killed. A batch system that ends a job sends SIGTERM to all its processes: then the run
has been asked already, and a second signal would end it before it has saved. Ctrl-C is left to the
sweep. What the run prints goes to FOLDER/log.txt. The exit code is the run's.

This file needs Python alone, so that it starts at once and on any worker.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

STOP = "stop.json"
LOG = "log.txt"
PAUSE = 0.1  # seconds between two looks
GRACE = 30.0  # seconds that a run has to end after a signal to all, before it is asked again


def main(argv: list[str]) -> int:
    """Run the command; its exit code, or 128 + its signal."""
    folder, *command = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    left, signals = threading.Event(), []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(time.monotonic()))
    threading.Thread(target=_wait_for_the_end, args=(left,), daemon=True).start()
    stop = os.path.join(folder, STOP)
    os.makedirs(folder, exist_ok=True)

    def asked() -> bool:
        if signals:
            return time.monotonic() - signals[0] > GRACE
        return left.is_set() or os.path.exists(stop)

    while _is_locked(folder):  # what a lost worker began is still being saved
        if signals or asked():
            return 128 + signal.SIGTERM
        time.sleep(PAUSE)
    if signals or asked():
        return 128 + signal.SIGTERM
    with open(os.path.join(folder, LOG), "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a second signal would end it before it has saved
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    passed_on = False
    while True:
        try:
            code = process.wait(PAUSE)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            if asked() and not passed_on:
                process.terminate()
                passed_on = True


def _wait_for_the_end(left: threading.Event) -> None:
    """Read standard input until nobody can write to it any more."""
    while os.read(0, 4096):
        pass
    left.set()


def _is_locked(folder: str) -> bool:
    """Whether a run holds the folder, as common.files.locked does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
