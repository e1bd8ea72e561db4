"""How a latency is spent: on the block, on looking ahead, and on computing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dssgan.separation.chunked import ChunkedSeparator

BLOCK = 0.4  # of the latency: a block, and as much again to compute it with its margin
MARGIN = 1.4  # times the computing that was measured
LONGEST = 8.0  # seconds of a window
LONGEST_BLOCK = 0.1  # seconds, of a causal separator
TRIED = 1.0  # seconds of a window that measures a separator's speed


@dataclass(frozen=True)
class Plan:
    """A window in seconds, and what it costs.

    Attributes:
      latency: from a sample's coming to its going, all in all.
      block, ahead, window: as of `dssgan.live.window`.
      computing: of one window, as it was measured.
    """

    latency: float
    block: float
    ahead: float
    window: float
    computing: float

    def __str__(self) -> str:
        parts = (self.block, self.ahead, MARGIN * self.computing)
        told = " + ".join(
            f"{part:.3f} {name}"
            for part, name in zip(parts, ("block", "look-ahead", "computing with its margin"))
        )
        return f"latency {round(self.latency, 4):g} s = {told}; window {self.window:.2f} s"


def plan(latency: float, speed: float) -> Plan:
    """Spend a latency: the longest window that can be computed in time.

    Args:
      latency: in seconds, 4 at most.
      speed: seconds of window that are computed in a second.

    Raises:
      ValueError: the separator is too slow for any window; the latency does not matter to that.
    """
    block = BLOCK * latency
    window = min(LONGEST, speed * block / MARGIN)
    computing = window / speed
    ahead = latency - block - MARGIN * computing
    if window < block + ahead:
        needed = MARGIN * (1 - BLOCK) / BLOCK
        raise ValueError(
            f"the separator does {speed:.1f} times real time here, and {needed:.1f} are needed: "
            "close other programs, or take a smaller separator"
        )
    return Plan(latency, block, ahead, window, computing)


def running_plan(
    latency: float, hop: float, delay: float, coming: float, computing: Callable[[float], float]
) -> Plan:
    """Spend a latency on a causal separator: the longest block that fits.

    Args:
      latency: at most, in seconds; what is not needed is not spent.
      hop: of which a block is a multiple. delay: that is the separator's own.
      coming: how long a piece of the signal waits until it is whole.
      computing: what a block of so many seconds takes.

    Raises:
      ValueError: too short a latency for this separator, or too slow a machine.
    """
    count = int((latency - delay - coming) / (2 * hop) + 1e-6)
    if count < 1:
        needed = delay + coming + 2 * hop
        raise ValueError(
            f"a latency of {latency:g} s is too short for this separator: expected {needed:.3f} or "
            "more"
        )
    block = min(count * hop, LONGEST_BLOCK - LONGEST_BLOCK % hop)
    spent = computing(block)
    if MARGIN * spent > block:
        raise ValueError(
            f"a block of {block:.3f} s takes {spent:.3f} s here, and {block / MARGIN:.3f} is the "
            "most: raise --latency, close other programs, or take a smaller separator"
        )
    whole = coming + block + delay + MARGIN * spent
    return Plan(whole, block + coming, delay, block, spent)


def speed_of(separator: ChunkedSeparator, channels: int, repeat: int = 3) -> float:
    """Seconds of window that a separator computes in a second, the slowest of some.

    Args:
      separator: whose chunks are TRIED seconds long.
      channels: of the signal.
    """
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((1, separator.segment, channels)).astype(np.float32)
    inference = separator.inference(channels)
    separator.infer(noise, inference)  # what the first call prepares
    spent = timed(lambda: separator.infer(noise, inference), repeat)
    return separator.segment / separator.sample_rate / max(spent)


def spent_on(separator: ChunkedSeparator, channels: int, samples: int, repeat: int = 50) -> float:
    """Seconds that a causal separator takes for a block, nine in ten of them at most.

    Args:
      channels: of the signal. samples: of the block, at the separator's rate.
    """
    advance = separator.running(channels, samples)
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((samples, channels)).astype(np.float32)
    return float(np.quantile(timed(lambda: advance(noise), repeat), 0.9))


def timed(call: Callable[[], object], repeat: int) -> list[float]:
    """Seconds that each of so many calls takes."""
    spent = []
    for _ in range(repeat):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return spent
