"""What is counted, and the table of it."""

import dataclasses
from collections.abc import Sequence

from experiments.benchmarks.robustness.processes import Outcome

SLOW = 10.0  # seconds of a processor after which a refusal counts as a hang
LARGE = 1500.0  # megabytes of resident memory that an answer to bad input may take


@dataclasses.dataclass
class Counts:
    """Counts of one kind of trial.

    Attributes:
      name: the kind.
      trials: commands that were run.
      tracebacks, internal: that printed one; that failed by an error nobody had expected.
      failed: that failed where they should not.
      hangs: that took longer than they may. large: more memory than they may.
      orphans: processes that were left. left: temporary files that stayed.
      half_written: files under a final name that are not whole.
      outside: files written, changed or removed outside the named folders.
      differing: records, weights or files that are not as those of an undisturbed run.
    """

    name: str
    trials: int = 0
    tracebacks: int = 0
    internal: int = 0
    failed: int = 0
    hangs: int = 0
    large: int = 0
    orphans: int = 0
    half_written: int = 0
    left: int = 0
    outside: int = 0
    differing: int = 0

    def add(self, outcome: Outcome, failed: bool = False, half_written: int = 0) -> None:
        """Count a command."""
        self.trials += 1
        self.tracebacks += outcome.has_traceback
        self.internal += outcome.internal
        self.orphans += outcome.orphans
        self.failed += failed
        self.half_written += half_written

    @property
    def faults(self) -> int:
        """Everything that should be 0."""
        return sum(self.figures()[2:])

    def figures(self) -> list:
        """Name, trials, and the figures in the order of the table."""
        return list(dataclasses.astuple(self))


COLUMNS = ("trials", "traceback", "internal", "failed", "hang", "memory", "orphan", "half", "left")
COLUMNS += ("outside", "differ")


def table(rows: Sequence[Counts]) -> str:
    """The counts as a Markdown table, and their sum."""
    total = ["all", *(sum(column) for column in zip(*(row.figures()[1:] for row in rows)))]
    lines = ["| tried | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for figures in (*(row.figures() for row in rows), total):
        lines.append("| " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines)
