"""What the tests of sweeps have in common."""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAIN = (sys.executable, "-I", str(Path(__file__).parent / "sweep_stand_in.py"))


def wait_for(what, seconds=60.0):
    """What `what` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def parent(pid):
    """The process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
