"""How fast training goes, how long it will take, and the line that says so."""

import math
import time


class Clock:
    """Times steps and validations of this session; the first step, which compiles, does not count.

    Attributes:
      steps: steps timed so far.
    """

    def __init__(self):
        self.steps = 0
        self._seconds = 0.0
        self._validations: list[float] = []
        self._first = True
        self._started = 0.0

    def start(self) -> None:
        """A step begins."""
        self._started = time.monotonic()

    def stop(self) -> float:
        """The step is over; returns its seconds."""
        seconds = time.monotonic() - self._started
        if self._first:
            self._first = False
        else:
            self.steps += 1
            self._seconds += seconds
        return seconds

    def validated(self, seconds: float) -> None:
        """A validation took so long."""
        self._validations.append(seconds)

    def rate(self) -> float:
        """Steps per second; 0 before the second step."""
        return self.steps / self._seconds if self._seconds else 0.0

    def remaining(self, steps: int, validations: int = 0) -> str:
        """The time that so many steps and validations take, in words; "" when unknown."""
        if not self.rate():
            return ""
        seconds = steps / self.rate()
        if self._validations:
            seconds += validations * self._validations[-1]
        return duration(seconds)


class Mean:
    """Running means of named values.

    Attributes:
      sums: {name: [sum, how many]} so far; plain numbers, for a checkpoint.
    """

    def __init__(self):
        self.sums: dict[str, list[float]] = {}

    def add(self, values: dict[str, float]) -> None:
        """Count each value once."""
        for name, value in values.items():
            total = self.sums.setdefault(name, [0.0, 0])
            total[0] += value
            total[1] += 1

    def take(self) -> dict[str, float]:
        """The means so far; starts anew."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return means


def duration(seconds: float) -> str:
    """Seconds in at most eight characters: 42 s, 12 min, 3 h 05, 2 d 11 h."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{max(0, round(seconds))} s"
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d}"
    return f"{hours // 24} d {hours % 24} h"


def epoch_line(
    epoch: int,
    epochs: int,
    loss: float,
    metric: str,
    score: float | None,
    best: float | None,
    speed: float,
    left: str,
) -> str:
    """What an epoch brought, within 80 columns.

    Args:
      metric: name of the score; "" where there is no validation.
      score: None where this epoch had no validation.
      best: best score so far, None before the first.
      speed: seconds of audio per second, shown as 12x; 0 when unknown.
      left: time left; "" at the end.
    """
    parts = [f"epoch {epoch}/{epochs}"]
    if math.isfinite(loss):
        parts.append(f"loss {loss:.4g}")
    if metric:
        shown = "-" if score is None else f"{score:.2f}"
        record = "" if best is None else f" (best {best:.2f})"
        parts.append(f"{metric[:12]} {shown}{record}")
    if speed:
        parts.append(f"{speed:.1f}x" if speed < 10 else f"{speed:.0f}x")
    if left:
        parts.append(f"{left} left")
    return "  ".join(parts)
