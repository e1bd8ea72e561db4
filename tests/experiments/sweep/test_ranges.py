"""Sweeps that would be endless are refused before a value is made."""

import itertools
import time

import pytest

from common.cli import UsageError
from experiments.sweep.axes import drawn, grid, parse


@pytest.mark.parametrize(
    "words",
    [
        ["seed=1..999999999999"],
        ["seed=1,2..999999999999"],
        ["model.width=1..1000000000"],
        ["seed=1..9" + "9" * 3000],
        ["seed=1,1..9" + "9" * 3000],
        ["seed=1..10000", "alpha=1..10000"],
    ],
)
def test_ranges_without_end(words):
    started = time.process_time()
    with pytest.raises(UsageError, match=r"at most|few digits") as caught:
        list(itertools.islice(grid(parse(words, False)[1]), 3))
    assert time.process_time() - started < 5.0 and len(str(caught.value)) < 300


def test_draws_without_end():
    _, axes = parse(["alpha=0..1e30"], True)
    with pytest.raises(UsageError, match="--random 99999999: expected 10000 points at most"):
        next(drawn(axes, 99_999_999, 0))
    with pytest.raises(UsageError, match=r"below 2\*\*62"):
        parse(["alpha=0..99999999999999999999"], True)
    assert len(list(grid(parse(["seed=1..10000"], False)[1]))) == 10_000
