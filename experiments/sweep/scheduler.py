"""Trains the points of a sweep: starts and watches them, ends those below the median, repeats lost
ones."""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from common.cli import one_line
from common.files import write_text
from common.interrupts import immediate
from experiments.run.yaml_files import dump
from experiments.sweep import run_state
from experiments.sweep.points import Point
from experiments.sweep.pruning import Pruning
from experiments.sweep.run_state import PAUSED, PRUNED, Curve
from experiments.sweep.search import Search
from experiments.sweep.workers import Future, LostWorker

TRAIN = (sys.executable, "-m", "dssgan.train")
PRIVATE = 0o600  # of a file that may hold the password of a database
TRIES = 4  # of a point whose workers are lost
SAVING = 120.0  # seconds that runs have to save when the sweep is stopped
STOPPED = (130, 143)  # exit codes of a run that was asked to end and has saved
FINISHED, FAILED = "finished", "failed"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a point.

    Attributes:
      state: FINISHED, FAILED or PRUNED.
      value: the objective of a finished point.
      remark: why it failed or was pruned.
      seconds: of training in this session; 0 where it was done before.
    """

    point: Point
    state: str
    value: float | None = None
    remark: str = ""
    seconds: float = 0.0


@dataclasses.dataclass
class Running:
    """A point in training.

    Attributes:
      future: of its guard.
      tries: how often it was started.
      started: by time.monotonic().
      epoch: done when it was started.
    """

    point: Point
    future: Future
    tries: int
    started: float
    epoch: int


class SweepScheduler:
    """Trains what a search proposes.

    Args:
      search: proposes points.
      workers: train them.
      objective: what is looked for, the more the better: "SDR/drums", "validation/si_sdr".
      pruning: which points are ended early.
      board: shows the state of the sweep and prints its events.
      train: the command that trains, before `with FILE.yaml`.
      poll: seconds between two looks.

    Attributes:
      outcomes: so far.
      running: by name.
    """

    def __init__(
        self,
        search: Search,
        workers: Any,
        objective: str,
        pruning: Pruning,
        *,
        board: Any,
        train: Sequence[str] = TRAIN,
        poll: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.search, self.workers, self.board = search, workers, board
        self.objective, self.pruning = objective, pruning
        self.train, self.poll, self.clock = list(train), poll, clock
        self.outcomes: list[Outcome] = []
        self.running: dict[str, Running] = {}
        self.curves: dict[str, Curve] = {}
        self._over = False

    def run(self) -> list[Outcome]:
        """Train until no point is left; Ctrl-C and SIGTERM let every run save first."""
        with immediate():
            try:
                while not self._over or self.running:
                    self._fill()
                    self._collect()
                    self._prune()
                    self.board.show(self)
                    if self.running or not self._over:
                        time.sleep(self.poll)
            except BaseException:
                self._pause()
                raise
            finally:
                self.board.clear()
        return self.outcomes

    def _fill(self) -> None:
        """Start points while there are workers without one; count those that are done already."""
        slots = self.workers.slots()
        while not self._over and len(self.running) < slots:
            try:
                point = self.search.next()
            except ValueError as error:
                self.board.event(f"a proposal is left out: {one_line(error)}")
                continue
            if point is None:
                self._over = True
                return
            folder, value = point.folder, self._value(point)
            if value is not None:
                self._end(Outcome(point, FINISHED, value))
            elif self.pruning.others and run_state.stopped(folder).get("reason") == PRUNED:
                self._end(Outcome(point, PRUNED, None, run_state.stopped(folder).get("why", "")))
            else:
                self._start(point)

    def _start(self, point: Point, tries: int = 1) -> None:
        folder = point.folder
        file = folder.parent / "configurations" / f"{point.name}.yaml"
        write_text(file, dump(point.config), PRIVATE)
        folder.mkdir(parents=True, exist_ok=True)
        run_state.let_run(folder)
        future = self.workers.submit(folder, [*self.train, "with", str(file)])
        epoch, _ = run_state.epoch(folder)
        self.running[point.name] = Running(point, future, tries, self.clock(), epoch)

    def _collect(self) -> None:
        """Take what has ended."""
        for run in [run for run in self.running.values() if run.future.done()]:
            try:
                code: int | None = self.workers.outcome(run.future)
                why = ""
            except LostWorker as error:
                code, why = None, f": {error}"
            del self.running[run.point.name]
            self._ended(run, code, why)

    def _ended(self, run: Running, code: int | None, why: str) -> None:
        point, folder = run.point, run.point.folder
        seconds, value = self.clock() - run.started, self._value(point)
        request = run_state.stopped(folder)
        if value is not None:
            run_state.let_run(folder)
            self._end(Outcome(point, FINISHED, value, seconds=seconds))
        elif request.get("reason") == PRUNED and code in STOPPED:
            self._end(Outcome(point, PRUNED, None, request.get("why", ""), seconds))
        elif code is None or code in STOPPED:
            if run.tries < TRIES:
                self.board.event(f"lost, is run again: {point.name}")
                self._start(point, run.tries + 1)
            else:
                remark = f"its worker was lost {TRIES} times{why}"
                self._end(Outcome(point, FAILED, None, remark, seconds))
        else:
            self._end(Outcome(point, FAILED, None, self._why(point, code), seconds))

    def _why(self, point: Point, code: int) -> str:
        """Why a point failed, in one line."""
        last = run_state.last_line(point.folder)
        if code == 0:
            known = ", ".join(sorted(run_state.scores(point.folder))) or "nothing"
            return f"there is no {self.objective} among its scores ({known})"
        if code > 128:
            return f"killed by signal {code - 128}; its last line: {last or '(none)'}"
        return last or f"exit code {code}, and no word in its log"

    def _value(self, point: Point) -> float | None:
        """The objective of a finished point."""
        if not run_state.finished(point.folder):
            return None
        return run_state.scores(point.folder).get(self.objective)

    def _end(self, outcome: Outcome) -> None:
        point = outcome.point
        self.curves[point.name] = run_state.curve(point.folder, self.pruning.metric)
        self.outcomes.append(outcome)
        pruned = outcome.state == PRUNED
        self.search.report(point, outcome.value, self.curves[point.name], pruned)
        self.board.ended(self, outcome)

    def _prune(self) -> None:
        """Ask points to end that are worse than the median of the others at the same update."""
        if not self.pruning.others:
            return
        for name, run in self.running.items():
            self.curves[name] = run_state.curve(run.point.folder, self.pruning.metric)
        for name, run in self.running.items():
            peers = [curve for other, curve in self.curves.items() if other != name]
            why = self.pruning.reason(self.curves[name], peers)
            if why and not run_state.stopped(run.point.folder):
                run_state.stop(run.point.folder, PRUNED, why)

    def _pause(self) -> None:
        """Let every run save and end, and wait for it."""
        for run in self.running.values():
            run_state.stop(run.point.folder, PAUSED)
        if self.running:
            self.board.event(f"saving {len(self.running)} points; the same command goes on later")
        end = self.clock() + SAVING
        while self.clock() < end and not all(run.future.done() for run in self.running.values()):
            time.sleep(self.poll)
