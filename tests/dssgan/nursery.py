"""Starts training commands as processes of their own that share what takes seconds to import.

    python -m tests.dssgan.nursery

reads one line of JSON after the other: {"jobs": [job, …], "seconds": limit}. Each job is a process:
"argv" of dssgan.train, "environment", "log" (file of what it prints), and optionally "signal"
[phase, step, number] that it sends to itself before that update, "dump" (file of all its variables
as each phase leaves them, .npz) and "devices" (virtual CPUs, as several GPUs of one machine). The
answer is a line with the exit codes, in the order of the jobs; whatever runs longer than the limit
is killed.
"""

import json
import os
import signal
import sys
import time

import numpy as np
import tensorflow as tf

from common import shell
from dssgan import (
    loop,
    phases,  # noqa: F401
    train,
)
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS
from experiments import checks, commandline, material, scoring, together, tracking  # noqa: F401
from tests.dssgan.doubles import TinySeparator, error

PAUSE = 0.02


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        children = [start(job) for job in order["jobs"]]
        print(json.dumps(wait(children, order["seconds"])), flush=True)


def start(job):
    child = os.fork()
    if child:
        return child
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ |= job.get("environment", {})
    SEPARATORS["tiny"], LOSSES["error"] = TinySeparator, error
    if "devices" in job:
        machine(job["devices"])
    if "signal" in job:
        send(*job["signal"])
    if "dump" in job:
        dump(job["dump"])
    shell.run(train.main, job["argv"])


def machine(count):
    """So many virtual CPUs that a MirroredStrategy takes for its devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    virtual = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(cpu, virtual)
    names, mirrored = [f"CPU:{place}" for place in range(count)], tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: mirrored(names)


def send(phase, step, number):
    """Let this process send itself a signal before an update."""
    plain = loop.Loop.__init__

    def prepared(self, update, state, *given, **options):
        def watched(batch, index):
            if (state.progress.phase, index) == (phase, step):
                os.kill(os.getpid(), number)
            return update(batch, index)

        plain(self, watched, state, *given, **options)

    loop.Loop.__init__ = prepared


def dump(path):
    """Write all variables as each phase leaves them, also those of a worker that writes nothing."""
    plain, kept = loop.Loop.run, {}

    def run_and_dump(self):
        progress = plain(self)
        for name, variable in self.state.variables().items():
            kept[f"{progress.phase}/{name}"] = variable.numpy()
        np.savez(path, **kept)
        return progress

    loop.Loop.run = run_and_dump


def wait(children, seconds):
    codes, end = {}, time.monotonic() + seconds
    while len(codes) < len(children):
        for child in set(children) - set(codes):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                codes[child] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
        time.sleep(PAUSE)
    return [codes[child] for child in children]


if __name__ == "__main__":
    main()
