"""Starts this project's commands as processes that share what takes seconds to import.

    python -m tests.dssgan.commands

reads one line of JSON after the other: {"jobs": [job, …], "seconds": limit}. Each job is a process:
"argv" of "module" (dssgan.train), "environment", "folder" that it works in, "log" (file of what it
prints), and optionally "signal" [phase, step, number] that it sends to itself before that update,
"dump" (file of all its variables as each phase leaves them, .npz), "devices" (virtual CPUs, as
several GPUs of one machine) and "options" (of the module's main). The answer is a line with the
exit codes, in the order of the jobs; whatever runs longer than the limit, or stands still when all
others have ended, is killed.

Jobs have two more separators, "tiny" and "any", which takes the hyperparameters of all others, and
two losses of the same kind, "error" and "any".
"""

import contextlib
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from experiments.benchmarks.robustness.processes import command_of

ROOT = Path(__file__).parents[2]
PAUSE = 0.02
IMPORTED = (
    "dssgan.train",
    "dssgan.phases.sequence",
    "evaluation.__main__",
    "experiments.songs.checks",
    "experiments.songs.training_data",
    "experiments.run.scoring",
    "experiments.run.workers",
    "experiments.tracking.run_folder",
    "experiments.tracking.mongo_observer",
)


def free_ports(count):
    """Ports of this machine below those that systems hand out to whoever connects."""
    ports, doors = [], []
    while len(ports) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError):
            doors.append(socket.create_server(("127.0.0.1", port)))
            ports.append(port)
    for door in doors:
        door.close()
    return ports


@contextlib.contextmanager
def opened():
    """Starts the program; yields run(*jobs, seconds) → exit codes."""
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **environment, "CUDA_VISIBLE_DEVICES": ""}
    for name in [name for name in environment if name.startswith(("SLURM_", "TF_CONFIG"))]:
        del environment[name]
    command = [sys.executable, "-m", "tests.dssgan.commands"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:
        assert process.stdout.readline() == "ready\n"

        def run(*jobs, seconds):
            process.stdin.write(json.dumps({"jobs": jobs, "seconds": seconds}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def main():
    for name in IMPORTED:  # not above: processes that jobs start would import them again
        importlib.import_module(name)
    register()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        children = [start(job) for job in order["jobs"]]
        print(json.dumps(wait(children, order["seconds"])), flush=True)


def register():
    from dssgan.losses import LOSSES
    from dssgan.models import SEPARATORS
    from tests.dssgan.stand_ins import TinySeparator, error

    class AnySeparator(TinySeparator):
        """Takes the hyperparameters of every separator, and does without them."""

        def __init__(self, sources, **others):
            super().__init__(sources)
            self.hyperparameters = {"sources": list(sources)}

    def any_error(outputs, references, mixture, **weights):
        return error(outputs, references, mixture)

    SEPARATORS.update(tiny=TinySeparator, any=AnySeparator)
    LOSSES.update(error=error, any=any_error)


def start(job):
    child = os.fork()
    if child:
        return child
    from common import cli

    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ |= job.get("environment", {})
    os.chdir(job.get("folder", "."))
    if "devices" in job:
        machine(job["devices"])
    if "signal" in job:
        send(*job["signal"])
    if "dump" in job:
        dump(job["dump"])
    if job.get("module") == "experiments.demo":
        demo = importlib.import_module("experiments.demo")  # it starts commands of its own
        demo.call = lambda module, *words: command_of(module).main(list(words))
    name = job.get("module", "dssgan.train")
    command = command_of(name).main
    cli.run(lambda argv: command(argv, **job.get("options", {})), job["argv"])
    return None


def machine(count):
    """So many virtual CPUs that a MirroredStrategy takes for its devices."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    virtual = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(cpu, virtual)
    names, mirrored = [f"CPU:{place}" for place in range(count)], tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: mirrored(names)


def send(phase, step, number):
    """Let this process send itself a signal before an update."""
    from dssgan.training import loop

    plain = loop.Loop.__init__

    def prepared(self, run, trained, *given, **options):
        update = trained.step

        def watched(batch, index):
            if (trained.state.progress.phase, index) == (phase, step):
                os.kill(os.getpid(), number)
            return update(batch, index)

        trained.step = watched
        plain(self, run, trained, *given, **options)

    loop.Loop.__init__ = prepared


def dump(path):
    """Write all variables as each phase leaves them, also those of a worker that writes nothing."""
    import numpy as np

    from dssgan.training import loop

    plain, kept = loop.Loop.run, {}

    def run_and_dump(self):
        progress = plain(self)
        for name, variable in self.state.variables().items():
            kept[f"{progress.phase}/{name}"] = variable.numpy()
        np.savez(path, **kept)
        return progress

    loop.Loop.run = run_and_dump


def wait(children, seconds):
    """The exit codes; who stands still is killed as soon as no other one is left."""
    codes, still, end = {}, set(), time.monotonic() + seconds
    while len(codes) < len(children):
        left = set(children) - set(codes)
        for child in left:
            done, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
            if done and os.WIFSTOPPED(status):
                still.add(child)
            elif done:
                codes[child] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end or left <= still:
                os.kill(child, signal.SIGKILL)
        time.sleep(PAUSE)
    return [codes[child] for child in children]


if __name__ == "__main__":
    main()
