"""Runs one phase: update, read, log, validate, save, stop early, go on where it stopped."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from common.interrupts import Interrupted, Request, deferred
from dssgan.monitoring.progress import Clock, Mean, epoch_line
from dssgan.monitoring.step_results import LAG, StepResults
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.monitoring.validation import Scores, Validator
from dssgan.training.state import Progress


class Loop:
    """Trains one phase until it is finished, or until it is asked to stop.

    Args:
      run: a `dssgan.phases.run.Run`: configuration, checkpoints, team, where figures and lines go.
      phase: a `dssgan.phases.phase.Phase`: what is trained, on what, for how long.
      batches: first index → what the step takes of that batch and of those that follow it.
      validator: None takes the latest weights for the best.
      board: curves, pictures and sound.
    """

    def __init__(
        self,
        run: Any,
        phase: Any,
        batches: Callable[[int], Iterable[Any]],
        validator: Validator | None = None,
        board: TensorBoard | None = None,
    ):
        self.context, self.phase, self.batches = run, phase, batches
        self.validator, self.board = validator, board or TensorBoard(None)
        self.state, self.team = phase.state, run.team
        self.checkpoints = run.checkpoints(phase.name)
        self.settings, self.metric = run.config.validation, run.config.validation.metric
        self.clock = Clock()
        self._results = StepResults(phase.excerpts)
        self._point, self._epoch = Mean(), Mean()
        self._saved = time.monotonic()

    def run(self) -> Progress:
        """Train until the phase is finished.

        Raises:
          Interrupted: Ctrl-C or SIGTERM; the state is saved.
          NonFiniteLoss: the loss is no longer a number; the last checkpoint stays as it was.
        """
        progress = self.state.progress
        self._point.sums, self._epoch.sums = (
            progress.sums.get(name, {}) for name in ("point", "epoch")
        )
        progress.finished = self._is_over()  # a finished phase goes on where more epochs are asked
        if progress.finished:
            return progress
        with deferred() as request:
            if self.phase.score_first and self.validator and progress.best is None:
                self._score_first(request)
            batches = iter(self.batches(progress.step))
            while not progress.finished:
                self._train_epoch(batches, request)
                self._end_epoch(request)
                request.number = self.team.stop_at_once(request.number)
                if request:  # just saved
                    raise self._interrupted(request)
        return progress

    def _score_first(self, request: Request) -> None:
        progress = self.state.progress
        progress.best = self._validate(request).mean
        self.context.record(f"validation/{self.metric}", progress.best, progress.step)
        self.context.log(f"starting from {self.metric} {progress.best:.2f}")
        self._save(best=True)

    def _train_epoch(self, batches: Any, request: Request) -> None:
        progress, phase = self.state.progress, self.phase
        every = self.context.config.tracking.every
        while progress.step < phase.warmup + (progress.epoch + 1) * phase.steps:
            self.clock.start()
            metrics = phase.step(next(batches), progress.step)
            self._results.add(progress.step, metrics)
            progress.step += 1
            self._collect(LAG)
            progress.seconds += self.clock.stop()
            if progress.step % every == 0:
                self._collect(0)
                self._record_point()
            if self.clock.steps == every and self._left() > 600:
                self.context.log(f"about {self.clock.remaining(self._left())} for the whole phase")
            asked = self.team.stop_soon(request.number)
            if asked or self._save_is_due():
                self._save()
            if asked:
                request.number = asked
                raise self._interrupted(request)

    def _collect(self, lag: int) -> None:
        for values in self._results.take(lag):
            self._point.add(values)
            self._epoch.add(values)

    def _record_point(self) -> None:
        means = {f"train/{name}": value for name, value in self._point.take().items()}
        if means:
            means["train/audio_seconds_per_second"] = self._speed()
            self.board.scalars(self.state.progress.step, means)
            warning = self.phase.on_point(self.state.progress.step, means)
            if warning:
                self.context.log(warning)

    def _end_epoch(self, request: Request) -> None:
        progress, phase = self.state.progress, self.phase
        self._collect(0)
        scores, better = None, self.validator is None
        last = progress.epoch + 1 >= phase.epochs
        if self.validator and (last or (progress.epoch + 1) % self.settings.every == 0):
            scores = self._validate(request)
            better = progress.best is None or scores.mean > progress.best
        means = self._epoch.take()  # a validation that is broken off is saved with its epoch's sums
        progress.epoch += 1
        if scores:
            progress.waited = 0 if better else progress.waited + 1
            if better:
                progress.best, progress.best_epoch = scores.mean, progress.epoch
                phase.on_better()
        progress.finished = self._is_over()
        self._record(means, scores)  # before the checkpoint after which this epoch is not repeated
        self._save(best=better)
        if self.team.chief:
            phase.on_epoch(progress.step, self.board)
        self._report(means, scores)
        if progress.finished and not last:
            self.context.log(
                f"stopped early: no better {self.metric} in {self.settings.patience} validations "
                f"since epoch {progress.best_epoch}"
            )

    def _validate(self, request: Request) -> Scores:
        def check() -> None:
            request.number = self.team.stop_at_once(request.number)
            if request:
                raise self._interrupted(request)

        started = time.monotonic()
        try:
            with self.state.averaged():
                scores = self.validator(self.state.progress.step, self.board, check)
        except Interrupted:
            self._save()  # before the validation, which will be done again
            raise
        self.clock.validated(time.monotonic() - started)
        return scores

    def _record(self, means: dict[str, float], scores: Scores | None) -> None:
        progress = self.state.progress
        figures = {f"train/{name}": value for name, value in means.items()}
        if scores:
            validation = {
                f"validation/{self.metric}/{source}": value
                for source, value in scores.sources.items()
            } | {f"validation/{self.metric}": scores.mean}
            self.board.scalars(progress.step, validation)
            figures |= validation
        for name, value in figures.items():
            self.context.record(name, value, progress.step)

    def _report(self, means: dict[str, float], scores: Scores | None) -> None:
        progress = self.state.progress
        self.context.log(
            epoch_line(
                progress.epoch,
                self.phase.epochs,
                means.get("loss", math.nan),
                self.metric if self.validator else "",
                scores.mean if scores else None,
                progress.best,
                self._speed(),
                self._remaining(),
            )
        )

    def _is_over(self) -> bool:
        progress, patience = self.state.progress, self.settings.patience
        patience_exceeded = bool(patience) and progress.waited >= patience
        return patience_exceeded or progress.epoch >= self.phase.epochs

    def _speed(self) -> float:
        """Seconds of audio that a second of training takes in."""
        return self.clock.rate() * self.phase.seconds

    def _left(self) -> int:
        return self.phase.length - self.state.progress.step

    def _remaining(self) -> str:
        progress = self.state.progress
        if progress.finished:
            return ""
        validations = math.ceil((self.phase.epochs - progress.epoch) / self.settings.every)
        return self.clock.remaining(self._left(), validations)

    def _save_is_due(self) -> bool:
        checkpoint = self.context.config.checkpoint
        if checkpoint.steps and self.state.progress.step % checkpoint.steps == 0:
            return True
        minutes = (time.monotonic() - self._saved) / 60.0
        return bool(checkpoint.minutes) and minutes >= checkpoint.minutes

    def _save(self, best: bool = False) -> None:
        self._collect(0)
        progress = self.state.progress
        progress.sums = {"point": self._point.sums, "epoch": self._epoch.sums}
        progress.points = self.context.settle()
        self.board.flush()
        if self.team.chief:
            self.checkpoints.save(self.state, best)
        self._saved = time.monotonic()

    def _interrupted(self, request: Request) -> Interrupted:
        return Interrupted(request.number, f"stopped at step {self.state.progress.step}")
