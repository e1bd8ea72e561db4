"""Runs the arms of an ablation, here or on the workers of a Dask cluster."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from common.files import write_text
from common.interrupts import immediate
from experiments.ablation.arms import Arm, Task
from experiments.sweep import run_state
from experiments.sweep.scheduler import SAVING, STOPPED, TRAIN, TRIES
from experiments.sweep.workers import Future, LostWorker

POLL = 0.5  # seconds between two looks


@dataclass
class Running:
    """An arm in training: its task, its guard, and how often it was started."""

    task: Task
    future: Future
    tries: int


def run_all(
    tasks: Sequence[Task], workers: Any, train: Sequence[str] = TRAIN, poll: float = POLL
) -> list[str]:
    """Train and test, each after the one it starts from.

    A run whose worker is lost goes on where it was saved, on another one. Ctrl-C and SIGTERM let
    every run save first.

    Args:
      tasks: arms and seeds, those that others start from before these.
      workers: of `experiments.sweep.workers`.
      train: the command that trains, before `with FILE.yaml`.
      poll: seconds between two looks.

    Returns:
      Names of the runs that failed.

    Raises:
      OSError: the scheduler of a cluster is gone.
    """
    waiting, running, failed = list(tasks), [], []
    with immediate():
        try:
            while waiting or running:
                unfinished = {name(each) for each in [*waiting, *(one.task for one in running)]}
                ready = [task for task in waiting if start_of(task) not in unfinished]
                for task in ready[: max(0, workers.slots() - len(running))]:
                    waiting.remove(task)
                    if begin(*task):
                        running.append(Running(task, submit(workers, task, train), 1))
                    else:
                        failed.append(name(task))
                for run in [run for run in running if run.future.done()]:
                    running.remove(run)
                    again = ended(run, workers)
                    if again:
                        future = submit(workers, run.task, train)
                        running.append(Running(run.task, future, run.tries + 1))
                    elif not succeeded(run.task):
                        failed.append(name(run.task))
                if running:
                    time.sleep(poll)
        except BaseException:
            pause(running, poll)
            raise
    return failed


def name(task: Task) -> str:
    """The name of the run of an arm with a seed."""
    arm, seed = task
    return arm.folder(seed).name


def start_of(task: Task) -> str | None:
    """The name of the run that another one starts from; None where it starts from scratch."""
    arm, seed = task
    return f"{arm.start}-{seed}" if arm.start else None


def begin(arm: Arm, seed: int) -> bool:
    """Write the configuration of a run; False, and a line, where it was begun with another plan."""
    folder, mark, fingerprint = arm.folder(seed), arm.mark(seed), arm.fingerprint(seed)
    if mark.exists() and mark.read_text("utf-8") != fingerprint:
        print(f"{folder}: begun with another plan; move it away to train this one", flush=True)
        return False
    write_text(mark, fingerprint)
    write_text(arm.file(seed), yaml.safe_dump(arm.configuration(seed), sort_keys=False))
    print(f"{folder}: {arm.title}, seed {seed}", flush=True)
    return True


def submit(workers: Any, task: Task, train: Sequence[str]) -> Future:
    """Have a run started where a worker is free."""
    arm, seed = task
    folder = arm.folder(seed)
    run_state.let_run(folder)
    return workers.submit(folder, [*train, "with", str(arm.file(seed))])


def ended(run: Running, workers: Any) -> bool:
    """Say what became of a run; whether it is to be started again."""
    arm, seed = run.task
    folder, why = arm.folder(seed), ""
    try:
        code: int | None = workers.outcome(run.future)
    except LostWorker as error:
        code, why = None, f": {error}"
    if succeeded(run.task):
        return False
    if code is None or code in STOPPED:
        if run.tries < TRIES:
            print(f"{folder}: its worker was lost; goes on where it was saved", flush=True)
            return True
        print(f"{folder}: failed: its worker was lost {TRIES} times{why}", flush=True)
    else:
        last = run_state.last_line(folder) or f"exit code {code}"
        print(f"{folder}: failed: {last}", flush=True)
    return False


def succeeded(task: Task) -> bool:
    """Whether a run has its scores."""
    arm, seed = task
    return arm.summary(seed).exists()


def pause(running: Sequence[Running], poll: float) -> None:
    """Let every run save and end, and wait for it."""
    for run in running:
        arm, seed = run.task
        run_state.stop(arm.folder(seed), run_state.PAUSED)
    if running:
        runs = "1 run" if len(running) == 1 else f"{len(running)} runs"
        print(f"saving {runs}; the same command goes on later", file=sys.stderr)
    end = time.monotonic() + SAVING
    while time.monotonic() < end and not all(run.future.done() for run in running):
        time.sleep(poll)
