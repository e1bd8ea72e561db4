"""`alpha=1e-4,1e-3 seed=1..3 beta=1e-4..1e-1:log` → what is swept, and its combinations."""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common.cli import UsageError

SEED = "seed"
MOST_POINTS = 10_000  # of a sweep
LONGEST = 100  # letters of a range
DIGITS = 4  # of numbers that are drawn
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})(:log)?")
WHOLE = re.compile(r"[-+]?\d+")


@dataclasses.dataclass(frozen=True)
class Axis:
    """A key that is swept.

    Attributes:
      key: dotted.
      values: the texts to choose from; empty for a range.
      low, high: the range, both ends included.
      whole: of whole numbers.
      log: every ratio is as likely as another, not every difference.
    """

    key: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    def draw(self, rng: np.random.Generator) -> str:
        """A value by chance."""
        if self.values:
            return self.values[rng.integers(len(self.values))]
        if self.whole and not self.log:
            return str(rng.integers(int(self.low), int(self.high), endpoint=True))
        ends = np.log((self.low, self.high)) if self.log else (self.low, self.high)
        drawn = rng.uniform(*ends)
        return self.text(math.exp(drawn) if self.log else drawn)

    def text(self, value: float) -> str:
        """A number of the range as it is written: with four digits, within the range."""
        if self.whole:
            return str(min(max(round(value), int(self.low)), int(self.high)))
        return written(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))

    def extremes(self) -> tuple[str, ...]:
        """All values, or both ends of the range."""
        return self.values or (self.text(self.low), self.text(self.high))


def parse(words: Sequence[str], draws: bool) -> tuple[list[str], list[Axis]]:
    """Part what is the same for all points from what is swept.

    Args:
      words: configuration files, key=value, key=value,value…, key=low..high[:log].
      draws: ranges of any numbers are allowed; else of whole numbers alone, which are counted.

    Returns:
      (words for every point, swept keys in their order).

    Raises:
      UsageError: a word that cannot be read.
    """
    fixed, axes = [], []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            fixed.append(word)
            continue
        if key in ("resume", "name"):
            raise UsageError(f"{word}: a sweep names its runs itself; see --name")
        axis = _axis(key.strip(), text.strip(), draws)
        if axis is None:
            fixed.append(word)
        elif any(axis.key == other.key for other in axes):
            raise UsageError(f"{word}: {axis.key} is named twice; put all its values into one list")
        else:
            axes.append(axis)
    if not axes:
        raise UsageError("nothing to sweep; give a key several values, such as alpha=1e-4,1e-3")
    return fixed, axes


def _axis(key: str, text: str, draws: bool) -> Axis | None:
    """What a word sweeps; None for a single value."""
    texts = split(text)
    if any(not value for value in texts):
        raise UsageError(f"{key}={text}: a value is missing beside a comma")
    if len(texts) == 1:
        match = _range(key, text)
        if not match:
            return None
        low, high = float(match[1]), float(match[2])
        whole = bool(WHOLE.fullmatch(match[1]) and WHOLE.fullmatch(match[2]))
        if whole and max(-low, high) > 2**62:
            raise UsageError(f"{key}={text}: expected whole numbers below 2**62")
        if high < low or (match[3] and low <= 0) or not math.isfinite(high - low):
            raise UsageError(f"{key}={text}: expected LOW..HIGH, both above 0 with :log")
        if draws and key != SEED:
            return Axis(key, (), low, high, whole, bool(match[3]))
        if not whole or match[3]:
            raise UsageError(
                f"{key}={text}: a grid takes ranges of whole numbers alone; list the values, or "
                "draw some with --random N or --optuna N"
            )
    values: list[str] = []
    for value in texts:
        match = _range(key, value)
        if match and not (WHOLE.fullmatch(match[1]) and WHOLE.fullmatch(match[2])):
            raise UsageError(
                f"{key}={text}: a range within a list is one of whole numbers, as 1..3"
            )
        numbers = range(int(match[1]), int(match[2]) + 1) if match else ()
        if len(values) + len(numbers) > MOST_POINTS:
            raise UsageError(
                f"{key}={text[:100]}: more than {MOST_POINTS} values; expected that many at most"
            )
        values += map(str, numbers) if match else [value]
    if not values:
        raise UsageError(f"{key}={text}: expected LOW..HIGH")
    return Axis(key, tuple(values))


def _range(key: str, text: str) -> re.Match | None:
    """What a range says; None for another value."""
    if len(text) <= LONGEST:
        return RANGE.fullmatch(text)
    if text[:1] in "+-.0123456789" and ".." in text:
        raise UsageError(f"{key}={text[:40]}…: expected LOW..HIGH, numbers of a few digits")
    return None


def split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            depth += (sign in "[{(") - (sign in "]})")
        if sign == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def grid(axes: Sequence[Axis]) -> Iterator[dict[str, str]]:
    """Every combination; the last key changes fastest."""
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_POINTS:
        raise UsageError(
            f"{count} combinations; expected {MOST_POINTS} at most: give fewer values, or draw "
            "some with --random N"
        )
    for texts in itertools.product(*(axis.values for axis in axes)):
        yield {axis.key: text for axis, text in zip(axes, texts)}


def drawn(axes: Sequence[Axis], count: int, seed: int) -> Iterator[dict[str, str]]:
    """So many different combinations by chance, each with every `seed=`.

    The first N are the same whatever `count` is, so that a sweep can be made longer.

    Raises:
      UsageError: there are not so many.
    """
    if count > MOST_POINTS:
        raise UsageError(f"--random {count}: expected {MOST_POINTS} points at most")
    rng = np.random.default_rng(seed)
    others = [axis for axis in axes if axis.key != SEED]
    seeds = [axis for axis in axes if axis.key == SEED]
    seen: set[tuple[str, ...]] = set()
    for _ in range(1000 * count):
        texts = tuple(axis.draw(rng) for axis in others)
        if texts in seen:
            continue
        seen.add(texts)
        for last in grid(seeds):
            yield {axis.key: text for axis, text in zip(others, texts)} | last
        if len(seen) == count:
            return
    raise UsageError(f"--random {count}: there are only {len(seen)} different points")


def written(value: Any) -> str:
    """A value as short as it can be written without becoming another."""
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
