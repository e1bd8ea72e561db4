"""Runs one phase: update, watch, log, validate, save, stop early, go on where it stopped."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from common.interrupts import Interrupted, Request, deferred
from dssgan.distributed.team import Team
from dssgan.monitoring.progress import Clock, Mean, epoch_line
from dssgan.monitoring.step_results import LAG, StepResults
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.monitoring.validation import Scores, Validator
from dssgan.training.checkpoints import Checkpoints
from dssgan.training.state import Progress, TrainingState


class Loop:
    """One phase of training.

    Args:
      step: (stems, step) → {name: scalar}; see dssgan.training.supervised_step.
      state: what is trained; `restore` it before to go on.
      source: excerpts; `source.batch(index)["names"]` tells which songs a batch came from.
      batches: first index → the stems of that batch and of the following ones.
      epochs, steps: `steps` updates make an epoch.
      ahead: updates before them, which lengthen the first epoch.
      checkpoints: where to save.
      save_minutes, save_steps: save within an epoch that often; 0 never.
      validator: None takes the latest weights for the best.
      validate_every: epochs between validations.
      patience: validations without a better score before the phase ends; 0 never.
      metric: name of the score.
      logs: curves and pictures.
      log_every: steps between two points of a curve.
      record: (name, value, step) of the figures of an epoch.
      seconds_per_step: seconds of audio in a batch.
      validate_first: score the weights that the phase starts from; they are the best so far.
      adopt: called after a validation that brought a better score, before the state is saved.
      show: (step, logs) called at the end of an epoch, for pictures.
      observe: (step, means) → a remark worth a line, or ""; called at every point of a curve.
      team: the workers that train together; the chief alone saves.
      say: prints a line.
    """

    def __init__(
        self,
        step: Callable[[Any, int], dict[str, tf.Tensor]],
        state: TrainingState,
        source: Any,
        batches: Callable[[int], Iterable[Any]],
        checkpoints: Checkpoints,
        *,
        epochs: int,
        steps: int,
        ahead: int = 0,
        save_minutes: float = 0.0,
        save_steps: int = 0,
        validator: Validator | None = None,
        validate_every: int = 1,
        patience: int = 0,
        metric: str = "score",
        logs: TensorBoard | None = None,
        log_every: int = 25,
        record: Callable[[str, float, int], None] = lambda name, value, step: None,
        seconds_per_step: float = 0.0,
        validate_first: bool = False,
        adopt: Callable[[], None] = lambda: None,
        show: Callable[[int, TensorBoard], None] = lambda step, logs: None,
        observe: Callable[[int, dict[str, float]], str] = lambda step, means: "",
        team: Team | None = None,
        say: Callable[[str], None] = print,
    ):
        self.step, self.state, self.source, self.batches = step, state, source, batches
        self.checkpoints, self.epochs, self.steps = checkpoints, epochs, steps
        self.ahead = ahead
        self.save_minutes, self.save_steps = save_minutes, save_steps
        self.validator, self.validate_every = validator, validate_every
        self.patience, self.metric = patience, metric
        self.logs, self.log_every = logs or TensorBoard(None), log_every
        self.record, self.say, self.seconds_per_step = record, say, seconds_per_step
        self.validate_first, self.adopt = validate_first, adopt
        self.show, self.observe = show, observe
        self.team = team or Team()
        self.clock = Clock()
        self._watch = StepResults(source)
        self._point, self._epoch = Mean(), Mean()
        self._saved = time.monotonic()

    def run(self) -> Progress:
        """Train until the phase is finished.

        Raises:
          Interrupted: Ctrl-C or SIGTERM; the state is saved.
          NonFiniteLoss: the loss is no longer a number; the last checkpoint stays as it was.
        """
        progress = self.state.progress
        progress.finished = self._is_over()  # a finished phase goes on where more epochs are asked
        if progress.finished:
            return progress
        with deferred() as request:
            if self.validate_first and self.validator and progress.best is None:
                self._score_the_start(request)
            batches = iter(self.batches(progress.step))
            while not progress.finished:
                self._train_epoch(batches, request)
                self._end_epoch(request)
                request.number = self.team.stop_at_once(request.number)
                if request:  # just saved
                    raise self._interrupted(request)
        return progress

    def _score_the_start(self, request: Request) -> None:
        progress = self.state.progress
        progress.best = self._validate(request).mean
        self.record(f"validation/{self.metric}", progress.best, progress.step)
        self.say(f"starting from {self.metric} {progress.best:.2f}")
        self._save(best=True)

    def _train_epoch(self, batches: Any, request: Request) -> None:
        progress = self.state.progress
        while progress.step < self.ahead + (progress.epoch + 1) * self.steps:
            self.clock.start()
            metrics = self.step(next(batches), progress.step)
            self._watch.add(progress.step, metrics)
            progress.step += 1
            self._collect(LAG)
            progress.seconds += self.clock.stop()
            if progress.step % self.log_every == 0:
                self._collect(0)
                self._log_point()
            if self.clock.steps == self.log_every and self._left() > 600:
                self.say(f"about {self.clock.remaining(self._left())} for the whole phase")
            asked = self.team.stop_soon(request.number)
            if asked or self._save_is_due():
                self._save()
            if asked:
                request.number = asked
                raise self._interrupted(request)

    def _collect(self, lag: int) -> None:
        for values in self._watch.take(lag):
            self._point.add(values)
            self._epoch.add(values)

    def _log_point(self) -> None:
        means = {f"train/{name}": value for name, value in self._point.take().items()}
        if means:
            means["train/audio_seconds_per_second"] = self.clock.rate() * self.seconds_per_step
            self.logs.scalars(self.state.progress.step, means)
            remark = self.observe(self.state.progress.step, means)
            if remark:
                self.say(remark)

    def _end_epoch(self, request: Request) -> None:
        progress = self.state.progress
        self._collect(0)
        means, scores, better = self._epoch.take(), None, self.validator is None
        last = progress.epoch + 1 >= self.epochs
        if self.validator and (last or (progress.epoch + 1) % self.validate_every == 0):
            scores = self._validate(request)
            better = progress.best is None or scores.mean > progress.best
        progress.epoch += 1
        if scores:
            progress.waited = 0 if better else progress.waited + 1
            if better:
                progress.best, progress.best_epoch = scores.mean, progress.epoch
                self.adopt()
        progress.finished = self._is_over()
        self._save(best=better)
        if self.team.chief:
            self.show(progress.step, self.logs)
        self._report(means, scores)
        if progress.finished and not last:
            self.say(
                f"stopped early: no better {self.metric} in {self.patience} validations "
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
                scores = self.validator(self.state.progress.step, self.logs, check)
        except Interrupted:
            self._save()  # before the validation, which will be done again
            raise
        self.clock.validated(time.monotonic() - started)
        return scores

    def _report(self, means: dict[str, float], scores: Scores | None) -> None:
        progress = self.state.progress
        figures = {f"train/{name}": value for name, value in means.items()}
        if scores:
            for source, value in scores.sources.items():
                figures[f"validation/{self.metric}/{source}"] = value
            figures[f"validation/{self.metric}"] = scores.mean
            self.logs.scalars(
                progress.step, {n: v for n, v in figures.items() if n.startswith("validation/")}
            )
        for name, value in figures.items():
            self.record(name, value, progress.step)
        self.logs.flush()
        self.say(
            epoch_line(
                progress.epoch,
                self.epochs,
                means.get("loss", math.nan),
                self.metric if self.validator else "",
                scores.mean if scores else None,
                progress.best,
                self.clock.rate() * self.seconds_per_step,
                self._remaining(),
            )
        )

    def _is_over(self) -> bool:
        progress = self.state.progress
        weary = bool(self.patience) and progress.waited >= self.patience
        return weary or progress.epoch >= self.epochs

    def _left(self) -> int:
        return self.ahead + self.epochs * self.steps - self.state.progress.step

    def _remaining(self) -> str:
        progress = self.state.progress
        if progress.finished:
            return ""
        validations = math.ceil((self.epochs - progress.epoch) / self.validate_every)
        return self.clock.remaining(self._left(), validations)

    def _save_is_due(self) -> bool:
        if self.save_steps and self.state.progress.step % self.save_steps == 0:
            return True
        minutes = (time.monotonic() - self._saved) / 60.0
        return bool(self.save_minutes) and minutes >= self.save_minutes

    def _save(self, best: bool = False) -> None:
        self._collect(0)
        if self.team.chief:
            self.checkpoints.save(self.state, best)
        self._saved = time.monotonic()

    def _interrupted(self, request: Request) -> Interrupted:
        return Interrupted(request.number, f"stopped at step {self.state.progress.step}")
