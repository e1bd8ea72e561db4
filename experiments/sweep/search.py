"""Which point comes next: the next one of a list, or the one that Optuna proposes."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from common.cli import UsageError
from common.dask_cluster import needed
from common.files import read_limited
from common.json_files import parse_json, write_json
from experiments.sweep.axes import MOST_POINTS, SEED, Axis
from experiments.sweep.points import Maker, Point
from experiments.sweep.run_state import Curve

MANY = 256  # combinations of extremes that are checked beforehand


class Search(Protocol):
    """Proposes points.

    Attributes:
      total: how many there will be.
    """

    total: int

    def next(self) -> Point | None:
        """Another point; None when all are out. Raises ValueError for one that cannot be."""

    def report(self, point: Point, value: float | None, curve: Curve, pruned: bool) -> None:
        """What became of a point; `value` is None where it failed."""


class Listed:
    """Points that are known beforehand."""

    def __init__(self, points: Sequence[Point]):
        self.points, self.total = list(points), len(points)
        self._left = iter(self.points)

    def next(self) -> Point | None:
        """The next of the list."""
        return next(self._left, None)

    def report(self, point: Point, value: float | None, curve: Curve, pruned: bool) -> None:
        """Nothing depends on it."""


class Optuna:
    """A tree-structured Parzen estimator (Bergstra et al. 2011) by Optuna.

    What was proposed is kept in FOLDER/proposed.json; a sweep that is taken up proposes the same
    points first, and learns from those that are finished at once.

    Args:
      make: makes points.
      count: proposals in all.
      seed: of the sampler.
      folder: of the sweep.

    Raises:
      UsageError: wrong keys or values, or a sweep of that name was begun with other keys.
    """

    def __init__(self, make: Maker, count: int, seed: int, folder: Path):
        optuna = needed("optuna", "--optuna")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.make, self.total, self._asked = make, count, 0
        self._optuna, self._trials = optuna, {}
        if count > MOST_POINTS:
            raise UsageError(f"--optuna {count}: expected {MOST_POINTS} points at most")
        if any(axis.key == SEED for axis in make.axes):
            raise UsageError("--optuna: it learns from one run per point; give a single seed=")
        self._check_the_extremes()
        self._file = folder / "proposed.json"
        self._proposed = self._read()
        # Of those that were proposed before the sampler knows nothing: it would draw them again.
        [fresh] = np.random.SeedSequence([seed, len(self._proposed)]).generate_state(1)
        sampler = optuna.samplers.TPESampler(seed=int(fresh), constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        for keys in self._proposed:
            self._study.enqueue_trial(
                {axis.key: self._parameter(axis, keys[axis.key]) for axis in make.axes}
            )

    def next(self) -> Point | None:
        """Another proposal; one that was made before is left out and makes the total smaller."""
        while self._asked < self.total:
            trial = self._study.ask()
            keys = {axis.key: self._suggest(trial, axis) for axis in self.make.axes}
            self._asked += 1
            if self._asked > len(self._proposed):
                self._proposed.append(keys)
                write_json(self._file, self._proposed)
            try:
                point = self.make(keys)
            except ValueError:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                raise
            if point.name not in self._trials:
                self._trials[point.name] = trial
                return point
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            self.total -= 1
        return None

    def report(self, point: Point, value: float | None, curve: Curve, pruned: bool) -> None:
        """Let Optuna learn from a point."""
        trial, states = self._trials[point.name], self._optuna.trial.TrialState
        for step, score in curve:
            trial.report(score, step)
        if value is not None:
            self._study.tell(trial, value)
        else:
            self._study.tell(trial, state=states.PRUNED if pruned and curve else states.FAIL)

    def _suggest(self, trial: Any, axis: Axis) -> str:
        if axis.values:
            return trial.suggest_categorical(axis.key, axis.values)
        if axis.whole:
            return str(trial.suggest_int(axis.key, int(axis.low), int(axis.high), log=axis.log))
        return axis.text(trial.suggest_float(axis.key, axis.low, axis.high, log=axis.log))

    def _parameter(self, axis: Axis, text: str) -> Any:
        if axis.values:
            return text
        return int(text) if axis.whole else float(text)

    def _check_the_extremes(self) -> None:
        ends = itertools.product(*(axis.extremes() for axis in self.make.axes))
        for texts in itertools.islice(ends, MANY):
            self.make({axis.key: text for axis, text in zip(self.make.axes, texts)})

    def _read(self) -> list[dict[str, str]]:
        if not self._file.exists():
            return []
        try:
            data = read_limited(self._file)
            found = parse_json(data, self._file, "choose another --name", [{str: str}])
            fits = all(self._fits(keys) for keys in found)
        except ValueError as error:
            text = str(error).removeprefix(f"{self._file}: ")
            raise UsageError(f"{self._file}: damaged ({text}); choose another --name") from error
        if not fits:
            raise UsageError(
                f"{self._file}: this sweep was begun with other keys or values; choose another "
                "--name"
            )
        return found[: self.total]

    def _fits(self, keys: dict[str, str]) -> bool:
        if keys.keys() != {axis.key for axis in self.make.axes}:
            return False
        return all(
            keys[axis.key] in axis.values
            if axis.values
            else axis.low <= float(keys[axis.key]) <= axis.high
            for axis in self.make.axes
        )
